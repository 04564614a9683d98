# SPDX-License-Identifier: GPL-2.0
"""A program that nftables' `queue` hands packets to: it sees where each one waits and decides about it."""
import socket
import struct

import genl

NETLINK_NETFILTER, SUBSYSTEM, MSG_VERDICT, MSG_CONFIG = 12, 3 << 8, 1, 2
CFG_COMMAND, CFG_PARAMETERS, COMMAND_BIND, COPY_META = 1, 2, 1, 1
PACKET_HEADER, VERDICT_HEADER = 1, 2
DROP, ACCEPT = 0, 1
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")


class Queue:
    """One queue of the namespace it was made in."""

    def __init__(self, number):
        self.number = number
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.bind((0, 0))
        self.socket.settimeout(5)
        self.ask(MSG_CONFIG, genl.attribute(CFG_COMMAND, struct.pack("!BBH", COMMAND_BIND, 0, 0)))
        self.ask(MSG_CONFIG, genl.attribute(CFG_PARAMETERS, struct.pack("!IB", 0, COPY_META)))

    def tell(self, kind, payload, flags=genl.F_REQUEST):
        """Sends a message about the queue."""
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, self.number) + payload
        self.socket.send(struct.pack("=IHHII", 16 + len(body), SUBSYSTEM | kind, flags, 0, 0) + body)

    def ask(self, kind, payload):
        """Sends a message and reads that it was understood."""
        self.tell(kind, payload, genl.F_REQUEST | genl.F_ACK)
        code = struct.unpack_from("=i", self.socket.recv(8192), 16)[0]
        if code:
            raise OSError(-code, "nfnetlink_queue")

    def take(self):
        """Waits for a packet; returns its number and the name of the hook where it was stopped."""
        data = self.socket.recv(8192)
        for at, length, kind in attributes(data, 20):
            if kind == PACKET_HEADER:
                number, _, hook = struct.unpack_from("!IHB", data, at)
                return number, HOOKS[hook]
        raise ValueError("a packet without a header")

    def decide(self, number, verdict):
        """Lets a packet go on or drops it."""
        self.tell(MSG_VERDICT, genl.attribute(VERDICT_HEADER, struct.pack("!II", verdict, number)))

    def close(self):
        self.socket.close()


def attributes(data, at):
    """Yields (start, length, kind) of the attributes from an offset on."""
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield at + 4, length - 4, kind & 0x3FFF
        at += (length + 3) & ~3
