# SPDX-License-Identifier: GPL-2.0
"""ICMP errors that belong to a connection are translated in both directions; others are left alone."""
import packet
import serving
from cases import case
from packet import ACK, SYN
from serving import CLIENT, SERVER, VIP

ERRORS = ((3, 0, 0), (3, 1, 0), (3, 3, 0), (3, 4, 1300), (4, 0, 0), (11, 0, 0), (11, 1, 0), (5, 1, 0x0A020001), (12, 0, 0))


def start(d, method="-m"):
    """Has a connection of TCP and one of UDP."""
    serving.start(d, server_port=8080, method=method)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))


def quote(data, length=28):
    return data[:20 + length - 20]


@case(rows=tuple(f"{kind}/{code}" for kind, code, _ in ERRORS))
def from_the_server_to_the_client(d, name):
    kind, code, rest = next(row for row in ERRORS if name == f"{row[0]}/{row[1]}")
    start(d)
    for inner in (packet.tcp(CLIENT, 40000, SERVER, 8080, SYN, ttl=63), packet.udp(CLIENT, 1053, SERVER, 8080, b"query", ttl=63)):
        d.send("servers", packet.icmp(SERVER, CLIENT, kind, code, rest, inner))
        d.send("servers", packet.icmp("10.2.0.15", CLIENT, kind, code, rest, inner[:28]))
    d.counts()


@case(rows=tuple(f"{kind}/{code}" for kind, code, _ in ERRORS))
def from_the_client_to_the_server(d, name):
    kind, code, rest = next(row for row in ERRORS if name == f"{row[0]}/{row[1]}")
    start(d)
    for inner in (packet.tcp(VIP, 80, CLIENT, 40000, SYN | ACK, ack=1, ttl=60), packet.udp(VIP, 80, CLIENT, 1053, b"answer", ttl=60)):
        d.send("client", packet.icmp(CLIENT, VIP, kind, code, rest, inner))
        d.send("client", packet.icmp("10.1.0.9", VIP, kind, code, rest, inner[:28]))
    d.counts()


@case(rows=("client", "servers"))
def wrong_icmp_checksum_is_dropped(d, side):
    start(d)
    if side == "servers":
        d.send(side, packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1053, SERVER, 8080, b"query"), bad=5))
    else:
        d.send(side, packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 80, CLIENT, 1053, b"answer"), bad=5))
    d.counts()


@case
def errors_about_strangers_pass(d):
    start(d)
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1054, SERVER, 8080, b"query")))
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 80, CLIENT, 1054, b"answer")))
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 81, CLIENT, 1053, b"answer")))
    d.counts()


@case
def malformed_insides(d):
    start(d)
    inner = packet.udp(VIP, 80, CLIENT, 1053, b"answer")
    for length in (0, 8, 19, 20, 23, 24, 27):
        d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, inner[:length]), f"{length} bytes inside, from the client")
    inner = packet.udp(CLIENT, 1053, SERVER, 8080, b"query")
    for length in (0, 8, 19, 20, 23, 24, 27):
        d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, inner[:length]), f"{length} bytes inside, from the server")
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 80, CLIENT, 1053, b"a" * 40, frag=5)), "a later fragment inside")
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, b"\x4f" + packet.udp(VIP, 80, CLIENT, 1053)[1:]), "a wrong header length inside")
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.ip(VIP, CLIENT, 47, bytes(8))), "GRE inside")
    d.send("client", packet.ip(CLIENT, VIP, 1, b"\3\3\0\0"), "half an ICMP header")
    d.counts()


@case
def options_inside_are_kept(d):
    start(d)
    inner = packet.ip(VIP, CLIENT, 17, packet.udp(VIP, 80, CLIENT, 1053, b"answer")[20:], options=b"\1\1\1\0")
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, inner))
    inner = packet.ip(CLIENT, SERVER, 17, packet.udp(CLIENT, 1053, SERVER, 8080, b"query")[20:], options=b"\1\1\1\0")
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, inner))


@case
def insides_of_any_length_are_translated(d):
    start(d)
    for told in (0, 19, 20, 1500):
        inner = packet.udp(VIP, 80, CLIENT, 1053, b"answer")
        inner = inner[:2] + told.to_bytes(2, "big") + inner[4:]
        d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, inner), f"length {told} inside, from the client")
        inner = packet.udp(CLIENT, 1053, SERVER, 8080, b"query")
        inner = inner[:2] + told.to_bytes(2, "big") + inner[4:]
        d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, inner), f"length {told} inside, from the server")


@case
def options_fill_both_headers(d):
    start(d)
    inner = packet.ip(VIP, CLIENT, 17, packet.udp(VIP, 80, CLIENT, 1053, b"")[20:], options=b"\1" * 40)
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, inner, options=b"\1" * 40))
    inner = packet.ip(CLIENT, SERVER, 17, packet.udp(CLIENT, 1053, SERVER, 8080, b"")[20:], options=b"\1" * 40)
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, inner, options=b"\1" * 40))


@case
def direct_routing_sends_errors_on(d):
    start(d, "-g")
    d.send("client", packet.icmp(CLIENT, VIP, 3, 4, 1300, packet.udp(VIP, 80, CLIENT, 1053, b"answer")))
    d.send("client", packet.icmp(CLIENT, VIP, 11, 0, 0, packet.tcp(VIP, 80, CLIENT, 40000, SYN | ACK, ack=1)))
    d.counts()


@case(rows=(1, 2))
def error_with_no_time_to_live(d, ttl):
    start(d)
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 80, CLIENT, 1053, b"answer"), ttl=ttl))
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1053, SERVER, 8080, b"query"), ttl=ttl))


@case
def error_in_fragments(d):
    start(d)
    whole = packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 80, CLIENT, 1053, bytes(100)))
    d.send("client", packet.fragments(whole, 64))
    whole = packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1053, SERVER, 8080, bytes(100)))
    d.send("servers", packet.fragments(whole, 64))


@case
def errors_count_in_the_statistics(d):
    start(d)
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 80, CLIENT, 1053, b"answer")))
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1053, SERVER, 8080, b"query")))
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")
