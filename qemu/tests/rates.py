# SPDX-License-Identifier: GPL-2.0
"""Rates while four CPUs send: each is the average that the counters' own steps give, and the parts add up to the whole.

Nothing here depends on the speed of the machine. All rates stay what they are to the end of a period of two seconds, and
what they are then follows from what the counters were at the ends of the periods before. A counter that moves while a period
ends is known to lie between two readings, and so is the average; in a burst that ends before the period does, it is known exactly.
"""
import collections
import contextlib
import functools
import os
import struct
import time

import bulk
import genl
import packet
import topology
from cases import case
from smp import CPUS, exit_codes, frames, lanes, on_cpu, open_lane, SERVICE
from loading import modprobe

PERIOD = 2
# Connections, packets in and out, bytes in and out; and into how many parts of one the estimator divides each.
SCALES = (1024, 1024, 1024, 32, 32)
# What a step rounds away of the average, and the steps before it.
LOST = 3
MARKS, SERVERS = (1, 2, 3, 4), tuple(f"10.2.0.{number}" for number in range(11, 16))
# Each packet of a one-packet service is a connection.
ONE_PACKET = (2, 4)
# How often each sender sends all of its frames.
TIMES = 8
# How many bursts begin with each period.
LOAD = (1, 1, 2, 1, 0)

# begun, ended: when. counts, rates: those of the namespace, of all services and of all servers, by their names.
Reading = collections.namedtuple("Reading", "begun ended counts rates")
NAMESPACE, OF_CPUS = ("namespace",), ("namespace", "by CPU")


def flows(cpu, mark):
    """Returns how many flows to a service a CPU sends packets of: other numbers for each."""
    return 40 * mark + 10 * cpu


def burst(cpu):
    """Returns how much one burst of a CPU counts: packets, and bytes."""
    packets = [TIMES * flows(cpu, mark) for mark in MARKS]
    return sum(packets), sum(count * (28 + mark) for mark, count in zip(MARKS, packets))


def sent(cpu, bursts):
    """Returns what a CPU has counted after so many bursts."""
    packets, size = burst(cpu)
    conns = sum(flows(cpu, mark) * (TIMES * bursts if mark in ONE_PACKET else bursts > 0) for mark in MARKS)
    return conns, bursts * packets, 0, bursts * size, 0


def plus(*some):
    """Adds up rows of figures."""
    return tuple(map(sum, zip(*some)))


def network(mark):
    return f"10.{64 + mark}.0.0"


def send_on_demand(cpu, demand, others):
    """Sends a burst for each byte that comes through a pipe, to its end."""
    for end in others:
        os.close(end)
    lane, ready = open_lane(cpu), []
    for mark in MARKS:
        def datagram(client, port, target):
            return packet.udp(client, port, target, 80, bytes(mark), mode="zero")

        made = frames(cpu, network(mark), range(flows(cpu, mark)), datagram)
        ready.append(bulk.Frames(lane.fileno(), len(made[0]), len(made)))
        ready[-1].put(made)
    while os.read(demand, 1):
        for some in ready * TIMES:
            some.send(some.room)


@contextlib.contextmanager
def senders(d):
    """Has a sender on each CPU; gives what starts some bursts of all of them."""
    pipes = [os.pipe() for _ in range(CPUS)]
    own = [end for _, end in pipes]
    children = [on_cpu(cpu, functools.partial(send_on_demand, cpu, pipes[cpu][0], own)) for cpu in range(CPUS)]
    try:
        yield lambda times: [os.write(end, b"." * times) for end in own]
    finally:
        for end in (end for pipe in pipes for end in pipe):
            os.close(end)
        d.expect("all senders end well", exit_codes(children) == [0] * CPUS)


# --- what is shown ---

def hexadecimal(line):
    return tuple(int(word, 16) for word in line.split())


def statistics(answer, nest, key):
    """Yields an attribute of each service or server of an answer, with its counters and rates."""
    for message in answer.messages:
        found = dict(genl.parse(dict(genl.parse(message.payload))[genl.NUMBERS["top"][nest]]))
        values = [struct.unpack("=Q", value)[0] for _, value in genl.parse(found[genl.NUMBERS[nest]["STATS64"]]) if len(value) == 8]
        yield found[genl.NUMBERS[nest][key]], tuple(values[:5]), tuple(values[5:10])


def read(d, client):
    """Reads everything once."""
    begun, found = time.monotonic(), {}
    whole, by_cpu = (d.read(f"/proc/thread-self/net/{name}").splitlines() for name in ("ip_vs_stats", "ip_vs_stats_percpu"))
    found[NAMESPACE] = hexadecimal(whole[2]), hexadecimal(whole[-1])
    found[OF_CPUS] = plus(*(hexadecimal(line)[1:] for line in by_cpu[2:2 + CPUS])), hexadecimal(by_cpu[-1])
    for mark, *values in statistics(client.dump(genl.GET_SERVICE), "SERVICE", "FWMARK"):
        found[struct.unpack("=I", mark)[0],] = values
    for mark in MARKS:
        asked = genl.nest("SERVICE", AF=genl.u16(2), FWMARK=genl.u32(mark))
        for address, *values in statistics(client.dump(genl.GET_DEST, asked), "DEST", "ADDR"):
            found[mark, packet.unpacked(address[:4])] = values
    return Reading(begun, time.monotonic(), *({name: values[which] for name, values in found.items()} for which in (0, 1)))


def another_period(d, client, latest):
    """Reads until a period has ended; returns the last reading before and the first after that all of it agrees with."""
    readings = [latest]

    def is_over():
        readings.append(read(d, client))
        one, other = readings[-2:]
        return one.rates == other.rates != latest.rates

    d.wait("the rates of another period", is_over)
    return [reading for reading in readings if reading.rates == latest.rates][-1], readings[-1]


# --- what has to be shown ---

def parts(name):
    """Returns how many averages make one that is shown: one for each server and CPU."""
    return CPUS * len(SERVERS) if len(name) == 1 and name != NAMESPACE else CPUS


class Averages:
    """Between which figures the averages are, without any rounding."""

    def __init__(self, quiet):
        self.before = self.after = quiet
        self.bounds = {name: [(0, 0)] * len(SCALES) for name in quiet.counts}

    def period(self, before, after):
        """Goes on to the end of a period between two readings; of several, if there is time for them."""
        more = int(after.ended - before.begun + PERIOD / 4) // PERIOD
        for name, bounds in self.bounds.items():
            fewest = [now - last for now, last in zip(before.counts[name], self.after.counts[name])]
            most = [now - last for now, last in zip(after.counts[name], self.before.counts[name])]
            self.bounds[name] = [((low * 0.75 + few / 8) * 0.75 ** more, high * 0.75 + many / 8)
                                 for (low, high), few, many in zip(bounds, fewest, most)]
        self.before, self.after = before, after

    def missed(self):
        """Returns what is not shown as it should be."""
        return [f"{name}: {shown}, not between {low:.3f} and {high:.3f}"
                for name, bounds in self.bounds.items()
                for (low, high), shown, scale in zip(bounds, self.after.rates[name], SCALES)
                if not low - LOST * parts(name) / scale - 0.5 <= shown <= high + 0.5]

    def is_exact(self):
        """Whether nothing was counted while the period ended."""
        return self.before.counts == self.after.counts


def apart(rates):
    """Returns which rates do not add up: a server's is a part of its service's, which rounds nothing more away."""
    found = []
    for mark in MARKS:
        whole, added = rates[mark,], plus(*(rates[mark, address] for address in SERVERS))
        if any(abs(one - other) > (len(SERVERS) + 1) / 2 for one, other in zip(whole, added)):
            found.append(f"service {mark}: {whole}, its servers {added}")
    whole, added = rates[NAMESPACE], plus(*(rates[mark,] for mark in MARKS))
    half, most = (len(MARKS) + 1) / 2, LOST * CPUS
    if any(not -most / scale - half <= one - other <= most * len(MARKS) * len(SERVERS) / scale + half
           for one, other, scale in zip(whole, added, SCALES)):
        found.append(f"the namespace: {whole}, its services {added}")
    return found


def start(d):
    d.expect("rvs loads", modprobe("rvs") == 0)
    lanes(d)
    d.rules("add table ip marks\nadd chain ip marks first { type filter hook prerouting priority mangle; }\n"
            + "".join(f"add rule ip marks first ip daddr {network(mark)}/16 meta mark set {mark}\n" for mark in MARKS))
    for mark in MARKS:
        d.control(f"-A -f {mark} -s rr{' -o' * (mark in ONE_PACKET)}", *(f"-a -f {mark} -r {address} -g" for address in SERVERS))


def counted(d, client, bursts):
    """Asserts that everything is counted exactly, on each CPU, server and service."""
    wanted = plus(*(sent(cpu, bursts) for cpu in range(CPUS)))
    d.wait(f"all of {wanted} to be counted", lambda: read(d, client).counts[NAMESPACE] == wanted, 10)
    counts = read(d, client).counts
    for mark in MARKS:
        d.expect(f"service {mark} has what its servers have", counts[mark,] == plus(*(counts[mark, address] for address in SERVERS)))
    for name, found in ("the services", plus(*(counts[mark,] for mark in MARKS))), ("the CPUs", counts[OF_CPUS]):
        d.expect(f"{name} have {wanted}, not {found}", found == wanted)
    lines = d.read("/proc/thread-self/net/ip_vs_stats_percpu").splitlines()[2:2 + CPUS]
    found = [hexadecimal(line)[1:] for line in lines]
    d.expect(f"each CPU has what it sent: {found}", found == [sent(cpu, bursts) for cpu in range(CPUS)])


class Watch:
    """Follows all rates from period to period."""

    def __init__(self, d, client):
        self.d, self.client = d, client
        self.latest = read(d, client)
        self.averages, self.exact = Averages(self.latest), 0

    def period(self):
        """Sees a period end, and asserts that the rates afterwards are as they have to be."""
        before, self.latest = another_period(self.d, self.client, self.latest)
        self.averages.period(before, self.latest)
        missed = self.averages.missed()
        self.d.expect(f"each rate is the average of its counter: {missed[:8]}", not missed)
        if self.averages.is_exact():
            self.exact += 1
            faults = apart(self.latest.rates)
            self.d.expect(f"rates add up: {faults}", not faults)


@case(suite="smp")
def rates_are_true_under_load(d):
    start(d)
    with contextlib.closing(d.client()) as client:
        watch = Watch(d, client)
        with senders(d) as send:
            for bursts in LOAD:
                send(bursts)
                watch.period()
            counted(d, client, sum(LOAD))
        # Where bursts took longer than periods the quiet is yet to come.
        while not watch.exact:
            watch.period()
    print(f"# {watch.exact} periods ended between bursts; {watch.latest.rates[NAMESPACE]} a second", flush=True)
    d.expect(f"no packet dropped: {d.drops()}", d.drops().total() == 0)
