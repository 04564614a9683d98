# SPDX-License-Identifier: GPL-2.0
"""VS/DR byte by byte: the packet goes on unchanged but for its time to live, to the hardware address of the server."""
import packet
import topology
from cases import case
from packet import ACK, PSH, SYN, TCP, UDP
from serving import CLIENT, VIP


def start(d, *servers):
    d.wires()
    d.ipvsadm("-A -t 10.9.0.1:80 -s rr")
    d.ipvsadm("-A -u 10.9.0.1:80 -s rr")
    for server in servers or ("10.2.0.11",):
        d.ipvsadm(f"-a -t 10.9.0.1:80 -r {server}:80 -g")
        d.ipvsadm(f"-a -u 10.9.0.1:80 -r {server}:80 -g")


@case
def packet_goes_on_unchanged(d):
    start(d)
    found = d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, tos=0x10, ident=99, frag=0x4000, ttl=17, options=b"\2\4\5\xb4"))
    d.expect("the server's hardware address", topology.mac("10.2.0.11") in " ".join(found["servers"]))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=b"request"))
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80, b"request"))
    d.counts()


@case(rows=("full", "zero", "bad"))
def checksum_is_not_touched(d, mode):
    start(d)
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80, b"request", mode=mode))


@case
def checksum_left_to_offload(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, mode="partial"), partial=TCP)


@case(rows=(0, 1, 2, 255))
def time_to_live(d, ttl):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN, ttl=ttl))
    d.counts()


@case(rows=((1300, 0x4000), (1500, 0x4000), (1500, 0)))
def packet_larger_than_the_way_out(d, row):
    size, fragment = row
    start(d)
    d.run("ip link set eth1 mtu 1400")
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80, bytes(size - 28), frag=fragment), f"{size} bytes, fragment field {fragment:#x}")
    d.counts()


@case(rows=((1000, 0x4000), (1448, 0x4000), (1448, 0)))
def segments_and_the_way_out(d, row):
    size, fragment = row
    start(d)
    d.run("ip link set eth1 mtu 1400")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=bytes(4000), mode="partial", frag=fragment),
           f"4000 bytes in segments of {size}, fragment field {fragment:#x}", partial=TCP, segment=size)
    d.counts()


@case
def connections_stay_with_their_server(d):
    start(d, "10.2.0.11", "10.2.0.12", "10.2.0.13")
    for _ in range(2):
        for port in range(40000, 40006):
            d.send("client", packet.tcp(CLIENT, port, VIP, 80, SYN))
    d.counts()


@case
def fragments_to_the_vip_are_reassembled(d):
    start(d)
    d.send("client", packet.fragments(packet.udp(CLIENT, 40000, VIP, 80, bytes(range(200))), 64))
    d.counts()


@case(rows=(3, 4, 10, 19))
def cut_off_header_of_a_connection(d, length):
    start(d)
    for protocol, whole in ((TCP, packet.tcp(CLIENT, 40000, VIP, 80, SYN)), (UDP, packet.udp(CLIENT, 40000, VIP, 80, b"request"))):
        d.send("client", whole)
        d.send("client", packet.ip(CLIENT, VIP, protocol, whole[20:20 + length]), f"{length} bytes")
        d.counts()


@case
def replies_that_pass_the_director_are_left_alone(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("servers", packet.tcp(VIP, 80, CLIENT, 40000, SYN | ACK, ack=1))
    d.counts()


@case
def server_on_another_route(d):
    start(d)
    d.run("ip route add 10.3.0.0/24 via 10.2.0.12")
    d.ipvsadm("-A -t 10.9.0.2:80 -s rr")
    d.ipvsadm("-a -t 10.9.0.2:80 -r 10.3.0.5:80 -g")
    d.send("client", packet.tcp(CLIENT, 40000, "10.9.0.2", 80, SYN))
    d.ipvsadm("-a -t 10.9.0.2:80 -r 10.1.0.9:80 -g")
    d.send("client", packet.tcp(CLIENT, 40001, "10.9.0.2", 80, SYN))
    d.counts()


@case
def route_that_changes_is_followed(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.run("ip route add 10.2.0.11/32 via 10.2.0.15")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.run("ip route del 10.2.0.11/32 via 10.2.0.15")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.run("ip route add unreachable 10.2.0.11/32")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()
