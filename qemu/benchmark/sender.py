# SPDX-License-Identifier: GPL-2.0
"""Puts prepared frames into the director through a tap device, many in one system call, and reads the clock around it.

Under instruction counting the clock is the number of instructions. A frame written to a tap runs through the whole
stack before its write ends, in a buffer with the head room that a network card's driver leaves. What the write itself
costs is the same for all frames of a kind, and the harness row (the same frame with a foreign MAC) measures it.
"""
import ctypes
import fcntl
import gc
import os
import statistics
import struct
import time

import topology

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
# Of x86_64, and of the machines that came later.
IO_SETUP, IO_DESTROY, IO_GETEVENTS, IO_SUBMIT = (206, 207, 208, 209) if os.uname().machine == "x86_64" else (0, 1, 4, 2)
PWRITE = 1
BATCH = 64
CLOCK = time.CLOCK_MONOTONIC_RAW
LIBRARY = ctypes.CDLL(None, use_errno=True)


def syscall(number, *arguments):
    """Makes a system call that Python has no name for."""
    result = LIBRARY.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Batch:
    """Frames that go out in one system call."""

    def __init__(self, tap, frames):
        self.count = len(frames)
        self.buffers = {frame: ctypes.create_string_buffer(frame, len(frame)) for frame in set(frames)}
        blocks = b"".join(struct.pack("=QIIHhIQQqQII", 0, 0, 0, PWRITE, 0, tap, ctypes.addressof(self.buffers[frame]),
                                      len(frame), 0, 0, 0, 0) for frame in frames)
        self.blocks = ctypes.create_string_buffer(blocks, len(blocks))
        start = ctypes.addressof(self.blocks)
        self.pointers = (ctypes.c_uint64 * self.count)(*(start + 64 * number for number in range(self.count)))
        self.lengths = [len(frame) for frame in frames]


class Sender:
    """The tap of a namespace."""

    def __init__(self, where, device="wire"):
        with topology.inside(where):
            self.tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TAP | IFF_NO_PI))
        self.context = ctypes.c_ulong(0)
        syscall(IO_SETUP, ctypes.c_long(4 * BATCH), ctypes.byref(self.context))
        self.events = ctypes.create_string_buffer(32 * BATCH)

    def close(self):
        syscall(IO_DESTROY, self.context)
        os.close(self.tap)

    def submit(self, batch):
        """Sends one batch and returns how long it took."""
        arguments = ctypes.c_long(IO_SUBMIT), self.context, ctypes.c_long(batch.count), batch.pointers
        call, clock = LIBRARY.syscall, time.clock_gettime_ns
        before = clock(CLOCK)
        done = call(*arguments)
        after = clock(CLOCK)
        self.check(batch, done)
        return after - before

    def check(self, batch, done):
        """Makes sure that every frame of a batch was taken."""
        if done != batch.count:
            raise RuntimeError(f"only {done} of {batch.count} frames were taken")
        syscall(IO_GETEVENTS, self.context, ctypes.c_long(done), ctypes.c_long(done), self.events, None)
        results = [struct.unpack_from("=q", self.events, 32 * number + 16)[0] for number in range(done)]
        if sorted(results) != sorted(batch.lengths):
            raise RuntimeError(f"a tap refuses frames: {results}")

    def quickly(self, batch, count):
        """Sends the first frames of a batch and makes sure only of their number."""
        if LIBRARY.syscall(ctypes.c_long(IO_SUBMIT), self.context, ctypes.c_long(count), batch.pointers) != count:
            raise RuntimeError("frames were not taken")
        LIBRARY.syscall(ctypes.c_long(IO_GETEVENTS), self.context, ctypes.c_long(count), ctypes.c_long(count), self.events, None)

    def pump(self, batches, rounds):
        """Sends batches round after round; returns the instructions of all, timer ticks included."""
        gc.collect()
        gc.disable()
        begun = time.clock_gettime_ns(CLOCK)
        for _ in range(rounds):
            for batch in batches:
                self.quickly(batch, batch.count)
        spent = time.clock_gettime_ns(CLOCK) - begun
        gc.enable()
        return spent

    def send(self, *frames):
        """Sends frames that are not measured."""
        for frame in frames:
            os.write(self.tap, frame)

    def drain(self):
        """Throws away what left through the tap."""
        while True:
            try:
                os.read(self.tap, 65536)
            except BlockingIOError:
                return

    def measure(self, batches, around=None):
        """Sends batches of frames; returns the instructions per packet of each batch. The first only warms up."""
        ready = [Batch(self.tap, frames) for frames in batches]
        gc.collect()
        gc.disable()
        try:
            self.submit(ready[0])
            if around:
                return [self.framed(batch, around) for batch in ready[1:]]
            return [self.submit(batch) / batch.count for batch in ready[1:]]
        finally:
            gc.enable()

    def framed(self, batch, around):
        """Sends one batch between two marks."""
        around(True)
        spent = self.submit(batch)
        around(False)
        return spent / batch.count


def alternately(*sides):
    """Sends batches of several senders in turns; yields the costs of a packet on each side, but for the first batches."""
    ready = [[Batch(sender.tap, frames) for frames in batches] for sender, batches in sides]
    senders = [sender for sender, _ in sides]
    gc.collect()
    gc.disable()
    try:
        turns = [[sender.submit(batch) / batch.count for sender, batch in zip(senders, turn)] for turn in zip(*ready)]
    finally:
        gc.enable()
    return turns[1:]


def summary(costs):
    """Returns the figures of a row: the median is free of timer ticks that fall into some batches."""
    return {"median": round(statistics.median(costs), 1), "mean": round(statistics.fmean(costs), 1), "most": round(max(costs), 1)}
