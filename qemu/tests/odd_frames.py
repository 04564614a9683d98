# SPDX-License-Identifier: GPL-2.0
"""Frames and fragments that a host should not get: for all hosts or for another one, overlapping, never complete."""
import packet
import serving
import topology
from cases import case
from packet import ACK, PSH, SYN
from topology import IPV4, IPV6

PLANS = {"IPv4": IPV4, "IPv6": IPV6}
METHODS = ("-m", "-g", "-i")
ROWS = tuple(f"{family} {method}" for family in PLANS for method in METHODS)
# Hardware addresses of frames, by the hosts that they are for.
ADDRESSES = {"all hosts": "ff:ff:ff:ff:ff:ff", "a group": "01:00:5e:00:00:01", "a group of IPv6": "33:33:00:00:00:01", "another host": "02:00:00:00:00:99"}


class Service:
    """Services of TCP and UDP with one server."""

    def __init__(self, d, row):
        family, method = row.split()
        self.d, self.plan, self.method = d, PLANS[family], method
        self.client, self.vip, self.server = serving.ends(self.plan)[:3]
        serving.start(d, plan=self.plan, method=method, server_port=8080)

    def frame(self, side, to, data):
        """Puts a packet in a frame for a hardware address, the one of the hosts that it is for, on a wire."""
        source = self.client if side == "client" else self.server
        self.d.ends[side].send(ADDRESSES[to], topology.mac(source), data)
        self.d.captured(f"for {to}: {packet.show(data)}")


@case(rows=ROWS)
def frames_that_are_not_for_this_host_alone(d, row):
    service = Service(d, row)
    client, vip = service.client, service.vip
    for port, name in enumerate(ADDRESSES, 41000):
        service.frame("client", name, packet.tcp(client, port, vip, 80, SYN))
        service.frame("client", name, packet.udp(client, port, vip, 80, b"query"))
    d.send("client", packet.tcp(client, 40000, vip, 80, SYN))
    d.send("client", packet.udp(client, 40000, vip, 80, b"query"))
    error = packet.icmp(client, vip, *((1, 4) if service.plan.family == 6 else (3, 3)), 0, packet.udp(vip, 80, client, 40000, b"answer", ttl=60))
    for name in ADDRESSES:
        service.frame("client", name, packet.tcp(client, 40000, vip, 80, ACK | PSH, ack=1, data=b"data"))
        service.frame("client", name, error)
        if service.method == "-m":
            service.frame("servers", name, packet.udp(service.server, 8080, client, 40000, b"answer"))
    d.counts()


def piece(service, whole, part):
    """Returns a fragment of bytes of a packet's payload."""
    start, end, more = part
    body = whole[packet.HEADER[service.plan.family]:]
    if service.plan.family == 6:
        return packet.fragment_of_ip6(whole, body[start:end], packet.fragment(start, more, 77))
    return packet.fragment_of_ip(whole, body[start:end], 0x2000 * more | start // 8)


# The fragments of a payload of 208 bytes, as (first byte, end, whether more follow), in the order in which they are sent.
SERIES = {
    "overlap of the second with the first": ((0, 64, True), (32, 128, True), (128, 208, False)),
    "overlap of the last with what is there": ((0, 64, True), (64, 128, True), (96, 208, False)),
    "one twice": ((0, 64, True), (0, 64, True), (64, 208, False)),
    "one inside another": ((0, 128, True), (64, 96, True), (128, 208, False)),
    "the header overlapped": ((8, 64, True), (0, 64, True), (64, 208, False)),
    "first is missing": ((64, 128, True), (128, 208, False)),
    "last is missing": ((0, 64, True), (64, 128, True)),
    "two ends": ((0, 64, True), (64, 128, False), (64, 208, False)),
    "a hole": ((0, 64, True), (128, 208, False)),
    "backwards": ((128, 208, False), (64, 128, True), (0, 64, True)),
}


@case(rows=tuple(f"{family} {method}" for family in PLANS for method in ("-m", "-g")))
def fragments_that_do_not_fit(d, row):
    service = Service(d, row)
    client, vip = service.client, service.vip
    for number, (name, pieces) in enumerate(SERIES.items()):
        whole = packet.udp(client, 40000 + number, vip, 80, bytes(range(200)))
        d.send("client", [piece(service, whole, part) for part in pieces], name)
        # What waits for more is given up, and the sender of a first fragment told, before the next.
        d.quiet(70)
        d.captured("after a minute")
    d.send("client", packet.udp(client, 40000, vip, 80, b"query"))
    for name, pieces in SERIES.items() if service.method == "-m" else ():
        whole = packet.udp(service.server, 8080, client, 40000, bytes(range(200)))
        d.send("servers", [piece(service, whole, part) for part in pieces], f"answer: {name}")
        d.quiet(70)
        d.captured("after a minute")
    d.counts()
