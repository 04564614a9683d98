# SPDX-License-Identifier: GPL-2.0
"""Raw ends of wires: sends frames byte by byte and captures every frame with its offload state."""
import socket
import struct

import packet
import topology

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
NEEDS_CSUM, GSO_TCPV4, GSO_UDP_L4 = 1, 1, 5
ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 3, 0x800, 0x806


class End:
    """One interface of one namespace: what is put on it, what comes out of it."""

    def __init__(self, name, device, outgoing=False):
        self.name, self.device = name, device
        with topology.inside(name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        if not outgoing:
            self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((device, ETH_P_ALL))
        self.socket.setblocking(False)

    def close(self):
        self.socket.close()

    def send(self, to, source, data, partial=None, segment=0):
        """Sends an IPv4 packet; `partial` is a protocol whose checksum is left to offload, `segment` a GSO size."""
        offload = bytes(10)
        if partial:
            gso = {packet.TCP: GSO_TCPV4, packet.UDP: GSO_UDP_L4}[partial] if segment else 0
            start = 14 + (data[0] & 15) * 4
            header = start + (20 if partial == packet.TCP else 8)
            offload = struct.pack("=BBHHHH", NEEDS_CSUM, gso, header if segment else 0, segment, start,
                                  packet.CHECKSUM_AT[partial])
        frame = bytes.fromhex((to + source).replace(":", "")) + struct.pack("!H", ETH_P_IP) + data
        self.socket.send(offload + frame)

    def received(self):
        """Returns the text of every IPv4 frame that came since the last call."""
        lines = []
        while True:
            try:
                data = self.socket.recv(1 << 17)
            except BlockingIOError:
                return lines
            offload, frame = data[:10], data[10:]
            kind = struct.unpack_from("!H", frame, 12)[0]
            if kind != ETH_P_IP:
                if kind == ETH_P_ARP:
                    lines.append(f"arp from {frame[6:12].hex(':')}")
                continue
            flags, gso, _, size, _, _ = struct.unpack("=BBHHHH", offload)
            state = (" needs-checksum" if flags & NEEDS_CSUM else "") + (f" gso {gso & 0x7f} size {size}" if gso else "")
            lines.append(f"to {frame[:6].hex(':')} from {frame[6:12].hex(':')}{state} {packet.show(frame[14:])}")
