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


class Filler:
    """Connection number n is that of one client address and port."""

    def __init__(self, bed, mac=testbed.TAP):
        self.bed, self.mac, self.address = bed, mac, -1
        self.sent = packets.Packets(4, "UDP", testbed.VIP[4], mac)
        # As many different frames as a batch has, so that each has a buffer of its own.
        self.batch = sender.Batch(bed.sender.tap, self.sent.fresh(range(1, sender.BATCH + 1)))
        addresses = [struct.unpack_from("=Q", self.batch.blocks, 64 * number + 24)[0] for number in range(sender.BATCH)]
        size = self.batch.lengths[0]
        self.buffers = [(ctypes.c_char * size).from_address(address) for address in addresses]

    def frame(self, number):
        """Returns the frame of one connection, without a UDP checksum."""
        high, low = divmod(number, PORTS)
        data = bytearray(self.sent.fresh([FIRST + low], source=f"10.1.{10 + high}.1")[0])
        data[40:42] = b"\0\0"
        return bytes(data)

    def turn(self, high):
        """Lets all frames come from another client address."""
        data = self.frame(high * PORTS)
        for buffer in self.buffers:
            buffer[:] = data
        self.address = high

    def fill(self, first, last):
        """Makes connections from one number up to another; returns how many instructions that took in all."""
        pack, begun, number = struct.pack_into, time.clock_gettime_ns(sender.CLOCK), first
        while number < last:
            high, low = divmod(number, PORTS)
            if high != self.address:
                self.turn(high)
            count = min(sender.BATCH, last - number, PORTS - low)
            for index in range(count):
                pack("!H", self.buffers[index], 34, FIRST + low + index)
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
