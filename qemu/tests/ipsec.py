# SPDX-License-Identifier: GPL-2.0
"""AH and ESP follow the connection of UDP port 500 between the same ends, in both directions."""
import packet
import serving
from cases import case
from serving import CLIENT, OTHER_CLIENT, OTHER_SERVER, SERVER, VIP

ESP, AH = 50, 51
METHODS = (("NAT", "-m"), ("DR", "-g"))
RULES = "\n".join(f"add table ip t; add chain ip t {hook} {{ type filter hook {hook} priority 0; }}; "
                  f"add rule ip t {hook} ct state {{ new, established, related, untracked, invalid }} counter accept"
                  for hook in ("forward", "postrouting", "input"))


def start(d, method="-m", **service):
    serving.start(d, letters="-u", port=500, servers=(OTHER_SERVER, SERVER), method=method, **service)


def keys(d, client=CLIENT):
    """Exchanges keys: the connection that others follow."""
    d.send("client", packet.udp(client, 500, VIP, 500, b"ike"))


def esp(source, target, protocol=ESP, data=bytes(range(24)), **more):
    return packet.ip(source, target, protocol, data, **more)


def both(d, protocol=ESP, server=SERVER, **more):
    d.send("client", esp(CLIENT, VIP, protocol, **more))
    d.send("servers", esp(server, CLIENT, protocol, **more))


@case(rows=tuple((f"{title} {name}", protocol, method) for title, protocol in (("ESP", ESP), ("AH", AH)) for name, method in METHODS))
def follow_their_connection(d, row):
    _, protocol, method = row
    start(d, method)
    both(d, protocol)
    d.counts("without a connection")
    keys(d)
    for ttl in (64, 2, 1):
        both(d, protocol, ttl=ttl)
    d.send("servers", esp(OTHER_SERVER, CLIENT, protocol))
    d.send("client", esp(OTHER_CLIENT, VIP, protocol))
    d.send("client", esp(CLIENT, "10.9.0.2", protocol))
    d.send("client", packet.ip(CLIENT, VIP, protocol, b""))
    keys(d, OTHER_CLIENT)
    d.send("client", esp(OTHER_CLIENT, VIP, protocol))
    both(d, protocol)
    d.counts()
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case
def other_ports_are_not_followed(d):
    start(d, server_port=1500)
    d.control(f"-A -u {VIP}:4500 -s rr", f"-a -u {VIP}:4500 -r {SERVER}:4500 -m")
    d.send("client", packet.udp(CLIENT, 500, VIP, 4500, b"nat-t"))
    both(d)
    d.send("client", packet.udp(CLIENT, 1053, VIP, 500, b"ike"))
    both(d)
    keys(d)
    both(d)
    d.send("servers", esp(OTHER_SERVER, CLIENT))
    d.counts()


@case(rows=METHODS)
def they_keep_the_connection_alive(d, row):
    start(d, row[1])
    d.ipvsadm("--set 0 0 20")
    keys(d)
    # A change of the time-out is for packets of the connection's own protocol.
    d.ipvsadm("--set 0 0 100")
    for _ in range(3):
        d.quiet(15)
        d.counts()
        d.send("client", esp(CLIENT, VIP))
    d.quiet(15)
    d.send("servers", esp(SERVER, CLIENT))
    d.counts()
    keys(d)
    d.counts()


@case(rows=tuple((f"expire_nodest_conn {value} {name}", value, method) for value in (0, 1) for name, method in METHODS))
def server_goes(d, row):
    _, value, method = row
    start(d, method)
    d.sysctl("expire_nodest_conn", value)
    keys(d)
    d.ipvsadm(f"-e -u {VIP}:500 -r {SERVER}:500 {method} -w 0")
    both(d)
    d.ipvsadm(f"-d -u {VIP}:500 -r {SERVER}:500")
    for _ in range(2):
        d.send("client", esp(CLIENT, VIP))
    d.send("servers", esp(SERVER, CLIENT))
    d.counts()


@case(rows=METHODS)
def server_goes_before_the_sweep(d, row):
    """A server that leaves while nothing sweeps: the setting comes later, and the packet ends the connection."""
    start(d, row[1])
    keys(d)
    d.ipvsadm(f"-d -u {VIP}:500 -r {SERVER}:500")
    d.sysctl("expire_nodest_conn", 1)
    for _ in range(2):
        d.send("client", esp(CLIENT, VIP))
    keys(d)
    d.send("client", esp(CLIENT, VIP))
    d.counts()


@case(rows=METHODS)
def fragments(d, row):
    start(d, row[1])
    keys(d)
    whole = esp(CLIENT, VIP, data=bytes(range(200)))
    d.send("client", packet.fragments(whole, 64))
    whole = esp(SERVER, CLIENT, data=bytes(range(200)))
    pieces = packet.fragments(whole, 64)
    d.send("servers", pieces)
    d.send("servers", pieces[2])
    d.counts()


@case
def too_long_for_the_way(d):
    start(d)
    keys(d)
    d.run("ip link set eth1 mtu 1400")
    d.send("client", esp(CLIENT, VIP, data=bytes(1420), frag=0x4000))
    d.send("client", esp(CLIENT, VIP, data=bytes(1420)))
    d.counts()


@case(rows=tuple((f"{title} {name}", protocol, method) for title, protocol in (("ESP", ESP), ("AH", AH)) for name, method in METHODS))
def errors_about_them(d, row):
    _, protocol, method = row
    start(d, method)
    inside, outside = esp(CLIENT, SERVER, protocol, ttl=63), esp(VIP, CLIENT, protocol)
    for title in ("without a connection", "with one"):
        d.send("servers", packet.icmp(SERVER, CLIENT, 3, 2, 0, inside), f"from the server, {title}")
        d.send("client", packet.icmp(CLIENT, VIP, 3, 2, 0, outside), f"from the client, {title}")
        keys(d)
    for length in (19, 20, 24, 28):
        d.send("servers", packet.icmp(SERVER, CLIENT, 3, 4, 1300, inside[:length]), f"from the server, {length} bytes inside")
        d.send("client", packet.icmp(CLIENT, VIP, 11, 0, 0, outside[:length]), f"from the client, {length} bytes inside")
    d.send("servers", packet.icmp(SERVER, CLIENT, 11, 1, 0, esp(CLIENT, SERVER, protocol, frag=5)), "from the server, a later fragment inside")
    d.send("client", packet.icmp(CLIENT, VIP, 11, 1, 0, esp(VIP, CLIENT, protocol, frag=5)), "from the client, a later fragment inside")
    d.send("client", packet.icmp(CLIENT, VIP, 3, 2, 0, outside, bad=5))
    d.counts()


@case
def errors_about_them_schedule_nothing(d):
    start(d)
    d.sysctl("schedule_icmp", 1)
    d.send("client", packet.icmp(CLIENT, VIP, 3, 2, 0, esp(VIP, CLIENT)))
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 500, CLIENT, 500, b"ike")))
    both(d)
    d.counts()


@case(rows=("0", "1"))
def other_settings(d, value):
    """They are known protocols to ignore_tunneled, and have no port that nat_icmp_send could tell of."""
    start(d)
    for name in ("ignore_tunneled", "nat_icmp_send"):
        d.sysctl(name, value)
    both(d)
    keys(d)
    both(d)
    d.send("servers", esp(SERVER, OTHER_CLIENT))
    d.counts()


@case(rows=tuple((f"conntrack {value}, {name}", value, method) for value in (0, 1) for name, method in METHODS))
def with_tracking(d, row):
    _, value, method = row
    start(d, method)
    d.rules(RULES)
    d.sysctl("conntrack", value)
    both(d)
    keys(d)
    both(d)
    both(d)
    code, output = d.execute("conntrack -L")
    lines = [line for line in output.splitlines() if "conntrack v" not in line]
    d.lines += ["conntrack:"] + sorted("  " + " ".join(line.split()[:2] + line.split()[3:]) for line in lines)
    d.run("nft list ruleset")
    d.counts()


@case
def with_a_mark(d):
    d.wires()
    d.rules("table ip t { chain c { type filter hook prerouting priority -150; ip daddr 10.9.0.0/24 meta mark set 7; }; }\n")
    d.control("-A -f 7 -s rr", *(f"-a -f 7 -r {server}:0 -m" for server in (OTHER_SERVER, SERVER)))
    both(d)
    keys(d)
    both(d)
    d.counts()


@case
def a_server_on_the_director(d):
    d.wires()
    d.control(f"-A -u {VIP}:500 -s rr", f"-a -u {VIP}:500 -r 10.2.0.1:500 -m")
    keys(d)
    d.send("client", esp(CLIENT, VIP))
    d.counts()


@case
def rules_see_the_connection(d):
    start(d)
    rule = "iptables -t mangle -A POSTROUTING -m ipvs --ipvs --vproto {} --vaddr 10.9.0.1 --vport 500 --vmethod MASQ"
    for protocol in (17, ESP):
        d.run(rule.format(protocol))
    keys(d)
    both(d)
    d.run("iptables -t mangle -L POSTROUTING -nvx")
