# SPDX-License-Identifier: GPL-2.0
"""Together with netfilter's connection tracking: off, on, and with rules that look at it."""
import re

import packet
from cases import case
from packet import ACK, PSH, SYN
from serving import CLIENT, SERVER, VIP, serve

HOOKS = ("forward", "postrouting", "input")
RULES = "\n".join(f"add table ip t; add chain ip t {hook} {{ type filter hook {hook} priority 0; }}; "
                  f"add rule ip t {hook} ct state STATES counter accept" for hook in HOOKS)


def start(d, conntrack, method="-m"):
    d.wires()
    d.rules(RULES.replace("STATES", "{ new, established, related, untracked, invalid }"))
    d.sysctl("conntrack", conntrack)
    serve(d, server_port=8080, method=method)


def table(d):
    code, output = d.execute("conntrack -L")
    lines = [re.sub(r"(tcp|udp)( +\d+) \d+ ", r"\1\2 T ", line) for line in output.splitlines() if "conntrack v" not in line]
    d.lines += ["conntrack:"] + sorted("  " + re.sub(r" use=\d+", "", line) for line in lines)


@case(rows=(("off, NAT", 0, "-m"), ("on, NAT", 1, "-m"), ("off, DR", 0, "-g"), ("on, DR", 1, "-g")))
def tcp_connection(d, row):
    _, conntrack, method = row
    start(d, conntrack, method)
    port = 8080 if method == "-m" else 80
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=1000))
    table(d)
    if method == "-m":
        d.send("servers", packet.tcp(SERVER, port, CLIENT, 40000, SYN | ACK, seq=5000, ack=1001))
        table(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, seq=1001, ack=5001))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, seq=1001, ack=5001, data=b"data"))
    table(d)
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80))
    table(d)
    d.run("nft list ruleset")
    d.counts()


@case(rows=(0, 1))
def icmp_error_of_a_connection(d, conntrack):
    start(d, conntrack)
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1053, SERVER, 8080, b"query", ttl=63)))
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 80, CLIENT, 1053, b"answer")))
    table(d)


@case(rows=(0, 1))
def conntrack_goes_with_the_connection(d, conntrack):
    start(d, conntrack)
    d.ipvsadm("--set 0 0 5")
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))
    table(d)
    d.quiet(10)
    d.counts("after its time")
    table(d)


@case(rows=tuple((f"conntrack {conntrack}, expire_nodest_conn {expire}", conntrack, expire) for conntrack in (0, 1) for expire in (0, 1)))
def removed_server(d, row):
    _, conntrack, expire = row
    start(d, conntrack)
    d.sysctl("expire_nodest_conn", expire)
    d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.12:8080 -m")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("servers", packet.tcp("10.2.0.12", 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.ipvsadm(f"-d -t {VIP}:80 -r 10.2.0.12:8080")
    d.quiet(1)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    table(d)
    d.counts()


@case(rows=(0, 1))
def server_speaks_first_after_tracking_forgot(d, conntrack):
    start(d, conntrack)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=1000))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, seq=5000, ack=1001))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, seq=1001, ack=5001))
    d.run("conntrack -F")
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, ACK | PSH, seq=5001, ack=1001, data=b"data"))
    table(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, seq=1001, ack=5005))
    table(d)
    d.run("nft list ruleset")


@case
def reuse_with_conntrack(d):
    start(d, 1)
    for flags in (SYN, ACK, ACK | packet.RST):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, flags, seq=1000 + (flags != SYN), ack=5001))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=9000))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=9000))
    table(d)
    d.counts()


KNOWN = ("40000", "8080")
NAT = {"no chain": "", "chain": "add table ip n; add chain ip n c { type nat hook postrouting priority 100; }",
       "masquerade": "add table ip n; add chain ip n c { type nat hook postrouting priority 100; }; add rule ip n c oifname eth1 masquerade"}


@case(rows=tuple((f"{protocol}, conntrack {conntrack}, {nat}", protocol, conntrack, nat) for protocol in ("tcp", "udp") for conntrack in (0, 1) for nat in NAT))
def one_client_port_to_two_addresses(d, row):
    """Two services have the same server: of what it sends to the client's port the newest connection is found."""
    _, protocol, conntrack, nat = row
    tcp, begun = protocol == "tcp", []
    d.wires()
    d.rules(RULES.replace("STATES", "{ new, established, related, untracked, invalid }"))
    d.sysctl("conntrack", conntrack)
    if NAT[nat]:
        d.rules(NAT[nat])
    letter, vips = "-t" if tcp else "-u", (VIP, "10.9.0.2")
    for vip in vips:
        d.control(f"-A {letter} {vip}:80 -s rr", f"-a {letter} {vip}:80 -r {SERVER}:8080 -m")

    def say(where, ends, flags=ACK):
        source, sport, target, dport = ends
        data = packet.tcp(source, sport, target, dport, flags, ack=1) if tcp else packet.udp(source, sport, target, dport, b"x")
        return d.send(where, data, f"{source} > {target}:{dport if str(dport) in KNOWN + ('80',) else 'PORT'}")

    def answers(flags=ACK):
        for target, port in begun:
            say("servers", (SERVER, 8080, target, port), flags)

    for vip in vips:
        found = say("client", (CLIENT, 40000, vip, 80), SYN)["servers"]
        # Without a chain for NAT a second one is not tracked, so it does not go.
        d.expect(f"the server gets {len(found)}", bool(found) == (not begun or not conntrack or nat != "no chain"))
        begun += [(source, int(port)) for source, port in re.findall(r"ip ([\d.]+)>.* (?:tcp|udp) (\d+)>8080", "".join(found))]
        answers(SYN | ACK)
        say("client", (CLIENT, 40000, vip, 80))
    answers()
    table(d)
    d.counts()
    d.ipvsadm(f"-D {letter} {vips[1]}:80")
    d.quiet(1)
    answers()
    for vip in vips:
        say("client", (CLIENT, 40000, vip, 80))
    table(d)
    d.counts()
    # Where tracking makes the two differ, it takes any port.
    chosen = [str(port) for _, port in begun if str(port) not in KNOWN]
    d.lines = [re.sub(r"\b(" + "|".join(chosen) + r")\b", "PORT", line) if chosen else line for line in d.lines]


@case(rows=tuple((f"{name}, port {port}", method, port) for name, method in (("NAT", "-m"), ("DR", "-g")) for port in (21, 80)))
def server_of_ftp_has_packets_tracked(d, row):
    """With `ip_vs` a NAT server of port 21 does so by itself, whatever comes (docs/not-yet.md)."""
    _, method, port = row
    d.wires()
    d.control(f"-A -t {VIP}:{port} -s rr", f"-a -t {VIP}:{port} -r {SERVER}:{port} {method}")
    d.send("client", packet.udp(CLIENT, 1053, SERVER, 53, b"query"), "a packet of no service")
    tracked = len(d.read("/proc/thread-self/net/nf_conntrack").splitlines())
    d.expect("it is tracked by ip_vs alone", tracked == (d.module == "ip_vs" and (method, port) == ("-m", 21)))
