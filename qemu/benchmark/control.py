# SPDX-License-Identifier: GPL-2.0
"""What control costs: ipvsadm as a user runs it, and the kernel's side of the same requests over raw netlink."""
import statistics
import time

import genl
import sender
import testbed
import topology
from rows import CHANGES

SIZES = (100, 1000, 10000)
SERVERS = 10
SETTLE = 2
# One more service has so many servers.
LARGE = 1000
# Of so many servers one after the other is changed: another weight, and back, removed, added again.
ROUNDS = 9
REQUESTS = 4 * ROUNDS
# All weigh the same, or from 1 to as much as this.
MIXED, HEAVIEST = ", mixed weights", 10


def address(number):
    """Returns the virtual address of a service."""
    return f"10.64.{number >> 8}.{number & 255}"


def size(number, count):
    """Returns how many servers a service has; the last one is the large one."""
    return LARGE if number == count else SERVERS


def commands(count):
    """Returns what `ipvsadm -R` reads: services and their servers."""
    lines = []
    for number in range(count + 1):
        lines.append(f"-A -t {address(number)}:80 -s wlc")
        lines += [f"-a -t {address(number)}:80 -r {testbed.server(4, server)}:80 -g -w 1" for server in range(size(number, count))]
    return "\n".join(lines) + "\n"


def whole(bed, words, stdin=None):
    """Returns the instructions of a command from start to end, user space included, with a start of ip and ipvsadm in it."""
    # What earlier commands left to be done later is done by then.
    time.sleep(SETTLE)
    begun = time.clock_gettime_ns(sender.CLOCK)
    topology.must(["ip", "netns", "exec", bed.name, *words], stdin=stdin)
    return time.clock_gettime_ns(sender.CLOCK) - begun


def service(number, scheduler="wlc"):
    return genl.service(ADDR=genl.address(address(number)), SCHED_NAME=scheduler.encode() + b"\0")


def dest(number, weight=1):
    return genl.dest(ADDR=genl.address(testbed.server(4, number)), FWD_METHOD=genl.u32(3), WEIGHT=genl.u32(weight))


class Clocked:
    """A netlink socket whose calls are timed, without what Python adds to each."""

    def __init__(self, inner):
        self.inner, self.spent, self.python = inner, 0, 0
        self.python = statistics.median(self.timed(abs, 1)[1] for _ in range(33))

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def timed(self, call, argument):
        begun = time.clock_gettime_ns(sender.CLOCK)
        result = call(argument)
        spent = time.clock_gettime_ns(sender.CLOCK) - begun - self.python
        self.spent += spent
        return result, spent

    def send(self, data):
        return self.timed(self.inner.send, data)[0]

    def recv(self, size):
        return self.timed(self.inner.recv, size)[0]


def client(bed):
    """Returns a netlink client of a director whose calls are counted."""
    with topology.inside(bed.name):
        made = genl.Client()
    made.socket = Clocked(made.socket)
    return made


def request(made, command, *payload, dump=False):
    """Makes a request that has to succeed; returns the instructions of its system calls and the answer."""
    made.socket.spent = 0
    answer = made.dump(command, b"".join(payload)) if dump else made.request(command, b"".join(payload))
    if answer.error:
        raise RuntimeError(f"{genl.command_name(command)}: {genl.error_name(answer.error)} {answer.extack}")
    return made.socket.spent, answer


def kernel_side(bed, count):
    """Returns the kernel's part: everything added one by one, everything listed, one server added to a small and to the large service."""
    made = client(bed)
    added = 0
    for number in range(count + 1):
        added += request(made, genl.NEW_SERVICE, service(number))[0]
        added += sum(request(made, genl.NEW_DEST, service(number), dest(server))[0] for server in range(size(number, count)))
    listed, answer = request(made, genl.GET_SERVICE, dump=True)
    if len(answer.messages) != count + 1:
        raise RuntimeError(f"{len(answer.messages)} of {count + 1} services were listed")
    for number in range(count + 1):
        listed += request(made, genl.GET_DEST, service(number), dump=True)[0]

    def one_more(number):
        return statistics.median(request(made, genl.NEW_DEST, service(number), dest(size(number, count) + server))[0] for server in range(9))

    small, large = one_more(count // 2), one_more(count)
    flushed = request(made, genl.FLUSH)[0]
    made.close()
    return {"kernel restore": added, "kernel list": listed, "kernel one server": small, "kernel one server of many": large, "kernel flush": flushed}


def change_one(bed, scheduler, many, around=lambda begins: None):
    """Returns the kernel's part of changing one of many servers: another weight, removed, added."""
    made, named = client(bed), service(0, scheduler.removesuffix(MIXED))
    heaviest = HEAVIEST if scheduler.endswith(MIXED) else 1

    def change(command, number, more=0):
        return request(made, command, named, dest(number, 1 + number % heaviest + more))[0]

    request(made, genl.NEW_SERVICE, named)
    for number in range(many):
        change(genl.NEW_DEST, number)

    def each(command, heavier=(0,)):
        changed = range(many // 2, many // 2 + ROUNDS)
        return statistics.median(change(command, number, more) for number in changed for more in heavier)

    around(True)
    figures = {"weight": each(genl.SET_DEST, (1, 0)), "removed": each(genl.DEL_DEST), "added": each(genl.NEW_DEST)}
    around(False)
    request(made, genl.FLUSH)
    made.close()
    return figures


def changes(module):
    """Yields a row for each scheduler."""
    for scheduler, many in CHANGES.values():
        bed = testbed.Testbed()
        try:
            yield {"subject": module, "scheduler": scheduler, "servers": many, **change_one(bed, scheduler, many)}
        except RuntimeError as error:
            yield {"subject": module, "scheduler": scheduler, "servers": many, "failed": str(error)}
        finally:
            bed.close()


def rows(module):
    """Yields the rows of each size."""
    for count in SIZES:
        bed = testbed.Testbed()
        try:
            figures = kernel_side(bed, count)
            lines = commands(count)
            figures["ipvsadm -R"] = whole(bed, ["ipvsadm", "-R"], lines)
            figures["ipvsadm -S -n"] = whole(bed, ["ipvsadm", "-S", "-n"])
            figures["ipvsadm -Ln"] = whole(bed, ["ipvsadm", "-Ln"])
            figures["ipvsadm -Ln --stats"] = whole(bed, ["ipvsadm", "-Ln", "--stats"])
            yield {"subject": module, "services": count, **figures}
        except RuntimeError as error:
            yield {"subject": module, "services": count, "failed": str(error)}
        finally:
            bed.close()
