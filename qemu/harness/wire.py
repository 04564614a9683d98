# SPDX-License-Identifier: GPL-2.0
"""Raw ends of wires: sends frames byte by byte and captures every frame with its offload state.

No frame is lost silently: what is no IP packet is captured as its type and bytes, and an end that the kernel could not
give all frames to, or not all of a frame, raises `Lost`, which fails the case. An end leaves out only what its
`ignore` names, in the words of `packet.noise`.
"""
import dataclasses
import socket
import struct

import packet
import topology

SOL_PACKET, PACKET_STATISTICS, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 263, 6, 15, 23, 33
NEEDS_CSUM, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 = 1, 1, 4, 5
ETH_P_ALL = 3
# The longest frame that is received whole, and how many bytes of frames may wait.
LONGEST, WAITING = 1 << 17, 4 << 20
# What is received lands here first: new memory of that size would cost more than the packet.
BUFFER = memoryview(bytearray(LONGEST))
# As a plain number, which is tested ten times as fast.
TRUNCATED = int(socket.MSG_TRUNC)


class Lost(Exception):
    """Frames came that could not be captured."""


@dataclasses.dataclass
class Capture:
    """What an end captures: also what its own side sends, all but some noise, so many waiting bytes, or nothing."""

    outgoing: bool = False
    ignore: tuple = ()
    waiting: int = WAITING
    captures: bool = True


class End:
    """One interface of one namespace: what is put on it, what comes out of it."""

    def __init__(self, name, device, **capture):
        capture = Capture(**capture)
        self.name, self.device, self.ignore = name, device, capture.ignore
        # Without a protocol nothing arrives before the socket is bound to its device.
        with topology.inside(name):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        if not capture.outgoing:
            self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, capture.waiting)
        self.socket.bind((device, ETH_P_ALL if capture.captures else 0))
        self.socket.setblocking(False)

    def close(self):
        """Closes the end; raises `Lost` if frames were lost since it was last read."""
        try:
            self.check()
        finally:
            self.socket.close()

    def check(self):
        """Raises `Lost` if frames found no room since the last call."""
        _, lost = struct.unpack("=II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        if lost:
            raise Lost(f"{lost} frames at {self.device} of {self.name} found no room to wait in")

    def send(self, to, source, data, **left):
        """Sends an IP packet; left: what is left to offload, see `state_of`."""
        self.send_frame(packet.ether(to, source, data), state_of(data, **left) if left else bytes(10))

    def send_frame(self, frame, state=bytes(10)):
        """Sends a frame as it is, with its offload state."""
        self.socket.send(state + frame)

    def frames(self):
        """Returns (offload state, frame) of everything that came since the last call."""
        found = []
        while True:
            try:
                size, _, flags, _ = self.socket.recvmsg_into([BUFFER])
            except BlockingIOError:
                self.check()
                return found
            if flags & TRUNCATED:
                raise Lost(f"a frame at {self.device} of {self.name} is longer than {LONGEST} bytes")
            frame = BUFFER[10:size].tobytes()
            if packet.noise(frame) not in self.ignore:
                found.append((BUFFER[:10].tobytes(), frame))

    def received(self):
        """Returns the text of every frame that came since the last call."""
        return [show(state, frame) for state, frame in self.frames()]


def state_of(data, partial=None, segment=0, linear=0):
    """Returns the offload state of an IP packet: `partial` is a protocol whose checksum is left to do, `segment` a GSO size.

    linear: so many bytes of a frame that is longer than a page lie before its pages; 0 if all do.
    """
    state = offload(data, partial, segment) if partial else bytes(10)
    return state[:2] + struct.pack("=H", linear) + state[4:] if linear else state


def offload(data, protocol, segment):
    """Returns the offload state of an IP packet whose checksum is left to do, and which is to be cut into segments."""
    six = data[0] >> 4 == 6
    gso = {packet.TCP: GSO_TCPV6 if six else GSO_TCPV4, packet.UDP: GSO_UDP_L4}[protocol] if segment else 0
    start = 14 + (40 if six else (data[0] & 15) * 4)
    header = start + (20 if protocol == packet.TCP else 8)
    return struct.pack("=BBHHHH", NEEDS_CSUM, gso, header if segment else 0, segment, start, packet.CHECKSUM_AT[protocol])


def show(state, frame):
    """Returns the text of one frame with its offload state."""
    if packet.noise(frame) == "arp":
        return f"arp from {frame[6:12].hex(':')}"
    flags, gso, _, size, _, _ = struct.unpack("=BBHHHH", state)
    left = (" needs-checksum" if flags & NEEDS_CSUM else "") + (f" gso {gso & 0x7f} size {size}" if gso else "")
    return f"to {frame[:6].hex(':')} from {frame[6:12].hex(':')}{left} {packet.show_frame(frame)}"
