# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about outer packets: the client is told of its packet inside, and the way to the server is known better."""
import struct

import packet
import topology
from cases import case
from packet import ACK, PSH, SYN
from serving import CLIENT, SERVER, VIP
from tunnel_packets import DF, KINDS, Tunnel

ROUTER, DIRECTOR = "10.2.0.15", topology.IPV4.far
ERRORS = ((3, 0, 0), (3, 1, 0), (3, 3, 0), (3, 4, 1300), (4, 0, 0), (11, 0, 0), (11, 1, 0), (5, 1, 0x0A020001), (12, 0, 0))


def outer(kind, inner, server=SERVER, port=6080, **fields):
    """Returns the packet that the director would have sent to a server, with another inside."""
    if kind.startswith("gue"):
        return packet.udp(DIRECTOR, 40001, server, port, b"\0\4\0\0" + inner, mode="zero" if kind == "gue" else "full", **fields)
    if kind.startswith("gre"):
        return packet.ip(DIRECTOR, server, 47, {"gre": b"\0\0\x08\0", "gre-csum": b"\x80\0\x08\0\1\2\3\4"}[kind] + inner, **fields)
    return packet.ip(DIRECTOR, server, 4, inner, **fields)


def request(frag=DF, data=b"request", port=40000, vport=80):
    """Returns the packet of the client, as it went into the tunnel."""
    return packet.udp(CLIENT, port, VIP, vport, data, ttl=63, frag=frag)


def start(d, kind):
    tunnel = Tunnel(d, f"{kind} 4in4")
    tunnel.udp(frag=DF)
    tunnel.tcp(SYN, frag=DF)
    return tunnel


def tell(d, quoted, error=(3, 1, 0), title="", **fields):
    """Has a router tell the director, or another host (`to`), an error of a packet: type, code and rest of the header."""
    to = fields.pop("to", DIRECTOR)
    return d.send("servers", packet.icmp(ROUTER, to, *error, quoted, **fields), title)


@case(rows=KINDS)
def client_is_told_of_its_packet(d, kind):
    start(d, kind)
    for number, code, rest in ERRORS:
        tell(d, outer(kind, request()), (number, code, rest))
    tell(d, outer(kind, packet.tcp(CLIENT, 40000, VIP, 80, SYN, ttl=63)))
    tell(d, outer(kind, request())[:20 + 16 + 28], title="what a router quotes at least, and more")
    d.counts()


@case(rows=KINDS)
def as_much_as_fits_is_kept_in_mind(d, kind):
    tunnel = start(d, kind)
    for mtu in (1300, 1200, 1200, 1250):
        tell(d, outer(kind, request()), (3, 4, mtu), f"fits {mtu}")
        for size in (1150, 1200, 1300, 1400):
            tunnel.udp(bytes(size - 28), f"{size} bytes", frag=DF)
    d.run("ip route get 10.2.0.11")
    d.counts()


@case(rows=KINDS)
def what_may_be_cut_is_told_no_sender(d, kind):
    tunnel = start(d, kind)
    tell(d, outer(kind, request(frag=0)), (3, 4, 1300), "an error about a packet that may be cut")
    tunnel.udp(bytes(1372), "1400 bytes that may not be cut", frag=DF)
    tunnel.udp(bytes(1372), "1400 bytes that may be cut")


@case(rows=(0, 67, 88, 89, 551, 576, 1500, 65535))
def told_sizes_of_all_kinds(d, mtu):
    start(d, "ipip")
    tell(d, outer("ipip", request()), (3, 4, mtu))
    tell(d, outer("ipip", request()), (3, 4, mtu))


@case(rows=KINDS)
def errors_about_other_packets(d, kind):
    start(d, kind)
    tell(d, outer(kind, request(port=40001)), title="no connection")
    tell(d, outer(kind, request(), server="10.1.0.9"), title="no server")
    tell(d, outer(kind, request(), port=6081), title="another port")
    tell(d, outer(kind, request()), bad=5, title="a wrong checksum")
    tell(d, outer(kind, request(), frag=5), title="a later fragment")
    tell(d, outer(kind, request(), frag=0x2000), title="a first fragment")
    tell(d, outer(kind, packet.udp(CLIENT, 40000, VIP, 80, b"x", frag=5)), title="a later fragment inside")
    tell(d, outer(kind, packet.icmp(CLIENT, VIP, 8, 0, 7, b"ping")), title="a ping inside")
    tell(d, outer(kind, packet.tcp("fd01::2", 40000, "fd09::1", 80, SYN)), title="IPv6 inside")
    tell(d, outer(kind, request()), to="10.1.0.9", title="to another host")
    whole = outer(kind, request())
    for length in (20, 24, 27, 28, 32, 40, 44, 48, 52, 55):
        tell(d, whole[:length], title=f"{length} bytes")
    d.counts()


@case(rows=("2", "32", "64", "128", "proto", "fields", "key", "routing"))
def headers_of_other_forms(d, form):
    kind = "gre" if form in ("key", "routing") else "gue"
    start(d, kind)
    first = {"2": 0x80, "32": 0x20, "64": 0x40, "128": 0xC0}.get(form, 0)
    body = {"proto": b"\0\x29\0\0", "fields": b"\2\4\0\1\x80\0\0\0\0\x14\0\x1a"}.get(form, bytes([first, 4, 0, 0]))
    if kind == "gre":
        flags = {"key": 0x2000, "routing": 0x4000}[form]
        tell(d, packet.ip(DIRECTOR, SERVER, 47, struct.pack("!HHI", flags, 0x0800, 7) + request()))
    else:
        tell(d, packet.udp(DIRECTOR, 40001, SERVER, 6080, body + request(), mode="zero"))


@case
def server_that_is_gone_or_another_way(d):
    start(d, "ipip")
    d.ipvsadm(f"-e -u {VIP}:80 -r {SERVER}:80 -g")
    d.ipvsadm(f"-e -t {VIP}:80 -r {SERVER}:80 -g")
    tell(d, outer("ipip", request()))
    d.ipvsadm(f"-e -u {VIP}:80 -r {SERVER}:80 -i {KINDS['gre']}")
    tell(d, outer("ipip", request()))
    tell(d, outer("gre", request()))
    d.ipvsadm(f"-d -t {VIP}:80 -r {SERVER}:80")
    d.ipvsadm(f"-d -u {VIP}:80 -r {SERVER}:80")
    tell(d, outer("gre", request()))
    d.counts()


@case
def options_in_all_headers(d):
    tunnel = start(d, "ipip")
    inner = packet.udp(CLIENT, 40000, VIP, 80, b"request", options=b"\1" * 8, frag=DF)
    d.send("client", inner)
    tell(d, outer("ipip", inner))
    tell(d, outer("ipip", inner, options=b"\1" * 4))
    tell(d, outer("ipip", inner), options=b"\1" * 4)
    tunnel.tcp(ACK | PSH, data=b"x", ack=1)


@case(rows=KINDS)
def headers_inside_in_pages(d, kind):
    """Nothing but the error's own network header lies in front."""
    start(d, kind)
    for name, device in (("servers", "eth0"), ("director", "eth1")):
        topology.batch([f"link set {device} mtu 9000"], name)
    quoted = outer(kind, request(data=bytes(4300)))
    for number, rest in ((1, 0), (4, 1300)):
        d.send("servers", packet.icmp(ROUTER, DIRECTOR, 3, number, rest, quoted), linear=14 + 20)
    d.counts()


@case
def errors_count_in_the_statistics(d):
    start(d, "ipip")
    tell(d, outer("ipip", request()))
    tell(d, outer("ipip", request()), (3, 4, 1300))
    tell(d, outer("ipip", request(frag=0)), (3, 4, 1300))
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case(rows=("6in4", "4in6", "6in6"))
def other_pairs_pass_untouched(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    tunnel.udp()
    inner = packet.udp(tunnel.client, 40000, tunnel.vip, 80, b"request", ttl=63)
    far, server = tunnel.outer.far, tunnel.server
    quoted = packet.ip(far, server, 4 if tunnel.inner.family == 4 else 41, inner)
    kinds = ((3, 1, 0), (3, 4, 1300)) if tunnel.outer.family == 4 else ((1, 3, 0), (2, 0, 1300))
    for kind, code, rest in kinds:
        d.send("servers", packet.icmp(tunnel.outer.servers[3], far, kind, code, rest, quoted), f"{kind}/{code}")
    tunnel.udp(bytes(1300))
