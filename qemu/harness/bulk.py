# SPDX-License-Identifier: GPL-2.0
"""Many frames with few system calls: they lie side by side in memory and go and come with sendmmsg and recvmmsg."""
import ctypes
import os
import socket
import struct

STRIDE, ROOM = 64, 256
LIBC = ctypes.CDLL(None, use_errno=True)


class Frames:
    """Room for frames of one length side by side, and the vectors that tell the kernel about it."""

    def __init__(self, number, length, room=ROOM):
        self.number, self.room, self.data = number, room, bytearray(STRIDE * room)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        self.pieces = ctypes.create_string_buffer(b"".join(struct.pack("=QQ", start + STRIDE * at, length) for at in range(room)))
        pieces = ctypes.addressof(self.pieces)
        self.vector = ctypes.create_string_buffer(
            b"".join(struct.pack("=QQQQQQQQ", 0, 0, pieces + 16 * at, 1, 0, 0, 0, 0) for at in range(room)))

    def put(self, frames):
        """Puts frames into their places."""
        for at, frame in enumerate(frames):
            self.data[STRIDE * at:STRIDE * at + len(frame)] = frame

    def column(self, at, count):
        """Returns one byte of each of the first frames."""
        return self.data[at:STRIDE * count:STRIDE]

    def send(self, count):
        """Sends the first frames."""
        sent = 0
        while sent < count:
            done = LIBC.sendmmsg(self.number, ctypes.byref(self.vector, 64 * sent), count - sent, 0)
            if done < 0:
                raise OSError(ctypes.get_errno(), "sendmmsg: " + os.strerror(ctypes.get_errno()))
            sent += done

    def receive(self):
        """Receives what is there, up to the room, and returns how many frames came."""
        return max(0, LIBC.recvmmsg(self.number, self.vector, self.room, socket.MSG_DONTWAIT, None))
