# SPDX-License-Identifier: GPL-2.0
"""The match `ipvs` of iptables: every option in every chain, the rules of Docker Swarm and kube-router, references."""
import re
import socket
import struct

import genl
import packet
import topology
from cases import case
from genl import attribute
from packet import ACK, PSH, SYN, TCP
from serving import CLIENT, OTHER_VIP, SERVER, VIP

SUBNET, DIRECTOR = topology.IPV4.far_network, topology.IPV4.far
TOOLS = ("nft", "legacy")
CHAINS = {"filter": ("INPUT", "FORWARD", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
          "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")}
BOTH = ("--ipvs", "--vproto 6", "--vproto 17", "--vproto 1", f"--vaddr {VIP}", f"--vaddr {OTHER_VIP}", "--vaddr 10.9.0.0/24", "--vaddr 10.8.0.0/15",
        "--vport 80", "--vport 81", "--vport 53", "--vmethod MASQ", "--vmethod GATE", "--vmethod IPIP", "--vportctl 21")
OPTIONS = (*(option for one in BOTH for option in (one, "! " + one)), "--vdir ORIGINAL", "--vdir REPLY",
           f"--ipvs --vproto 6 --vaddr {VIP} --vport 80 --vdir ORIGINAL --vmethod MASQ",
           f"--vproto 6 ! --vport 80 --vaddr {VIP} ! --vmethod MASQ")
TABLE, CHAIN, EXPRESSIONS, ELEMENT, NAME, DATA = 1, 2, 4, 1, 1, 2
NFTABLES, BATCH_BEGIN, BATCH_END, NEWRULE, CREATE, APPEND = 10, 16, 17, 6, 0x400, 0x800


# --- rules and what they counted ---

def restore(d, tool, tables):
    """Gives rules to a tool: {table: lines}."""
    text = "".join(f"*{table}\n" + "".join(line + "\n" for line in lines) + "COMMIT\n" for table, lines in tables.items())
    code, output = d.execute(f"iptables-{tool}-restore", stdin=text)
    d.expect(f"iptables-{tool} takes the rules {output.strip()}".strip(), code == 0)


def listed(d, program, table, chain=""):
    """Returns the lines of a listing with counters."""
    output = d.execute(f"{program} -t {table} -nvxL {chain}")[1]
    return [" ".join(line.split()) for line in output.splitlines() if line and not line.startswith("#")]


def counters(d, tool, *tables):
    """Writes down what the rules of tables have counted."""
    for table in tables:
        d.say(f"{table}:")
        d.lines += ["  " + line for line in listed(d, f"iptables-{tool}", table)]


def packets(d, tool, table, chain):
    """Returns how many packets each rule of a chain has counted."""
    return [int(line.split()[0]) for line in listed(d, f"iptables-{tool}", table, chain)[2:]]


# --- traffic of every kind ---

def services(d):
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:8080 -m", f"-A -t {VIP}:81 -s rr", f"-a -t {VIP}:81 -r {SERVER}:81 -g",
              f"-A -u {OTHER_VIP}:53 -s rr", f"-a -u {OTHER_VIP}:53 -r {SERVER}:5353 -m", f"-A -t {VIP}:82 -s rr", f"-a -t {VIP}:82 -r {VIP}:82 -g",
              f"-A -t {VIP}:83 -s rr", f"-a -t {VIP}:83 -r {OTHER_VIP}:8083 -m")


def nat(d):
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=b"request"))
    d.send("client", packet.ip(CLIENT, VIP, TCP, packet.tcp(CLIENT, 40001, VIP, 80, SYN)[20:], options=b"\1\1\1\0"))
    d.send("client", packet.udp(CLIENT, 1053, OTHER_VIP, 53, b"query"))
    d.send("servers", packet.udp(SERVER, 5353, CLIENT, 1053, b"answer"))
    d.send("client", packet.fragments(packet.udp(CLIENT, 1053, OTHER_VIP, 53, bytes(range(200))), 64))


def direct(d):
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 81, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 81, ACK, seq=1))


def local(d):
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 82, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 83, SYN))
    with topology.inside("director"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((DIRECTOR, 1054))
        sock.sendto(b"query", (OTHER_VIP, 53))
    before = len(d.lines)
    d.captured("the director asks")
    # A socket begins to count its packets anywhere.
    d.lines[before:] = [re.sub(r" id \d+ ", " id * ", line) for line in d.lines[before:]]


def others(d):
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1053, SERVER, 5353, b"query", ttl=63)))
    d.send("client", packet.icmp(CLIENT, OTHER_VIP, 3, 3, 0, packet.udp(OTHER_VIP, 53, CLIENT, 1053, b"answer")))
    d.send("client", packet.tcp(CLIENT, 40000, SERVER, 22, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 99, SYN))


@case(rows=tuple((f"{tool}, conntrack {conntrack}", tool, conntrack) for tool in TOOLS for conntrack in (0, 1)))
def each_option_counts_the_same(d, row):
    _, tool, conntrack = row
    d.wires()
    d.sysctl("conntrack", conntrack)
    rules = {table: [f"-A {chain} -m ipvs {option}" for chain in chains for option in OPTIONS] for table, chains in CHAINS.items()}
    # Nothing is tracked before a rule asks for it.
    rules["filter"].append("-A FORWARD -m conntrack --ctstate NEW")
    restore(d, tool, rules)
    services(d)
    for kind in (nat, direct, local, others):
        kind(d)
    counters(d, tool, *CHAINS)
    ways = dict(zip(OPTIONS, packets(d, tool, "mangle", "POSTROUTING")))
    d.expect("directions where there is tracking", (ways["--vdir ORIGINAL"] > 0, ways["--vdir REPLY"]) == (conntrack == 1, 0))
    d.counts()


@case(rows=tuple((f"conntrack {conntrack}, {tool}", conntrack, tool) for conntrack in (0, 1) for tool in TOOLS))
def rules_in_postrouting_see_requests(d, row):
    _, conntrack, tool = row
    d.wires()
    d.sysctl("conntrack", conntrack)
    options = [f"--ipvs --vproto 6 --vaddr {VIP} --vport {port} --vdir {way}" for port in (80, 81) for way in ("ORIGINAL", "REPLY")]
    restore(d, tool, {
        "mangle": [f"-A POSTROUTING -m ipvs {option}" for option in (*options, "--vmethod MASQ", "! --ipvs")],
        "filter": ["-A INPUT -m ipvs --ipvs", "-A OUTPUT -m ipvs --ipvs",
                   *(f"-A OUTPUT -m conntrack --ctstate {state}" for state in ("UNTRACKED", "NEW", "ESTABLISHED"))]})
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:8080 -m", f"-A -t {VIP}:81 -s rr", f"-a -t {VIP}:81 -r {SERVER}:81 -g")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, seq=1, ack=1))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 81, SYN))
    counters(d, tool, "mangle", "filter")
    d.expect("requests where they leave", packets(d, tool, "mangle", "POSTROUTING") == ([2, 0, 1, 0, 2, 0] if conntrack else [0, 0, 0, 0, 2, 0]))
    d.expect("none before the director", packets(d, tool, "filter", "INPUT") == [0])
    d.expect("all behind it", packets(d, tool, "filter", "OUTPUT") == ([3, 0, 2, 1] if conntrack else [3, 3, 0, 0]))


# What is persistent, so that a template controls its connections, and the port that the template is for.
CONTROLLED = (("a port", f"-t {VIP}:80", "-p 300", 80), ("any port", f"-t {VIP}:0", "-p 300", 0), ("a mark", "-f 7", "-p 300", 0),
              ("not persistent", f"-t {VIP}:80", "", None))
CONTROL_PORTS = tuple(option for port in (0, 80, 81) for option in (f"--vportctl {port}", f"! --vportctl {port}"))


def controlled(d, tool, row):
    """Counts packets of a client by the port of the template that controls their connection."""
    _, service, options, port = row
    client, vip, server = d.plan.clients[0], d.plan.vips[0], d.plan.servers[0]
    d.rules(f"table {'ip6' if d.plan.family == 6 else 'ip'} t {{ chain c {{ type filter hook prerouting priority -150; th dport 80 meta mark set 7; }}; }}\n")
    rules = [f"-A POSTROUTING -m ipvs {option}" for option in (*CONTROL_PORTS, "--vport 80 --vportctl 80")]
    code, output = d.execute(f"{tool}-nft-restore", stdin="*mangle\n" + "".join(rule + "\n" for rule in rules) + "COMMIT\n")
    d.expect(f"{tool} takes the rules {output.strip()}".strip(), code == 0)
    d.control(f"-A {service} -s rr {options}", f"-a {service} -r {d.plan.end(server, 0 if port == 0 else 80)} -m")
    for sport in (40000, 40001):
        d.send("client", packet.tcp(client, sport, vip, 80, SYN))
        d.send("servers", packet.tcp(server, 80, client, sport, SYN | ACK, ack=1))
        d.send("client", packet.tcp(client, sport, vip, 80, ACK, seq=1, ack=1))
    lines = listed(d, f"{tool}-nft", "mangle", "POSTROUTING")[2:]
    d.lines += lines
    found = dict(zip(CONTROL_PORTS, (int(line.split()[0]) for line in lines)))
    for asked in (0, 80, 81):
        ways = (found[f"--vportctl {asked}"], found[f"! --vportctl {asked}"])
        d.expect(f"packets of connections that port {asked} controls {ways}", ways == ((4, 0) if port == asked else (0, 4)))
    d.counts()


@case(rows=CONTROLLED)
def port_of_the_template(d, row):
    d.wires()
    controlled(d, "iptables", row)


# --- as others use it ---

@case(rows=TOOLS)
def docker_swarm(d, tool):
    """The mark, the match and the source translation of a network's load balancer in a namespace."""
    d.wires()
    iptables = f"iptables-{tool}"
    for rule in ("-t mangle -A PREROUTING -p tcp --dport 8080 -j MARK --set-mark 256",
                 f"-t nat -A POSTROUTING -m ipvs --ipvs -d {SUBNET} -j SNAT --to-source {DIRECTOR}",
                 f"-t mangle -A INPUT -d {VIP}/32 -j MARK --set-mark 256"):
        d.run(f"{iptables} {rule}")
    d.sysctl("conntrack", 1)
    d.control("-A -f 256 -s rr", f"-a -f 256 -r {SERVER}:0 -m -w 1", "-a -f 256 -r 10.2.0.12:0 -m -w 1")
    for number, server in enumerate(("10.2.0.12", SERVER)):
        port = 40000 + number
        d.send("client", packet.tcp(CLIENT, port, VIP, 8080, SYN, seq=100))
        d.send("servers", packet.tcp(server, 8080, DIRECTOR, port, SYN | ACK, seq=500, ack=101))
        d.send("client", packet.tcp(CLIENT, port, VIP, 8080, ACK | PSH, seq=101, ack=501, data=b"request"))
        d.send("servers", packet.tcp(server, 8080, DIRECTOR, port, ACK | PSH, seq=501, ack=108, data=b"answer"))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 443, SYN, seq=100))
    d.run(f"{iptables} -t nat -C POSTROUTING -m ipvs --ipvs -d {SUBNET} -j SNAT --to-source {DIRECTOR}")
    counters(d, tool, "mangle", "nat")
    d.counts()


@case(rows=TOOLS)
def kube_router(d, tool):
    """Source translation of what goes to servers, and of a server that is sent to itself."""
    d.wires()
    iptables, chain = f"iptables-{tool}", "KUBE-ROUTER-HAIRPIN"
    d.sysctl("conntrack", 1)
    for rule in (f"-N {chain}", f"-I POSTROUTING -m ipvs --vdir ORIGINAL -j {chain}",
                 f"-A {chain} -s {SERVER}/32 -d {SERVER}/32 -m ipvs --vaddr {VIP} --vport 80 -j SNAT --to-source {VIP}",
                 f"-A POSTROUTING -m ipvs --ipvs --vdir ORIGINAL --vmethod MASQ -m comment --comment '' "
                 f"! -s {SUBNET} ! -d 10.3.0.0/24 -j SNAT --to-source {DIRECTOR}"):
        d.run(f"{iptables} -t nat {rule}")
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:8080 -m")
    for side, source, seen in (("client", CLIENT, DIRECTOR), ("servers", SERVER, VIP)):
        d.send(side, packet.tcp(source, 40000, VIP, 80, SYN, seq=100))
        d.send("servers", packet.tcp(SERVER, 8080, seen, 40000, SYN | ACK, seq=500, ack=101))
        d.send(side, packet.tcp(source, 40000, VIP, 80, ACK | PSH, seq=101, ack=501, data=b"request"))
    counters(d, tool, "nat")
    d.counts()


# --- families and parameters that no tool writes ---

def rule(family, *parameters, size=40):
    """Returns the netlink batch of a rule with the match (what is asked, inverted, the method) and a counter in table t, chain c."""
    asked, inverted, method = (*parameters, 0, 0)[:3]
    info = genl.address(VIP) + bytes(12) + b"\xff" * 16 + struct.pack("!HBBHBB", 80, 6, method, 21, inverted, asked)
    match = [attribute(1, b"ipvs\0"), attribute(2, struct.pack("!I", 0)), attribute(3, info[:size] + bytes(size - len(info[:size])))]
    parts = [attribute(ELEMENT, [attribute(NAME, name), attribute(DATA, data)]) for name, data in ((b"match\0", match), (b"counter\0", []))]
    body = attribute(TABLE, b"t\0") + attribute(CHAIN, b"c\0") + attribute(EXPRESSIONS, parts)
    batch = b""
    for kind, flags, of, payload in ((BATCH_BEGIN, 1, 0, b""), (NFTABLES << 8 | NEWRULE, 5 | CREATE | APPEND, family, body), (BATCH_END, 1, 0, b"")):
        head = struct.pack("=BB", of, 0) + struct.pack("!H", NFTABLES if not payload else 0)
        batch += struct.pack("=IHHII", 16 + len(head) + len(payload), kind, flags, 1, 0) + head + payload
    return batch


def raw(family, *parameters, **more):
    """Gives such a rule to the director; returns the name of the errno."""
    with topology.inside("director"), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as sock:
        sock.bind((0, 0))
        sock.send(rule(family, *parameters, **more))
        sock.settimeout(5)
        return genl.error_name(-struct.unpack_from("=i", sock.recv(1 << 16), 16)[0])


@case(rows=(("ip", 2), ("ip6", 10), ("inet", 1), ("arp", 3), ("bridge", 7)))
def families(d, row):
    name, number = row
    d.wires()
    d.rules(f"add table {name} t; add chain {name} t c")
    for asked in (1, 0x7f):
        d.say(f"options {asked:#x}: {raw(number, asked)}")
    d.say(f"too short: {raw(number, 1, size=32)}")
    d.say(f"too long: {raw(number, 1, size=48)}")


@case
def parameters_that_no_tool_writes(d):
    d.wires()
    d.rules("add table ip t; add chain ip t c { type filter hook postrouting priority 0; }")
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:8080 -m")
    for asked, inverted, method in ((0, 0, 0), (0, 1, 0), (1, 0xfe, 0), (3, 1, 0), (0x80, 0, 0), (0x81, 0, 0), (0x81, 0x81, 0),
                                    (0x20, 0, 8), (0x20, 0x20, 8), (0x21, 0x20, 0xff), (0x7f, 0, 0), (0x3f, 0, 0), (0x2e, 0xff, 3)):
        d.say(f"asked {asked:#x} inverted {inverted:#x} method {method}: {raw(2, asked, inverted, method)}")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("client", packet.tcp(CLIENT, 40000, SERVER, 22, SYN))
    d.run("nft list chain ip t c")


@case(rows=TOOLS)
def rules_for_ipv6_load(d, tool):
    d.wires(topology.IPV6)
    options = ("--ipvs", "! --ipvs", "--vproto 6", "! --vproto 6", "--vaddr fd09::1", "--vport 80", "--vdir ORIGINAL", "! --vmethod MASQ")
    for option in options:
        d.run(f"ip6tables-{tool} -t mangle -A POSTROUTING -s fd01::2 -m ipvs {option}")
    d.send("client", packet.tcp("fd01::2", 40000, "fd02::11", 80, SYN))
    # The chain's own line counts what the director says unasked as well.
    d.lines += listed(d, f"ip6tables-{tool}", "mangle", "POSTROUTING")[1:]


# --- references on the module ---

@case(suite="alone", rows=TOOLS)
def a_rule_holds_the_module(d, tool):
    d.bare()
    iptables = f"iptables-{tool} -t mangle"
    d.expect("rvs loads", topology.run("modprobe rvs")[0] == 0)
    for rule in ("--ipvs", "--vport 80"):
        d.expect(f"a rule with {rule} loads", d.execute(f"{iptables} -A POSTROUTING -m ipvs {rule}")[0] == 0)
    d.expect("rvs does not unload", topology.run("modprobe -r rvs")[0] != 0)
    d.expect("and goes on serving", d.execute(f"ipvsadm -A -t {VIP}:80")[0] == 0)
    d.expect("a rule goes", d.execute(f"{iptables} -D POSTROUTING 1")[0] == 0)
    d.expect("the other holds it still", topology.run("modprobe -r rvs")[0] != 0)
    d.expect("that goes, too, and the service", d.execute(f"{iptables} -F POSTROUTING")[0] == d.execute("ipvsadm -C")[0] == 0)
    d.wait("rvs to unload", lambda: topology.run("modprobe -r rvs")[0] == 0)


@case(suite="alone")
def a_namespace_takes_its_rules_along(d):
    d.bare()
    d.expect("rvs loads", topology.run("modprobe rvs")[0] == 0)
    for tool in TOOLS:
        d.expect(f"a rule of {tool} loads", d.execute(f"iptables-{tool} -A INPUT -m ipvs --ipvs")[0] == 0)
    d.expect("rvs does not unload", topology.run("modprobe -r rvs")[0] != 0)
    topology.remove(d.names)
    d.wait("rvs to unload", lambda: topology.run("modprobe -r rvs")[0] == 0)
