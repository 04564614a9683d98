# SPDX-License-Identifier: GPL-2.0
"""VS/NAT byte by byte: every packet sent by hand and captured on every wire, field by field."""
import functools

import packet
import serving
from cases import case
from packet import ACK, PSH, SYN, TCP, UDP
from serving import CLIENT, SERVER, VIP

LETTERS = {"tcp": "-t", "udp": "-u"}
start = functools.partial(serving.start, letters="-t", server_port=8080)


def opened(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))


@case
def tcp_is_translated_both_ways(d):
    opened(d)
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=b"request", options=b"\1\1\x08\x0a" + bytes(8)))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, ACK | PSH, ack=9, data=b"an answer of odd size", tos=0x28, ident=7))
    d.counts()


@case
def udp_is_translated_both_ways(d):
    start(d, letters="-u", port=53, server_port=5353)
    for data in (b"", b"x", b"query", bytes(range(256)) * 5):
        d.send("client", packet.udp(CLIENT, 1053, VIP, 53, data))
        d.send("servers", packet.udp(SERVER, 5353, CLIENT, 1053, data[::-1]))
    d.counts()


@case(rows=("full", "zero", "bad"))
def udp_checksum(d, mode):
    start(d, letters="-u", port=53, server_port=5353)
    d.send("client", packet.udp(CLIENT, 1053, VIP, 53, b"query", mode=mode))
    d.send("servers", packet.udp(SERVER, 5353, CLIENT, 1053, b"answer", mode=mode))


@case
def udp_checksum_that_becomes_zero_is_sent_as_ones(d):
    start(d, letters="-u", port=53, server_port=5353)
    # What is missing to a sum of zero is what the checksum of a payload of zeroes says.
    data = packet.udp(CLIENT, 1053, SERVER, 5353, bytes(2))[26:28]
    d.expect("ones on the way to the server", packet.udp(CLIENT, 1053, SERVER, 5353, data)[26:28] == b"\xff\xff")
    d.send("client", packet.udp(CLIENT, 1053, VIP, 53, data))


@case
def bad_tcp_checksum_stays_bad(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, mode="bad"))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1, mode="bad"))


@case(rows=("tcp", "udp"))
def checksum_left_to_offload(d, protocol):
    start(d, letters=LETTERS[protocol])
    if protocol == "tcp":
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, mode="partial"), partial=TCP)
        d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1, mode="partial"), partial=TCP)
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, mode="partial", data=b"data"), partial=TCP)
    else:
        d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query", mode="partial"), partial=UDP)
        d.send("servers", packet.udp(SERVER, 8080, CLIENT, 1053, b"answer", mode="partial"), partial=UDP)


@case
def segmentation_offload_goes_through(d):
    opened(d)
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    data = bytes(range(250)) * 16
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=data, mode="partial"), "4000 bytes from the client",
           partial=TCP, segment=1000)
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, ACK | PSH, ack=1, data=data, mode="partial"), "4000 bytes from the server",
           partial=TCP, segment=1000)


@case(rows=(0, 1, 2, 3, 64, 255))
def time_to_live(d, ttl):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, ttl=ttl))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1, ttl=ttl))
    d.counts()


@case
def header_options_are_kept(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, options=b"\2\4\5\xb4"))
    d.send("client", packet.ip(CLIENT, VIP, TCP, packet.tcp(CLIENT, 40001, VIP, 80, SYN)[20:], options=b"\1\1\1\0"))
    d.counts()


@case
def fields_that_are_not_ours_stay(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN | 0xC0, tos=0xFF, ident=65535, frag=0x4000, window=1, seq=4294967295))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1, tos=3, ident=0, frag=0x4000, window=0))


@case(rows=("tcp", "udp"))
def fragments_are_reassembled(d, protocol):
    start(d, letters=LETTERS[protocol])
    if protocol == "tcp":
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
        d.send("client", packet.fragments(packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=bytes(range(200))), 64))
        d.send("servers", packet.fragments(packet.tcp(SERVER, 8080, CLIENT, 40000, ACK | PSH, ack=1, data=bytes(range(200))), 64))
    else:
        d.send("client", packet.fragments(packet.udp(CLIENT, 1053, VIP, 80, bytes(range(200))), 64))
        d.send("servers", packet.fragments(packet.udp(SERVER, 8080, CLIENT, 1053, bytes(range(200))), 64))
        d.send("servers", list(reversed(packet.fragments(packet.udp(SERVER, 8080, CLIENT, 1053, bytes(200), ident=9), 64))))
    d.counts()


@case
def packets_that_are_nobodys_pass(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 81, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, "10.9.0.2", 80, SYN))
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80))
    d.send("client", packet.tcp(CLIENT, 40000, SERVER, 8080, SYN))
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40001, SYN | ACK, ack=1))
    d.send("servers", packet.tcp(SERVER, 8081, CLIENT, 40000, SYN, ack=1))
    d.send("client", packet.icmp(CLIENT, VIP, 8, 0, 0x00010001, b"ping"), "a ping to the VIP")
    d.send("client", packet.ip(CLIENT, VIP, 47, b"\0" * 8))
    d.counts()


@case
def truncated_headers(d):
    start(d)
    whole = packet.tcp(CLIENT, 40000, VIP, 80, SYN)
    for length in (0, 1, 4, 8, 19):
        d.send("client", packet.ip(CLIENT, VIP, TCP, whole[20:20 + length]))
    for length in (0, 1, 4, 7):
        d.send("client", packet.ip(CLIENT, VIP, UDP, packet.udp(CLIENT, 1, VIP, 80)[20:20 + length]))
    d.send("client", packet.ip(CLIENT, VIP, TCP, whole[20:32] + b"\xf0" + whole[33:]))
    d.counts()


@case(rows=((0, 0), (1400, 0), (1500, 0x4000), (1480, 0x4000), (1300, 0x4000), (1472, 0)))
def packet_larger_than_the_way_out(d, row):
    size, fragment = row
    d.wires()
    d.run("ip link set eth1 mtu 1400")
    d.control("-A -u 10.9.0.1:80 -s rr", "-a -u 10.9.0.1:80 -r 10.2.0.11:8080 -m")
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, bytes(max(size - 28, 0)), frag=fragment), f"{size} bytes, fragment field {fragment:#x}")
    d.counts()


@case
def no_route_to_the_server(d):
    start(d)
    d.run("ip link set eth1 down")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.device_up("eth1", "servers")
    d.run("ip neigh replace 10.2.0.11 lladdr 02:00:0a:02:00:0b dev eth1 nud permanent")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()


@case
def no_server_is_refused_by_icmp(d):
    d.wires()
    d.control("-A -t 10.9.0.1:80 -s rr", "-A -u 10.9.0.1:80 -s rr")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80))
    d.ipvsadm("-a -t 10.9.0.1:80 -r 10.2.0.11:80 -m -w 0")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()


@case
def statistics_count_packets_and_bytes(d):
    opened(d)
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=b"x" * 100))
    for number in range(10):
        d.send("client", packet.tcp(CLIENT, 40001 + number, VIP, 80, SYN))
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")
    # Rates depend on where in its two seconds an estimator was; they are compared once they are down.
    d.quiet(60)
    d.proc("ip_vs_stats_percpu")
    d.proc("ip_vs_stats")
    d.ipvsadm("-Z")
    d.control("-Ln --stats --exact", "-Ln --rate")
    d.proc("ip_vs_stats")
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case
def mark_service_takes_any_port(d):
    d.wires()
    d.rules("table ip t { chain c { type filter hook prerouting priority -150; ip daddr 10.9.0.0/24 meta mark set 7; }; }\n")
    d.control("-A -f 7 -s rr", "-a -f 7 -r 10.2.0.11:0 -m", "-A -t 10.9.0.1:80 -s rr", "-a -t 10.9.0.1:80 -r 10.2.0.12:80 -m")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, "10.9.0.2", 443, SYN))
    d.send("client", packet.udp(CLIENT, 40000, "10.9.0.3", 53))
    d.send("servers", packet.udp(SERVER, 53, CLIENT, 40000, b"answer"))
    d.counts()
    d.ipvsadm("-Lnc")
