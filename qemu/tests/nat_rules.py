# SPDX-License-Identifier: GPL-2.0
"""Connections that netfilter's own NAT changes as well: sources towards servers, destinations towards the service, untracked ones."""
import packet
import serving
from cases import case
from conntrack import table
from packet import ACK, FIN, PSH, RST, SYN
from serving import CLIENT, SERVER, VIP

OTHER, OWN = "10.9.0.3", "10.2.0.1"
CHAIN = "table ip {name} {{ chain c {{ type {kind} hook {hook} priority {priority}; {rule}; }}; }}\n"
# What a packet is turned into, for the server and its answers to come back to.
SOURCES = {"masquerade": "masquerade", "snat": f"snat to {OWN}"}


def start(d, conntrack, method="-m"):
    serving.start(d, ("conntrack", conntrack), method=method, server_port=8080)


def source_rule(d, words):
    d.rules(CHAIN.format(name="n", kind="nat", hook="postrouting", priority=100, rule=f"ip daddr 10.2.0.0/24 counter {words}"))


def target_rule(d, words):
    d.rules(CHAIN.format(name="n", kind="nat", hook="prerouting", priority=-100, rule=words))


def exchange(d, method="-m", target=(VIP, 80), back=CLIENT):
    """Opens a connection of TCP and sends a datagram; the server's answers go to `back`."""
    address, port = target
    d.send("client", packet.tcp(CLIENT, 40000, address, port, SYN, seq=1000))
    if method == "-m":
        d.send("servers", packet.tcp(SERVER, 8080, back, 40000, SYN | ACK, seq=5000, ack=1001))
    d.send("client", packet.tcp(CLIENT, 40000, address, port, ACK, seq=1001, ack=5001))
    d.send("client", packet.tcp(CLIENT, 40000, address, port, ACK | PSH, seq=1001, ack=5001, data=b"data"))
    d.send("client", packet.udp(CLIENT, 40000, address, port, b"query"))
    if method == "-m":
        d.send("servers", packet.udp(SERVER, 8080, back, 40000, b"answer"))
        d.send("servers", packet.icmp(SERVER, back, 3, 3, 0, packet.udp(back, 40000, SERVER, 8080, b"query", ttl=63)))
    d.send("client", packet.icmp(CLIENT, address, 3, 3, 0, packet.udp(address, port, CLIENT, 40000, b"answer")))
    table(d)
    d.counts()


@case(rows=tuple((f"{words}, conntrack {conntrack}, {method}", words, conntrack, method)
                 for words in ("masquerade", "snat") for conntrack in (0, 1) for method in ("-m", "-g", "-i")))
def sources_are_changed(d, row):
    _, words, conntrack, method = row
    start(d, conntrack, method)
    source_rule(d, SOURCES[words])
    exchange(d, method, back=OWN if conntrack else CLIENT)
    d.run("nft list ruleset")


@case(rows=(0, 1))
def a_port_is_used_again_under_a_rule(d, conntrack):
    start(d, conntrack)
    source_rule(d, SOURCES["snat"])
    back = OWN if conntrack else CLIENT
    for sequence in (1000, 900000, 1800000):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=sequence))
        d.send("servers", packet.tcp(SERVER, 8080, back, 40000, SYN | ACK, seq=5000, ack=sequence + 1))
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, seq=sequence + 1, ack=5001))
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, FIN | ACK, seq=sequence + 1, ack=5001))
        d.send("servers", packet.tcp(SERVER, 8080, back, 40000, FIN | ACK, seq=5001, ack=sequence + 2))
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, seq=sequence + 2, ack=5002))
        table(d)
        d.counts()
    for _ in range(2):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=2700000))
        d.quiet(1)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, RST, seq=2700001))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, seq=3600000))
    table(d)
    d.counts()


@case(rows=tuple((f"conntrack {conntrack}, {method}", conntrack, method) for conntrack in (0, 1) for method in ("-m", "-g", "-i")))
def untracked_connections(d, row):
    _, conntrack, method = row
    start(d, conntrack, method)
    source_rule(d, SOURCES["masquerade"])
    d.rules(CHAIN.format(name="r", kind="filter", hook="prerouting", priority=-300, rule="notrack"))
    exchange(d, method)
    d.run("nft list ruleset")


@case(rows=tuple((f"{words}, conntrack {conntrack}, {method}", words, conntrack, method)
                 for words in ("dnat", "redirect") for conntrack in (0, 1) for method in ("-m", "-g")))
def destinations_are_changed(d, row):
    _, words, conntrack, method = row
    start(d, conntrack, method)
    if words == "redirect":
        # To the address of the device that the packet came by.
        for letter in ("-t", "-u"):
            d.control(f"-A {letter} 10.1.0.1:80 -s rr", f"-a {letter} 10.1.0.1:80 -r {SERVER}:{8080 if method == '-m' else 80} {method}")
    rule = f"dnat to {VIP}:80" if words == "dnat" else "redirect to :80"
    target_rule(d, f"ip daddr {OTHER} meta l4proto {{ tcp, udp }} th dport 8888 counter {rule}")
    exchange(d, method, (OTHER, 8888))
    d.run("nft list ruleset")
