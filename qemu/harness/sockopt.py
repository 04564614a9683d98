# SPDX-License-Identifier: GPL-2.0
"""A client of the old socket options: arguments byte by byte, exact lengths, and programs of 32 bits."""
import collections
import ctypes
import dataclasses
import errno
import mmap
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
SOL_IP, FIRST, LAST_SET, LAST_GET = 0, 1152, 1167, 1159
SET = "NONE INSERT ADD EDIT DEL FLUSH LIST ADDDEST DELDEST EDITDEST TIMEOUT STARTDAEMON STOPDAEMON RESTORE SAVE ZERO".split()
GET = "VERSION INFO SERVICES SERVICE DESTS DEST TIMEOUT DAEMON".split()
# What is in a buffer before the kernel writes into it.
FILLING = b"\xaa"

Answer = collections.namedtuple("Answer", "error length data")


def error_name(number):
    return errno.errorcode.get(number, str(number)) if number else "0"


@dataclasses.dataclass
class Service:
    """A service as `struct ip_vs_service_user` has it."""

    protocol: int = 6
    address: str = "10.9.0.1"
    port: int = 80
    mark: int = 0
    scheduler: bytes = b"rr"
    flags: int = 0
    timeout: int = 0
    netmask: int = 0xFFFFFFFF


@dataclasses.dataclass
class Dest:
    """A server as `struct ip_vs_dest_user` has it."""

    address: str = "10.2.0.11"
    port: int = 80
    flags: int = 0
    weight: int = 1
    upper: int = 0
    lower: int = 0


def service(**fields):
    """Returns the 44 bytes of a service; fields: those of `Service`."""
    of = Service(**fields)
    return (struct.pack("=HxxI", of.protocol, 0)[:4] + socket.inet_aton(of.address) + struct.pack("!H", of.port) + b"\0\0"
            + struct.pack("=I16sIII", of.mark, of.scheduler, of.flags, of.timeout, of.netmask))


def dest(**fields):
    """Returns the 24 bytes of a server; fields: those of `Dest`."""
    of = Dest(**fields)
    return (socket.inet_aton(of.address) + struct.pack("!H", of.port) + b"\0\0"
            + struct.pack("=IIII", of.flags, of.weight & 0xFFFFFFFF, of.upper, of.lower))


def daemon(state=1, interface=b"lo", sync_id=0):
    return struct.pack("=I16sI", state, interface, sync_id)


def timeouts(tcp, fin, udp):
    return struct.pack("=III", *[value & 0xFFFFFFFF for value in (tcp, fin, udp)])


def dests_question(count, **key):
    """Returns the 24 bytes before the servers of a list."""
    return service(**key)[:16] + struct.pack("=II", count, 0)


class Client:
    """A socket whose options are used, of the namespace the caller is in."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def close(self):
        self.socket.close()

    def set(self, option, data=b"", length=None, pointer=None):
        """Sets an option; the length may lie, the pointer may be bad."""
        room = ctypes.create_string_buffer(data, max(len(data), 1))
        length = len(data) if length is None else length
        place = room if pointer is None else ctypes.c_void_p(pointer)
        failed = LIBC.setsockopt(self.socket.fileno(), SOL_IP, option, place, ctypes.c_uint(length & 0xFFFFFFFF))
        return ctypes.get_errno() if failed else 0

    def get(self, option, question=b"", length=None, pointer=None):
        """Reads an option into a buffer that begins with the question and has a known filling."""
        length = len(question) if length is None else length
        size = max(length, len(question), 0) + 16
        room = ctypes.create_string_buffer(question + FILLING * (size - len(question)), size)
        place = room if pointer is None else ctypes.c_void_p(pointer)
        told = ctypes.c_int(length)
        failed = LIBC.getsockopt(self.socket.fileno(), SOL_IP, option, place, ctypes.byref(told))
        return Answer(ctypes.get_errno() if failed else 0, told.value, room.raw)


def read_only(data):
    """Returns memory that can be read only, and its address."""
    file = tempfile.TemporaryFile()
    file.write(data.ljust(mmap.PAGESIZE, b"\0"))
    file.flush()
    LIBC.mmap.restype = ctypes.c_void_p
    address = LIBC.mmap(None, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), ctypes.c_long(0))
    return file, address


def shown(data):
    """Returns bytes as words of four in hexadecimal, without the filling at the end."""
    text = data.rstrip(FILLING).hex()
    return " ".join(text[at:at + 8] for at in range(0, len(text), 8)) + f" and {len(data) - len(data.rstrip(FILLING))} untouched"


# --- a program of 32 bits ---

ORIGIN, HEADERS = 0x08048000, 52 + 32


def program(call, option, data, length):
    """Returns an i386 program that uses one option: 365 reads it, 366 sets it. It prints the result, the length and the buffer."""
    def code(result):
        told, room = result + 4, result + 8
        words = lambda opcode, *values: b"".join(struct.pack("<BI", one, value & 0xFFFFFFFF) for one, value in zip(opcode, values))
        kernel = b"\xcd\x80"
        return (words(b"\xb8\xbb\xb9\xba", 359, socket.AF_INET, socket.SOCK_DGRAM, 0) + kernel + b"\x89\xc3"
                + words(b"\xb9\xba\xbe\xbf\xb8", SOL_IP, option, room, told if call == 365 else length, call) + kernel
                + words(b"\xa3", result) + words(b"\xb8\xbb\xb9\xba", 4, 1, result, 8 + len(data)) + kernel
                + words(b"\xb8\xbb", 1, 0) + kernel)
    result = ORIGIN + HEADERS + len(code(0))
    body = code(result) + struct.pack("<ii", -1, length) + data
    size = HEADERS + len(body)
    header = b"\x7fELF\1\1\1".ljust(16, b"\0") + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, ORIGIN + HEADERS, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    return header + struct.pack("<8I", 1, 0, ORIGIN, ORIGIN, size, size, 7, 4096) + body


def by_32_bits(call, option, data, length=None):
    """Runs such a program; returns what came of it, or None where the kernel runs none."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(program(call, option, data, len(data) if length is None else length))
    os.chmod(file.name, 0o755)
    try:
        output = subprocess.run([file.name], stdout=subprocess.PIPE, check=True).stdout
    except OSError:
        return None
    finally:
        os.unlink(file.name)
    result, told = struct.unpack_from("<ii", output)
    return Answer(-result, told, output[8:])


def main():
    """What a container does that has a user namespace of its own."""
    client = Client()
    say = lambda title, value: print(f"{title}: {value}")
    say("add", error_name(client.set(1154, service())))
    say("add server before there is a way to it", error_name(client.set(1159, service() + dest())))
    subprocess.run("ip link set lo up", shell=True, check=True)
    say("add server", error_name(client.set(1159, service() + dest())))
    say("timeouts", error_name(client.set(1162, timeouts(900, 120, 300))))
    answer = client.get(1153, length=12)
    say("info", f"{error_name(answer.error)} {shown(answer.data)}")
    answer = client.get(1154, struct.pack("=II", 1, 0), 8 + 104)
    say("services", f"{error_name(answer.error)} {shown(answer.data)}")
    print(open("/proc/thread-self/net/ip_vs").read())
    for option in range(FIRST - 1, LAST_GET + 2):
        answer = client.get(option, service() + bytes(60))
        say(f"get {option}", f"{error_name(answer.error)} {answer.length}")
    for option in range(FIRST - 1, LAST_SET + 2):
        say(f"set {option}", error_name(client.set(option, service() + dest())))
    setting = pathlib.Path("/proc/sys/net/ipv4/vs/conntrack")
    setting.write_text("1\n")
    say("conntrack", setting.read_text())


if __name__ == "__main__":
    sys.exit(main())
