# SPDX-License-Identifier: GPL-2.0
"""IPv6 through the director byte by byte: NAT and DR, hop limit, sizes, extension headers, fragments."""
import packet
import serving
from cases import case
from packet import ACK, PSH, SYN, TCP, UDP
from topology import IPV6

CLIENT, VIP, SERVER, _, _, OTHER_SERVER = serving.ends(IPV6)
METHODS = ("-g", "-m")


def start(d, method="-m", *servers):
    """Builds the wires, and a service of TCP and of UDP with these servers."""
    serving.start(d, plan=IPV6, servers=servers, server_port=8080, method=method)


def counters(d):
    """Writes down what IPv6 has counted of errors, fragments and messages about them, by device."""
    words = ("Ip6InHdrErrors", "Icmp6OutDest", "Icmp6OutTime", "Icmp6OutPktT", "NoRoutes", "TooBig", "Reasm", "Frag")
    for name in ("snmp6", "dev_snmp6/eth0", "dev_snmp6/eth1", "dev_snmp6/lo"):
        lines = d.read(f"/proc/thread-self/net/{name}", "director").splitlines()
        d.say(f"{name}: " + " ".join(" ".join(line.split()) for line in lines if any(word in line for word in words)))


@case(rows=METHODS)
def there_and_back(d, method):
    start(d, method)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    found = d.send("client", packet.udp(CLIENT, 40000, VIP, 80, b"request"))
    d.expect("it goes to the server", found["servers"])
    if method == "-m":
        d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
        found = d.send("servers", packet.udp(SERVER, 8080, CLIENT, 40000, b"answer"))
        d.expect("and back", found["client"])
    d.counts()
    d.ipvsadm("-Lnc")


@case
def fields_that_are_not_ours_stay(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN | 0xC0, tos=0xFF, flow=0xFFFFF, window=1, seq=4294967295, options=b"\2\4\5\xb4"))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1, tos=3, flow=0x12345, window=0))


@case(rows=("full", "zero", "bad", "partial"))
def checksum(d, mode):
    start(d)
    partial = (TCP, UDP) if mode == "partial" else (None, None)
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query", mode=mode), partial=partial[1])
    d.send("servers", packet.udp(SERVER, 8080, CLIENT, 1053, b"answer", mode=mode), partial=partial[1])
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, mode=mode), partial=partial[0])
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1, mode=mode), partial=partial[0])


@case(rows=tuple(f"{method}/{limit}" for method in METHODS for limit in (0, 1, 2, 255)))
def hop_limit(d, row):
    method, limit = row.split("/")
    start(d, method)
    counters(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, ttl=int(limit)))
    counters(d)
    d.counts()


@case(rows=METHODS)
def larger_than_the_way_out(d, method):
    start(d, method)
    d.run("ip link set eth1 mtu 1300")
    for size in (1200, 1260, 1300, 1301, 1400):
        d.send("client", packet.udp(CLIENT, 40000, VIP, 80, bytes(size - 48)), f"{size} bytes")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    for size in (1000, 1240, 1260):
        data = packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=bytes(4000), mode="partial")
        d.send("client", data, f"4000 bytes in segments of {size}", partial=TCP, segment=size)
    counters(d)
    d.counts()


@case
def reply_larger_than_the_way_back(d):
    start(d)
    d.run("ip link set eth0 mtu 1300")
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80))
    for size in (1300, 1301):
        d.send("servers", packet.udp(SERVER, 8080, CLIENT, 40000, bytes(size - 48)), f"{size} bytes")
    counters(d)


# --- fragments ---

@case(rows=METHODS)
def fragments(d, method):
    start(d, method)
    whole = packet.udp(CLIENT, 40000, VIP, 80, bytes(2000))
    d.send("client", packet.fragments(whole, 1000))
    d.send("client", list(reversed(packet.fragments(whole, 1000, 9))))
    d.run("ip link set eth1 mtu 1300")
    d.send("client", packet.fragments(whole, 1000, 2))
    d.send("client", packet.fragments(whole, 1240, 3))
    d.send("client", packet.fragments(whole, 1256, 4))
    for size, ident in ((1244, 5), (1250, 6)):
        only = packet.fragments(packet.udp(CLIENT, 40000, VIP, 80, bytes(size)), 1400, ident)
        d.send("client", only, f"the only fragment, of {size + 56} bytes")
    d.send("client", packet.fragments(packet.tcp(CLIENT, 40000, VIP, 81, SYN, data=bytes(500)), 200, 7))
    d.ipvsadm("-C")
    d.send("client", packet.fragments(packet.udp(CLIENT, 40000, SERVER, 80, bytes(500)), 200, 8))
    counters(d)


@case
def replies_in_fragments(d):
    start(d)
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80))
    d.send("servers", packet.fragments(packet.udp(SERVER, 8080, CLIENT, 40000, bytes(2000)), 1000))
    d.send("servers", packet.fragments(packet.udp(SERVER, 8080, CLIENT, 40000, bytes(2000)), 1440))
    counters(d)
    d.counts()


@case
def fragments_are_put_together_from_the_first_service_on(d):
    d.wires(IPV6)
    pieces = packet.fragments(packet.udp(CLIENT, 40000, SERVER, 80, bytes(500)), 200)
    d.send("client", pieces, "before any service")
    d.ipvsadm("-A -t 10.9.0.1:80 -s rr")
    d.send("client", pieces, "with a service of IPv4")
    d.ipvsadm(f"-A -t [{VIP}]:80 -s rr")
    d.send("client", pieces, "with a service of IPv6")
    d.ipvsadm("-C")
    d.send("client", pieces, "without any again")
    counters(d)


@case
def fragments_are_put_together_for_a_server_of_ipv6(d):
    """A tunnel leads to it from a service of IPv4."""
    d.wires(IPV6)
    pieces = packet.fragments(packet.udp(CLIENT, 40000, SERVER, 80, bytes(500)), 200)
    d.control("-A -t 10.9.0.1:80 -s rr", f"-a -t 10.9.0.1:80 -r [{SERVER}]:80 -m")
    d.send("client", pieces, "with a server that is refused")
    d.ipvsadm(f"-a -t 10.9.0.1:80 -r [{SERVER}]:80 -i")
    d.send("client", pieces, "with one of a tunnel")
    counters(d)


UNTRACKED = "table ip6 t {\n chain c {\n type filter hook prerouting priority -450;\n notrack\n }\n}"


@case(rows=METHODS)
def fragments_that_are_not_put_together(d, method):
    """What is not tracked is not put together either, and comes to the director as it is."""
    start(d, method)
    d.rules(UNTRACKED)
    whole = packet.udp(CLIENT, 40000, VIP, 80, bytes(500))
    first, middle, last = packet.fragments(whole, 200)
    d.send("client", middle, "a later one without connection")
    d.send("client", first, "the first one")
    d.send("client", last, "a later one with connection")
    d.send("client", packet.fragments(whole, 1400, 2), "the only one")
    d.send("client", packet.fragments(packet.tcp(CLIENT, 40000, VIP, 80, SYN), 16, 3)[0], "the first one without all of its header")
    d.send("client", packet.ip(CLIENT, VIP, packet.ICMP6, bytes(40), extensions=(packet.fragment(8, 1, 4),)), "a later one of ICMPv6")
    counters(d)
    d.counts()


# --- extension headers ---

def authentication(length=4):
    """Returns an authentication header with so many words of data."""
    return 51, bytes([length + 1]) + bytes(10 + 4 * length)


EXTENSIONS = {
    "hop-by-hop": (packet.hop_by_hop(),),
    "destination": (packet.destination(),),
    "destination of 264 bytes": (packet.destination(bytes([5, 255]) + bytes(255) + b"\0"),),
    "routing": (packet.routing(0, 0),),
    "routing, type 2": (packet.routing(2, 0, bytes(20)),),
    "routing, one left": (packet.routing(0, 1, bytes(4) + packet.packed(SERVER)),),
    "authentication": (authentication(),),
    "authentication of 12 bytes": (authentication(0),),
    "all": (packet.hop_by_hop(), packet.destination(), packet.routing(0, 0), authentication(2), packet.destination()),
    "hop-by-hop late": (packet.destination(), packet.hop_by_hop()),
    **{f"{count}": (packet.destination(),) * count for count in (2, 8, 11, 12, 13, 16, 40)},
    "an only fragment": (packet.destination(), packet.fragment(0, 0), packet.destination()),
}


@case(rows=tuple(EXTENSIONS))
def extension_headers(d, row):
    start(d)
    for flags in (SYN, ACK):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, flags, ack=1, extensions=EXTENSIONS[row]), row)
        d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, flags | ACK, ack=1, extensions=EXTENSIONS[row]), row)
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80, bytes(1000), extensions=EXTENSIONS[row]), row)
    d.counts()


def padding(size):
    """Returns a destination options header of so many bytes, all of them padding."""
    left, pads = size - 2, []
    while left:
        length = min(left, 257)
        pads.append(b"\0" if length == 1 else bytes([1, length - 2]) + bytes(length - 2))
        left -= length
    return packet.destination(b"".join(pads))


@case(rows=((1000, 1), (1024, 2), (2048, 1), (1024, 3), (2048, 2), (2048, 11), (2048, 12), (2048, 13)))
def extension_headers_over_many_fragments(d, row):
    """The transport header is found however far behind it lies."""
    size, count = row
    start(d)
    long = {"extensions": (padding(size),) * count}
    for ident, flags in enumerate((SYN, ACK)):
        d.send("client", packet.fragments(packet.tcp(CLIENT, 40000, VIP, 80, flags, ack=1, **long), 1400, ident))
        d.send("servers", packet.fragments(packet.tcp(SERVER, 8080, CLIENT, 40000, flags | ACK, ack=1, **long), 1400, ident))
    d.send("client", packet.fragments(packet.udp(CLIENT, 40000, VIP, 80, b"query", **long), 1400, 2))
    d.send("servers", packet.fragments(packet.udp(SERVER, 8080, CLIENT, 40000, b"answer", **long), 1400, 3))
    quoted = packet.udp(CLIENT, 40000, SERVER, 8080, b"query", **long)
    d.send("servers", packet.fragments(packet.icmp(SERVER, CLIENT, 1, 4, 0, quoted), 1400, 4))
    d.counts()


@case(rows=(59, 47, 41, 4, 50, 1, 135, 139, 140, 253))
def protocols_that_are_not_served(d, protocol):
    start(d)
    data = packet.tcp(CLIENT, 40000, VIP, 80, SYN)[40:]
    d.send("client", packet.ip(CLIENT, VIP, protocol, data), f"{protocol}")
    d.send("client", packet.ip(CLIENT, VIP, protocol, data, extensions=(packet.destination(),)), f"{protocol} behind options")
    d.send("servers", packet.ip(SERVER, CLIENT, protocol, data), f"{protocol} from the server")
    d.counts()


@case(rows=METHODS)
def truncated_headers(d, method):
    start(d, method)
    for protocol, whole in ((TCP, packet.tcp(CLIENT, 40000, VIP, 80, SYN)), (UDP, packet.udp(CLIENT, 40000, VIP, 80, b"request"))):
        for known in (False, True):
            for length in (0, 1, 3, 4, 7, 8, 12, 19):
                if length < len(whole) - 40:
                    d.send("client", packet.ip(CLIENT, VIP, protocol, whole[40:40 + length]), f"{protocol}: {length} bytes, known {known}")
            d.send("client", whole)
    d.send("client", packet.ip(CLIENT, VIP, packet.DESTINATION, b""), "a header that is missing")
    d.send("client", packet.ip(CLIENT, VIP, packet.DESTINATION, bytes([TCP, 0, 1])), "a header that is cut off")
    d.send("client", packet.ip(CLIENT, VIP, packet.DESTINATION, bytes([TCP, 9, 1, 4]) + bytes(4)), "a header longer than the packet")
    d.send("client", packet.ip(CLIENT, VIP, packet.DESTINATION, bytes([60, 9, 1, 4]) + bytes(4)), "another longer than the packet")
    d.send("client", packet.ip(CLIENT, VIP, packet.DESTINATION, bytes([47, 9, 1, 4]) + bytes(4)), "one before what is not served")
    d.send("client", packet.ip(CLIENT, VIP, packet.DESTINATION, bytes([58, 9, 1, 4]) + bytes(4)), "one before ICMPv6")
    d.send("client", packet.ip(CLIENT, VIP, packet.FRAGMENT, bytes([TCP, 0, 0])), "a fragment header that is cut off")
    d.counts()


@case
def packets_of_no_service_pass(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 81, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, IPV6.vips[1], 80, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, SERVER, 8080, SYN))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40001, SYN | ACK, ack=1))
    d.send("client", packet.icmp(CLIENT, VIP, 128, 0, 0x00010001, b"ping"), "a ping to the VIP")
    d.counts()


@case
def statistics_count_packets_and_bytes(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, extensions=(packet.destination(),)))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80, bytes(100)))
    d.quiet(5)
    d.control("-Ln --stats --exact")
