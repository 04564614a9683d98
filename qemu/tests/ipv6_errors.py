# SPDX-License-Identifier: GPL-2.0
"""ICMPv6 errors that belong to a connection are translated in both directions; others are left alone."""
import packet
from cases import case
from ipv6_packets import CLIENT, METHODS, SERVER, VIP, counters, start
from packet import ACK, ICMP6, SYN
from topology import IPV6

ERRORS = {"1/0": 0, "1/3": 0, "1/4": 0, "2/0": 1300, "3/0": 0, "3/1": 0, "4/1": 6, "5/0": 0, "100/0": 0, "127/9": 7, "128/0": 1, "129/0": 1,
          "130/0": 0, "135/0": 0, "160/0": 0, "255/0": 0}


def opened(d, method="-m"):
    start(d, method)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))


def to_client(inner, error=(1, 4, 0), source=SERVER, **more):
    """Returns an error (type, code, rest of the header) of the servers' side about a packet that went to a server."""
    return packet.icmp(source, CLIENT, *error, inner, **more)


def to_server(inner, error=(1, 4, 0), source=CLIENT, **more):
    """Returns an error of the client's side about a packet of the virtual service."""
    return packet.icmp(source, VIP, *error, inner, **more)


def request(data=b"query", **more):
    return packet.udp(CLIENT, 1053, SERVER, 8080, data, ttl=63, **more)


def answer(data=b"answer", **more):
    return packet.udp(VIP, 80, CLIENT, 1053, data, ttl=60, **more)


@case(rows=tuple(ERRORS))
def from_the_server_to_the_client(d, name):
    kind, code = map(int, name.split("/"))
    opened(d)
    for inner in (packet.tcp(CLIENT, 40000, SERVER, 8080, SYN, ttl=63), request()):
        d.send("servers", to_client(inner, (kind, code, ERRORS[name])))
        d.send("servers", to_client(inner[:48], (kind, code, ERRORS[name]), IPV6.servers[4]))
    counters(d)
    d.counts()


@case(rows=tuple(ERRORS))
def from_the_client_to_the_server(d, name):
    kind, code = map(int, name.split("/"))
    opened(d)
    for inner in (packet.tcp(VIP, 80, CLIENT, 40000, SYN | ACK, ack=1, ttl=60), answer()):
        d.send("client", to_server(inner, (kind, code, ERRORS[name])))
        d.send("client", to_server(inner[:48], (kind, code, ERRORS[name]), IPV6.clients[7]))
    counters(d)
    d.counts()


@case(rows=("client", "servers"))
def wrong_checksum_is_dropped(d, side):
    opened(d)
    d.send(side, to_client(request(), bad=5) if side == "servers" else to_server(answer(), bad=5))
    d.counts()


@case
def errors_about_strangers_pass(d):
    opened(d)
    d.send("servers", to_client(packet.udp(CLIENT, 1054, SERVER, 8080, b"query")))
    d.send("client", to_server(packet.udp(VIP, 80, CLIENT, 1054, b"answer")))
    d.send("client", to_server(packet.udp(VIP, 81, CLIENT, 1053, b"answer")))
    d.counts()


@case
def malformed_insides(d):
    opened(d)
    for length in (0, 8, 39, 40, 43, 44, 47):
        d.send("client", to_server(answer()[:length]), f"{length} bytes inside, from the client")
        d.send("servers", to_client(request()[:length]), f"{length} bytes inside, from the server")
    d.send("client", to_server(packet.fragments(answer(bytes(100)), 64)[1]), "a later fragment inside")
    d.send("client", to_server(packet.fragments(answer(bytes(100)), 64)[0]), "a first fragment inside")
    d.send("servers", to_client(packet.fragments(request(bytes(100)), 64)[1]), "a later fragment inside, from the server")
    d.send("servers", to_client(packet.fragments(request(bytes(100)), 64)[0]), "a first fragment inside, from the server")
    d.send("client", to_server(b"\x4f" + answer()[1:]), "another version inside")
    d.send("client", to_server(packet.ip(VIP, CLIENT, 47, bytes(8))), "GRE inside")
    d.send("client", to_server(packet.ip(VIP, CLIENT, ICMP6, bytes(8))), "ICMPv6 inside")
    d.send("client", packet.ip(CLIENT, VIP, ICMP6, b"\1\4\0\0"), "half a header")
    d.send("client", packet.ip(CLIENT, VIP, ICMP6, b""), "no header")
    d.counts()


EXTENSIONS = {"destination": (packet.destination(),), "hop-by-hop, routing": (packet.hop_by_hop(), packet.routing(0, 0)),
              "authentication": ((51, bytes([4]) + bytes(22)),), "eight": (packet.destination(),) * 8, "thirteen": (packet.destination(),) * 13}


@case(rows=tuple(EXTENSIONS))
def extension_headers(d, row):
    opened(d)
    more = {"extensions": EXTENSIONS[row]}
    for outer, inner in ((more, {}), ({}, more), (more, more)):
        d.send("client", to_server(answer(**inner), **outer), "from the client")
        d.send("servers", to_client(request(**inner), **outer), "from the server")
    d.counts()


@case
def lengths_inside_do_not_matter(d):
    opened(d)
    for told in (0, 7, 9, 1500):
        told = told.to_bytes(2, "big")
        d.send("client", to_server(answer()[:4] + told + answer()[6:]))
        d.send("servers", to_client(request()[:4] + told + request()[6:]))


@case(rows=METHODS)
def long_errors(d, method):
    """Errors have at most 1,280 bytes by the book; a longer one that does not fit is no reason for another error."""
    opened(d, method)
    for device in ("eth0", "eth1"):
        d.run(f"ip link set {device} mtu 1300")
    for size in (1200, 1252, 1253):
        d.send("client", to_server(answer(bytes(size - 48))), f"{size} bytes inside, from the client")
        if method == "-m":
            d.send("servers", to_client(request(bytes(size - 48))), f"{size} bytes inside, from the server")
    counters(d)


@case
def direct_routing_sends_errors_on(d):
    opened(d, "-g")
    d.send("client", to_server(answer(), (2, 0, 1300)))
    d.send("client", to_server(packet.tcp(VIP, 80, CLIENT, 40000, SYN | ACK, ack=1), (3, 0, 0)))
    d.send("client", to_server(answer(), bad=5))
    d.counts()


@case(rows=(1, 2))
def error_without_a_hop_left(d, ttl):
    opened(d)
    d.send("client", to_server(answer(), ttl=ttl))
    d.send("servers", to_client(request(), ttl=ttl))
    counters(d)


@case
def error_in_fragments(d):
    opened(d)
    d.send("client", packet.fragments(to_server(answer(bytes(100))), 64))
    d.send("client", packet.fragments(to_server(answer(bytes(100))), 1400, 2))
    d.send("servers", packet.fragments(to_client(request(bytes(100))), 64, 3))
    d.rules("table ip6 t {\n chain c {\n type filter hook prerouting priority -450;\n notrack\n }\n}")
    for title, pieces in (("the only fragment", 1400), ("a first fragment", 64)):
        d.send("client", packet.fragments(to_server(answer(bytes(100))), pieces, 4)[0], f"{title}, from the client")
        d.send("servers", packet.fragments(to_client(request(bytes(100))), pieces, 5)[0], f"{title}, from the server")
    d.send("client", packet.fragments(packet.icmp(CLIENT, VIP, 128, 0, 1, bytes(100)), 1400, 6)[0], "a ping in one fragment")
    d.counts()


@case
def errors_count_in_the_statistics(d):
    opened(d)
    d.send("client", to_server(answer()))
    d.send("servers", to_client(request()))
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case(rows=METHODS)
def errors_that_pass_through(d, method):
    """Errors to the address of a server, and one of a server to the virtual address."""
    opened(d, method)
    d.send("client", packet.icmp(CLIENT, SERVER, 1, 4, 0, answer()))
    d.send("client", packet.icmp(CLIENT, SERVER, 1, 4, 0, request()))
    d.send("servers", packet.icmp(SERVER, VIP, 1, 4, 0, request()))
    d.counts()
