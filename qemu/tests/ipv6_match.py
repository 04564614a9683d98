# SPDX-License-Identifier: GPL-2.0
"""The match `ipvs` of ip6tables: every option in every chain, by nftables and by the old tables."""
import socket

import packet
import topology
from cases import case
from ipv6_packets import CLIENT, SERVER, VIP
from packet import ACK, PSH, SYN
from topology import IPV6
from xt_match import CHAINS, CONTROLLED, TOOLS, controlled, listed

OTHER_VIP = IPV6.vips[1]
BOTH = ("--ipvs", "--vproto 6", "--vproto 17", "--vproto 58", f"--vaddr {VIP}", f"--vaddr {OTHER_VIP}", "--vaddr fd09::/64", "--vaddr fd08::/15",
        "--vport 80", "--vport 81", "--vport 53", "--vmethod MASQ", "--vmethod GATE", "--vmethod IPIP", "--vportctl 21")
OPTIONS = (*(option for one in BOTH for option in (one, "! " + one)), "--vdir ORIGINAL", "--vdir REPLY",
           f"--ipvs --vproto 6 --vaddr {VIP} --vport 80 --vdir ORIGINAL --vmethod MASQ",
           f"--vproto 6 ! --vport 80 --vaddr {VIP} ! --vmethod MASQ")


def traffic(d):
    """Sends packets of every kind, by NAT, by DR, to servers here, from here, and of no service."""
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=b"request", extensions=(packet.destination(),)))
    d.send("client", packet.udp(CLIENT, 1053, OTHER_VIP, 53, b"query"))
    d.send("servers", packet.udp(SERVER, 5353, CLIENT, 1053, b"answer"))
    d.send("client", packet.fragments(packet.udp(CLIENT, 1053, OTHER_VIP, 53, bytes(range(200))), 64))
    for port in (81, 81, 82, 83, 99):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, port, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, SERVER, 22, SYN))
    d.send("servers", packet.icmp(SERVER, CLIENT, 1, 4, 0, packet.udp(CLIENT, 1053, SERVER, 5353, b"query", ttl=63)))
    d.send("client", packet.icmp(CLIENT, OTHER_VIP, 1, 4, 0, packet.udp(OTHER_VIP, 53, CLIENT, 1053, b"answer")))
    with topology.inside("director"), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind((IPV6.far, 1054))
        sock.sendto(b"query", (OTHER_VIP, 53))
    d.captured("the director asks")


@case(rows=tuple((f"{tool}, conntrack {conntrack}", tool, conntrack) for tool in TOOLS for conntrack in (0, 1)))
def each_option_counts_the_same(d, row):
    _, tool, conntrack = row
    d.wires(IPV6)
    d.sysctl("conntrack", conntrack)
    rules = {table: [f"-A {chain} -m ipvs {option}" for chain in chains for option in OPTIONS] for table, chains in CHAINS.items()}
    # Nothing is tracked before a rule asks for it.
    rules["filter"].append("-A FORWARD -m conntrack --ctstate NEW")
    text = "".join(f"*{table}\n" + "".join(line + "\n" for line in lines) + "COMMIT\n" for table, lines in rules.items())
    code, output = d.execute(f"ip6tables-{tool}-restore", stdin=text)
    d.expect(f"ip6tables-{tool} takes the rules {output.strip()}".strip(), code == 0)
    d.control(f"-A -t [{VIP}]:80 -s rr", f"-a -t [{VIP}]:80 -r [{SERVER}]:8080 -m", f"-A -t [{VIP}]:81 -s rr", f"-a -t [{VIP}]:81 -r [{SERVER}]:81 -g",
              f"-A -u [{OTHER_VIP}]:53 -s rr", f"-a -u [{OTHER_VIP}]:53 -r [{SERVER}]:5353 -m", f"-A -t [{VIP}]:82 -s rr", f"-a -t [{VIP}]:82 -r [{VIP}]:82 -g",
              f"-A -t [{VIP}]:83 -s rr", f"-a -t [{VIP}]:83 -r [{OTHER_VIP}]:8083 -m")
    traffic(d)
    for table, chains in CHAINS.items():
        for chain in chains:
            # A chain's own line counts what the director says unasked as well; so does a rule without the match.
            lines = [line for line in listed(d, f"ip6tables-{tool}", table, chain)[2:] if "! ipvs" not in line or "vproto" in line]
            d.lines += [f"{table} {chain}:"] + ["  " + line for line in lines]
    ways = dict(zip(OPTIONS, (int(line.split()[0]) for line in listed(d, f"ip6tables-{tool}", "mangle", "POSTROUTING")[2:])))
    d.expect("packets to servers are seen", ways["--vproto 6"] > 0 and ways[f"--vaddr {OTHER_VIP}"] > 0)
    d.expect("directions where there is tracking", (ways["--vdir ORIGINAL"] > 0, ways["--vdir REPLY"]) == (conntrack == 1, 0))
    d.counts()


@case(rows=tuple((name, service.replace("10.9.0.1", f"[{VIP}]").replace("-f 7", "-f 7 -6"), options, port) for name, service, options, port in CONTROLLED))
def port_of_the_template(d, row):
    d.wires(IPV6)
    controlled(d, "ip6tables", row)
