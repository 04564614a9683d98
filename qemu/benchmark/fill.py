# SPDX-License-Identifier: GPL-2.0
"""Makes many connections quickly: one batch of UDP frames whose ports and addresses are changed in place."""
import ctypes
import struct
import time

import packets
import sender
import testbed

PORTS = 60000
FIRST = 2048


# Where the fields are that are changed, in bytes after the beginning of a frame: the source port, the checksum of UDP, and
# the last two bytes of the source address.
PORT = {4: 34, 6: 54}
CHECKSUM = {4: 40, 6: 60}
ADDRESS = {4: 28, 6: 36}
IP_CHECKSUM = 24


class Filler:
    """Connection number n is that of one client address and port; with `clients`, of address n and one port."""

    def __init__(self, bed, mac=testbed.TAP, family=4, clients=False):
        self.bed, self.mac, self.family, self.clients, self.address = bed, mac, family, clients, -1
        self.sent = packets.Packets(family, "UDP", testbed.VIP[family], mac)
        # As many different frames as a batch has, so that each has a buffer of its own.
        self.batch = sender.Batch(bed.sender.tap, self.sent.fresh(range(1, sender.BATCH + 1)))
        addresses = [struct.unpack_from("=Q", self.batch.blocks, 64 * number + 24)[0] for number in range(sender.BATCH)]
        size = self.batch.lengths[0]
        self.buffers = [(ctypes.c_char * size).from_address(address) for address in addresses]

    def frame(self, number):
        """Returns the frame of one connection; of IPv4 without a checksum of UDP."""
        high, low = divmod(number, PORTS)
        source = f"10.1.{10 + high}.1" if self.family == 4 else f"fd01::{10 + high:x}:1"
        data = bytearray(self.sent.fresh([FIRST if self.clients else FIRST + low], source=source)[0])
        if self.family == 4:
            data[CHECKSUM[4]:CHECKSUM[4] + 2] = b"\0\0"
        return bytes(data)

    def turn(self, high):
        """Lets all frames come from another client address."""
        data = self.frame(high * PORTS)
        for buffer in self.buffers:
            buffer[:] = data
        self.address = high
        # What the last two bytes of the address and the checksum of IPv4 add up to.
        self.total = sum(struct.unpack_from("!H", data, place)[0] for place in (ADDRESS[4], IP_CHECKSUM))

    def change(self, buffer, low):
        """Makes the frame of a connection of that of another one from the same address, or the same part of the network."""
        if not self.clients:
            return struct.pack_into("!H", buffer, PORT[self.family], FIRST + low)
        struct.pack_into("!H", buffer, ADDRESS[self.family], low)
        if self.family == 4:
            struct.pack_into("!H", buffer, IP_CHECKSUM, (self.total - low) % 0xffff)
        return None

    def fill(self, first, last):
        """Makes connections from one number up to another; returns how many instructions that took in all."""
        begun, number = time.clock_gettime_ns(sender.CLOCK), first
        while number < last:
            high, low = divmod(number, PORTS)
            if high != self.address:
                self.turn(high)
            count = min(sender.BATCH, last - number, PORTS - low)
            for index in range(count):
                self.change(self.buffers[index], low + index)
            self.bed.sender.quickly(self.batch, count)
            number += count
        return time.clock_gettime_ns(sender.CLOCK) - begun

    def spread(self, count, batches):
        """Returns batches of frames of connections from all over the first `count`."""
        total = batches * sender.BATCH
        picked = [self.frame(number * count // total) for number in range(total)]
        # A stride without a common divisor with the number, so that neighbours in time are no neighbours in the table.
        mixed = [picked[number * 61 % total] for number in range(total)]
        return [mixed[at:at + sender.BATCH] for at in range(0, total, sender.BATCH)]
