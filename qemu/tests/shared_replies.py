# SPDX-License-Identifier: GPL-2.0
"""Tens of thousands of connections whose replies would be one flow: all forward, and packets of that flow cost no more."""
import socket
import struct
import time

import packet
import topology
import wire
from bulk import ROOM, Frames
from cases import case
from serving import CLIENT, SERVER, VIP

FLOWS, PORT, TARGET_PORT_AT, TRIES = 60000, 40000, 36, 9
MARKS = f"""table ip marks {{ chain first {{ type filter hook prerouting priority mangle;
ip daddr {VIP} meta l4proto udp meta mark set 1; }}; }}
"""


class Flood:
    """Datagrams from one port of a client to many ports of the virtual address, and what arrives at the servers."""

    def __init__(self):
        self.client, self.servers = self.end("client", 0), self.end("servers", 0x800)
        frame = packet.ether(topology.mac(topology.IPV4.near), topology.mac(CLIENT), packet.udp(CLIENT, PORT, VIP, 0, b"", mode="zero"))
        self.sent, self.arrived = Frames(self.client.fileno(), len(frame)), Frames(self.servers.fileno(), 64)
        self.sent.put([frame] * ROOM)

    @staticmethod
    def end(name, protocol):
        with topology.inside(name):
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        end.bind(("eth0", protocol))
        end.setsockopt(socket.SOL_SOCKET, wire.SO_RCVBUFFORCE, 4 << 20)
        return end

    def close(self):
        self.client.close()
        self.servers.close()

    def send(self, ports):
        """Sends one datagram to each port; returns how many came to the servers."""
        came = 0
        for start in range(0, len(ports), ROOM):
            some = ports[start:start + ROOM]
            for at, port in enumerate(some):
                struct.pack_into("!H", self.sent.data, 64 * at + TARGET_PORT_AT, port)
            self.sent.send(len(some))
            while count := self.arrived.receive():
                came += count
        return came


def cost(d, data):
    """Returns how many instructions it takes to send a packet to the director, where it goes no further."""
    frame = packet.ether(topology.mac(topology.IPV4.near), topology.mac(CLIENT), data)
    spent = []
    for _ in range(TRIES):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        d.ends["client"].send_frame(frame)
        spent.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - before)
    return min(spent)


@case
def errors_about_a_reply_that_60_000_connections_share(d):
    d.wires()
    d.rules(MARKS)
    d.control("-A -f 1 -s rr", f"-a -f 1 -r {SERVER}:80 -m")
    # The server would send to the client, so the connections are looked for, and none is the error's.
    quoted = packet.udp(SERVER, 80, CLIENT, PORT, b"")
    error = packet.icmp(CLIENT, topology.IPV4.near, 3, 3, 0, quoted)
    empty = cost(d, error)
    # An end that keeps every frame has no room for so many.
    d.ends.pop("servers").close()
    flood = Flood()
    try:
        ports = range(1, FLOWS + 1)
        for title in ("new", "established"):
            d.expect(f"all datagrams of {title} connections reach the server", flood.send(ports) == FLOWS)
        # The size of the table, which grows by another rule, is not shown here.
        d.say([line for line in d.read("/proc/thread-self/net/ip_vs").splitlines() if "->" in line][-1])
        full = cost(d, error)
        d.only_rvs(f"{full} instructions for an error, {empty} with an empty table", full <= 2 * empty)
    finally:
        flood.close()
    d.ends["servers"] = wire.End("servers", "eth0")
    d.captured("left over")
    d.send("servers", packet.udp(SERVER, 80, CLIENT, PORT), "a reply, which is the newest connection's")
