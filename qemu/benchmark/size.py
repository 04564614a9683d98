# SPDX-License-Identifier: GPL-2.0
"""What connections, services and servers take in memory, and what many connections cost to list and to end."""
import itertools
import mmap
import os
import pathlib
import time

import control
import fill
import sender
import testbed
import topology

CONNECTIONS = 100000
CLIENTS = 50000
MANY = 2000000
SERVICES = 10000
TRACE = pathlib.Path("/sys/kernel/tracing")


def memory():
    """Returns the bytes in use that are not in a cache, once they stay the same: what is gone is given back in the background."""
    before, found = None, in_use()
    while found != before:
        before, found = found, in_use()
    return found


def in_use():
    for _ in range(2):
        os.sync()
        for shrink in pathlib.Path("/sys/kernel/slab").glob("*/shrink"):
            shrink.write_text("1")
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        time.sleep(1)
    found = {line.split(":")[0]: int(line.split()[1]) for line in open("/proc/meminfo")}
    # Pages that a CPU keeps for itself are free, but not among `MemFree`.
    kept = sum(int(line.split()[1]) for line in open("/proc/zoneinfo") if line.split()[0] == "count:")
    return 1024 * (found["MemTotal"] - found["MemFree"] - found["Cached"] - found["Buffers"]) - kept * mmap.PAGESIZE


def held(subject, what, count, before):
    return {"subject": subject, "what": what, "count": count, "bytes": round((memory() - before) / count)}


def memory_rows(module):
    """Yields what services, servers and connections take, in a boot of the module's own: what another left would be in it."""
    bed = testbed.Testbed()
    try:
        bed.restore(["-A -t 10.63.0.1:80 -s wlc"])
        before = memory()
        bed.restore([f"-A -t {control.address(number)}:80 -s wlc" for number in range(SERVICES)])
        yield held(module, "service", SERVICES, before)
        before = memory()
        bed.restore([f"-a -t {control.address(number)}:80 -r 10.2.0.11:80 -g -w 1" for number in range(SERVICES)])
        yield held(module, "server", SERVICES, before)
    finally:
        bed.close()
    for family, method in itertools.product((4, 6), testbed.METHODS):
        bed = testbed.Testbed()
        try:
            bed.serve(family, "UDP", method)
            filler = fill.Filler(bed, family=family)
            filler.fill(0, 1000)
            before = memory()
            filler.fill(1000, 1000 + CONNECTIONS)
            yield held(module, f"connection, IPv{family} {method}", CONNECTIONS, before)
        finally:
            bed.close()
    for family in (4, 6):
        bed = testbed.Testbed()
        try:
            bed.serve(family, "UDP", "DR", scheduler="rr -p 1000")
            filler = fill.Filler(bed, family=family, clients=True)
            filler.fill(0, 1000)
            before = memory()
            filler.fill(1000, 1000 + CLIENTS)
            yield held(module, f"client of a persistent service (template and connection), IPv{family}", CLIENTS, before)
        finally:
            bed.close()


def connections(module):
    """Yields what a line of a connection costs, and the longest stretches with softirqs off when many connections end."""
    for what, more in (("", ""), (" (persistent)", " -p 60")):
        bed = testbed.Testbed()
        try:
            bed.serve(4, "UDP", "DR", scheduler="rr" + more)
            filler = fill.Filler(bed)
            filler.fill(0, CONNECTIONS)
            if not more:
                yield {"subject": module, "what": "line of ip_vs_conn", **listing(bed, "ip_vs_conn")}
            yield {"subject": module, "what": "expiry" + what, **stretch(lambda: end(bed))}
            filler.fill(0, CONNECTIONS)
            yield {"subject": module, "what": "service deleted" + what, **stretch(lambda: delete(bed))}
        finally:
            bed.close()


def many(module):
    """Yields what two million connections in one director cost, each, to make, to list and to end."""
    bed = testbed.Testbed()
    try:
        bed.serve(4, "UDP", "DR")
        filler = fill.Filler(bed)
        yield {"subject": module, "what": "new connection, of 2,000,000", "each": round(filler.fill(0, MANY) / MANY)}
        found = listing(bed, "ip_vs_conn")
        if found["count"] <= MANY:
            raise RuntimeError(f"{found['count']} of {MANY} connections are listed")
        yield {"subject": module, "what": "line of ip_vs_conn, of 2,000,000", "each": found["instructions"]}
        end(bed)
        yield {"subject": module, "what": "connections left of 2,000,000", "left": lines(bed) - 1}
    finally:
        bed.close()


def end(bed):
    """Waits until connections of UDP have ended, and says if they have not."""
    time.sleep(400)
    left = lines(bed)
    if left > 10:
        raise RuntimeError(f"{left} connections are left")


def delete(bed):
    """Deletes the service and waits until its connections are gone, as far as they go."""
    bed.control(f"-D -u {testbed.VIP[4]}:80")
    time.sleep(330)


def listing(bed, name):
    """Returns what one line of a file below /proc/net costs."""
    with topology.inside(bed.name):
        file = os.open(f"/proc/thread-self/net/{name}", os.O_RDONLY)
    count, begun = 0, time.clock_gettime_ns(sender.CLOCK)
    while True:
        data = os.read(file, 1 << 16)
        if not data:
            break
        count += data.count(b"\n")
    spent = time.clock_gettime_ns(sender.CLOCK) - begun
    os.close(file)
    return {"count": count, "instructions": round(spent / count)}


def lines(bed):
    with topology.inside(bed.name), open("/proc/thread-self/net/ip_vs_conn") as file:
        return sum(1 for _ in file)


# The last one first: what is raised is then seen to run.
EVENTS = ("irq/softirq_exit", "irq/softirq_entry", "irq/softirq_raise")


def stretch(action):
    """Runs an action; returns the longest run of softirqs and the longest wait of the timer softirq, in instructions.

    A timer softirq is raised by each timer tick and runs at once unless softirqs are off: its wait tells, up to a tick,
    how long they were.
    """
    if not (TRACE / "trace").exists():
        topology.must(["mount", "-t", "tracefs", "tracefs", str(TRACE)])
    (TRACE / "trace_clock").write_text("mono_raw")
    (TRACE / "buffer_size_kb").write_text("65536")
    (TRACE / "trace").write_text("")
    for event in EVENTS:
        (TRACE / "events" / event / "enable").write_text("1")
    try:
        action()
    finally:
        for event in EVENTS:
            (TRACE / "events" / event / "enable").write_text("0")
    with open(TRACE / "trace") as file:
        return longest(file)


def longest(trace):
    """Returns the longest run and the longest wait of a trace, in nanoseconds, which are instructions."""
    entered, raised, run, wait = None, {}, 0, 0
    for line in trace:
        words = line.split()
        if line.startswith("#") or len(words) < 6:
            continue
        event = next((number for number, word in enumerate(words) if word.startswith("softirq_")), None)
        if event is None:
            continue
        now, kind, vector = round(float(words[event - 1].rstrip(":")) * 1e6) * 1000, words[event], words[event + 1]
        if kind == "softirq_raise:":
            raised.setdefault(vector, now)
        elif kind == "softirq_entry:":
            entered = now
            if vector == "vec=1" and vector in raised:
                wait = max(wait, now - raised[vector])
            raised.pop(vector, None)
        elif entered is not None:
            run, entered = max(run, now - entered), None
    return {"run": run, "wait": wait}
