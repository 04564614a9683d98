# SPDX-License-Identifier: GPL-2.0
"""IPv6: one-packet scheduling, scheduling by ICMPv6 errors, servers' strays, ESP and AH."""
import packet
import serving
from cases import case
from ipv6_errors import answer, to_client, to_server
from ipv6_packets import CLIENT, METHODS, OTHER_SERVER, SERVER, VIP, counters
from packet import ACK, RST, SYN
from topology import IPV6

ESP, AH = 50, 51
TWO = {"plan": IPV6, "servers": (SERVER, OTHER_SERVER), "server_port": 8080}
# Authentication of a datagram (RFC 4302): next header, length, reserved, index, sequence, value.
AUTHENTICATION = bytes([packet.UDP, 4, 0, 0]) + bytes(20)


def start(d, *sysctls, flags="", port=80, **service):
    """Builds the wires, and a service of TCP and one of UDP, which has these flags."""
    serving.start(d, *sysctls, **{**TWO, "letters": "-t", "port": port, **service})
    serving.serve(d, **{**TWO, "letters": "-u", "port": port, "options": flags, **service})


@case(rows=METHODS)
def every_datagram_is_scheduled(d, method):
    start(d, flags="-o", method=method)
    for _ in range(3):
        d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))
    d.send("servers", packet.udp(SERVER, 8080, CLIENT, 1053, b"answer"))
    d.send("client", packet.fragments(packet.udp(CLIENT, 1053, VIP, 80, bytes(200)), 64))
    d.counts()
    d.control("-Ln", "-Lnc")
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case(rows=tuple((f"{value} {method}", value, method) for value in (0, 1) for method in METHODS))
def errors_of_no_connection(d, row):
    _, value, method = row
    start(d, ("schedule_icmp", value), method=method)
    d.send("client", to_server(answer()))
    d.send("client", to_server(packet.tcp(VIP, 80, CLIENT, 40000, SYN | ACK, ack=1), (3, 0, 0)))
    d.send("client", to_server(packet.tcp(VIP, 80, CLIENT, 40001, RST), (2, 0, 1280)))
    d.send("client", to_server(packet.udp(VIP, 81, CLIENT, 1053, b"answer")))
    d.send("client", to_server(answer()[:44]))
    d.send("servers", to_client(packet.udp(CLIENT, 1054, SERVER, 8080, b"query", ttl=63)))
    counters(d)
    d.counts()
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))
    d.counts()


@case(rows=("dh", "sh", "sh -b sh-port", "mh", "lblc"))
def what_schedulers_see(d, scheduler):
    start(d, ("schedule_icmp", 1))
    d.ipvsadm(f"-E -u [{VIP}]:80 -s {scheduler}")
    for number, client in enumerate(IPV6.clients[:6]):
        d.send("client", to_server(packet.udp(VIP, 80, client, 1000 + number, b"answer"), source=client))
        d.send("client", packet.udp(client, 2000 + number, VIP, 80, b"query"))
    d.counts()


@case(rows=tuple((f"{value} {method}", value, method) for value in (0, 1) for method in METHODS))
def strays_of_servers(d, row):
    _, value, method = row
    start(d, ("nat_icmp_send", value), method=method)
    port = 8080 if method == "-m" else 80
    for flags in (SYN | ACK, RST):
        d.send("servers", packet.tcp(SERVER, port, CLIENT, 40000, flags, ack=1))
    for source in (SERVER, OTHER_SERVER, IPV6.servers[2]):
        d.send("servers", packet.udp(source, port, CLIENT, 1053, b"answer"))
    d.send("servers", packet.udp(SERVER, port, IPV6.far, 1053, b"answer"))
    d.send("servers", packet.udp(SERVER, 99, CLIENT, 1053, b"answer"))
    counters(d)
    d.counts()


@case(rows=tuple((f"{title} {method}", protocol, method) for title, protocol in (("ESP", ESP), ("AH", AH)) for method in METHODS))
def follow_their_connection(d, row):
    _, protocol, method = row
    start(d, port=500, server_port=500, method=method)
    data = AUTHENTICATION + packet.udp(CLIENT, 1, VIP, 2)[40:] if protocol == AH else bytes(range(24))
    for title in ("without a connection", "with one"):
        d.say(title)
        d.send("client", packet.ip(CLIENT, VIP, protocol, data))
        for server in (SERVER, OTHER_SERVER):
            d.send("servers", packet.ip(server, CLIENT, protocol, data))
        d.send("client", to_server(packet.ip(VIP, CLIENT, protocol, data)))
        d.send("servers", to_client(packet.ip(CLIENT, SERVER, protocol, data, ttl=63)))
        d.send("servers", to_client(packet.ip(CLIENT, OTHER_SERVER, protocol, data, ttl=63)[:44]))
        d.send("client", packet.udp(CLIENT, 500, VIP, 500, b"ike"))
    d.send("client", packet.ip(CLIENT, VIP, protocol, data, ttl=1))
    d.send("client", packet.ip(CLIENT, VIP, protocol, data, extensions=(packet.hop_by_hop(), packet.destination())))
    d.send("client", packet.fragments(packet.ip(CLIENT, VIP, protocol, data + bytes(200)), 64))
    d.send("servers", packet.fragments(packet.ip(OTHER_SERVER, CLIENT, protocol, data + bytes(200)), 64))
    counters(d)
    d.counts()
