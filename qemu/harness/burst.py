# SPDX-License-Identifier: GPL-2.0
"""Many small packets to a director, with few calls.

The emulated CPU runs Python some thirty times slower than a real one, so what is done per packet is one `pack_into`
on the way out and nothing on the way in: a column of all frames is a slice of the memory.
"""
import socket
import struct

import packet
import topology
from bulk import ROOM, STRIDE, Frames

ETH_P_IP, SO_RCVBUFFORCE = 0x800, 33
MAC_AT, PROTOCOL_AT, IP_CHECK_AT, PORT_AT, FLAGS_AT = 5, 23, 24, 34, 47
# From the checksum of the IP header to the word behind the ports: checksum, addresses, ports, two words.
MIDDLE = struct.Struct("!9H")


class Kind(Frames):
    """Frames of one kind to the director's port 80: SYN, later segments of TCP, or UDP; addresses and ports vary.

    Clients are 172.20.0.0/16 and virtual addresses 10.8.0.0/16, each named by its last two bytes.
    """

    def __init__(self, number, protocol, flags=0):
        make = (lambda: packet.tcp("172.20.0.0", 0, "10.8.0.0", 80, flags, seq=0)) if protocol == packet.TCP else (
            lambda: packet.udp("172.20.0.0", 0, "10.8.0.0", 80, b"", mode="zero"))
        frame = packet.ether(topology.mac(topology.IPV4.near), topology.mac(topology.IPV4.clients[0]), make())
        super().__init__(number, len(frame))
        self.words = MIDDLE.unpack_from(frame, IP_CHECK_AT)
        self.tcp = protocol == packet.TCP
        self.put([frame] * ROOM)

    def fill(self, ports, clients, vips):
        """Gives every frame its port and addresses and returns how many there are.

        The checksum of a TCP segment stays what it is: its sequence number takes back what the rest adds.
        """
        check, source, _, target, _, _, port, first, second = self.words
        start, write, data, at, tcp = 65535 - check, MIDDLE.pack_into, self.data, IP_CHECK_AT, self.tcp
        for number, client, vip in zip(ports, clients, vips):
            back = 65535 - (number + client + vip) % 65535 if tcp else second
            write(data, at, 65535 - (start + client + vip) % 65535, source, client, target, vip, number, port, first, back)
            at += STRIDE
        return (at - IP_CHECK_AT) // STRIDE


class Wires:
    """The client's wire and the servers', for bursts."""

    def __init__(self):
        with topology.inside("client"):
            self.client = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.client.bind(("eth0", 0))
        with topology.inside("servers"):
            self.servers = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.servers.bind(("eth0", ETH_P_IP))
        self.servers.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        number = self.client.fileno()
        self.syn, self.udp = Kind(number, packet.TCP, packet.SYN), Kind(number, packet.UDP)
        self.later, self.arrived = Kind(number, packet.TCP, packet.ACK), Frames(self.servers.fileno(), STRIDE)

    def close(self):
        self.client.close()
        self.servers.close()

    def decide(self, kind, ports, clients, vips):
        """Sends one packet from each port and returns the last byte of the chosen server's MAC for each; 0 for none."""
        sent = kind.fill(ports, clients, vips)
        kind.send(sent)
        came = self.arrived.receive()
        high, low = (self.arrived.column(PORT_AT + at, came) for at in (0, 1))
        chosen = self.arrived.column(MAC_AT, came)
        if came == sent and high == kind.column(PORT_AT, sent) and low == kind.column(PORT_AT + 1, sent):
            return chosen
        by_port = {first << 8 | second: server for first, second, server in zip(high, low, chosen)}
        return bytes(by_port.get(port, 0) for port in ports)

    def go_on(self, ports, clients, vips, flags):
        """Sends later segments of connections, each with its flags, and forgets where they went."""
        sent = self.later.fill(ports, clients, vips)
        self.later.data[FLAGS_AT:STRIDE * sent:STRIDE] = bytes(flags)
        self.later.send(sent)
        while self.arrived.receive():
            pass
