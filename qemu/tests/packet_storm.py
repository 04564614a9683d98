# SPDX-License-Identifier: GPL-2.0
"""Packets from a seeded generator: what comes out, byte by byte, the counters and the table are the same."""
import collections
import functools
import os
import random

import generator
import topology
import wire
from cases import case

SEED, WANTED = os.environ.get("RVS_STORM_SEED") or "20261128", 50
# How often every combination is there, at night.
TIMES = int(os.environ.get("RVS_STORM_TIMES") or 0)
OPTIONS = {"nat": "-m", "direct": "-g", "ipip": "-i", "gue": "-i --tun-type gue --tun-port 6080", "gre": "-i --tun-type gre"}


@functools.cache
def plan():
    """Returns the rows of all setups, which are made when the first is run."""
    return generator.Plan(SEED, WANTED)


class Storm:
    """One setup's packets."""

    def __init__(self, d, setup, rows):
        self.d, self.world = d, generator.World(*setup)
        self.chance = random.Random(f"{SEED} {setup}")
        # The taps that clone packets stay.
        self.rows = sorted(rows, key=lambda row: row["buffer"] == "cloned")
        self.flows = [(row, self.world.flow(row)) for row in self.rows]
        self.taps, self.begun, self.verdicts = [], set(), collections.Counter()

    def start(self):
        d, world = self.d, self.world
        d.wires(*world.plans)
        for name, device in (("client", "eth0"), ("servers", "eth0"), ("director", "eth0"), ("director", "eth1")):
            topology.batch([f"link set {device} mtu {generator.WIRE}"], name)
        topology.batch([f"route replace {network} dev {device} mtu lock {generator.ROUTE}" for plan in world.plans
                        for network, device in ((plan.near_network, "eth0"), (plan.far_network, "eth1"))], "director")
        for letter, port in (("-t", generator.VIRTUAL), ("-u", generator.VIRTUAL), ("--sctp-service", generator.VIRTUAL),
                             ("-u", generator.ISAKMP)):
            service = f"{letter} {world.near.end(world.vip, port)}"
            real = port if port == generator.ISAKMP else world.server_port
            d.control(f"-A {service} -s rr", f"-a {service} -r {world.far.end(world.server, real)} {OPTIONS[world.method]}")

    def put(self, side, data, row=None):
        """Puts a packet, or its pieces, on a wire."""
        near, plan = side == "client", self.world.near if side == "client" else self.world.far
        to, source = (plan.near, plan.clients[0]) if near else (plan.far, plan.servers[0])
        partial = row and row["checksum"] == "partial" and generator_number(row)
        linear = 14 + 20 if row and row["buffer"] == "paged" else 0
        for piece in data if isinstance(data, list) else [data]:
            self.d.ends[side].send(topology.mac(to), topology.mac(source), piece, partial=partial, linear=linear)

    def prepare(self, flows):
        """Brings flows to their states."""
        for row, flow in flows:
            if (flow.client, flow.port) not in self.begun or flow.port != generator.ISAKMP:
                for side, data in generator.steps(row, flow):
                    self.put(side, data)
            self.begun.add((flow.client, flow.port))
        self.d.captured("flows before")

    def measure(self, row, flow):
        """Sends one packet and writes down what comes out."""
        if row["buffer"] == "cloned" and not self.taps:
            # A packet that another socket has as well is cloned before its header is touched.
            self.taps = [wire.End("director", device) for device in ("eth0", "eth1")]
        side, data = generator.ready(row, flow, self.chance)
        self.put(side, data, row)
        # All that becomes of a packet does so while it is sent; `run` looks whether that is true.
        found = self.d.captured(" / ".join(row[name] for name in generator.NAMES[2:]), wait=0)
        for tap in self.taps:
            tap.frames()
        self.verdicts[verdict(side, found)] += 1

    def run(self):
        # Few at a time: what is over is so for ten seconds.
        for first in range(0, len(self.flows), 40):
            flows = self.flows[first:first + 40]
            self.prepare(flows)
            for row, flow in flows:
                self.measure(row, flow)
            late = self.d.captured("late")
            self.d.expect("every packet was through before the next was sent", not any(late.values()))

    def end(self):
        for tap in self.taps:
            tap.close()
        d, total = self.d, sum(self.verdicts.values())
        d.quiet(13)
        d.counts("after what was over is gone")
        # Without the first line: the table of connections grows by another rule (docs/differences.md).
        d.say(d.execute("ipvsadm -Ln --stats")[1].partition("\n")[2])
        d.say(f"verdicts: {dict(sorted(self.verdicts.items()))}")
        if d.module == "rvs":
            counted = ", ".join(f"{name} {count}" for name, count in sorted(self.verdicts.items()))
            print(f"# {total} packets: {counted}", flush=True)
        d.expect("a quarter of the packets is forwarded", 4 * self.verdicts["forwarded"] >= total)


def generator_number(row):
    """Returns the number of a row's protocol."""
    return {"tcp": generator.TCP, "udp": generator.UDP}[row["protocol"]]


def verdict(side, found):
    """Returns what became of a packet, by what came out."""
    other = "servers" if side == "client" else "client"
    return "forwarded" if found[other] else "answered" if found[side] else "dropped or delivered"


def play(d, setup, rows):
    """Plays the rows of a setup."""
    storm = Storm(d, setup, rows)
    storm.start()
    storm.run()
    storm.end()


def all_combinations():
    """Returns every combination `TIMES` times, in cases of a few thousand packets: (setup, number, rows)."""
    made = generator.combinations(SEED, TIMES) if TIMES else {}
    return tuple((f"{' '.join(setup)} {first}", setup, rows[first:first + 3000]) for setup, rows in made.items()
                 for first in range(0, len(rows), 3000))


@case(rows=all_combinations())
def every_combination(d, row):
    _, setup, rows = row
    play(d, setup, rows)


@case(rows=tuple(generator.setups()))
def same_outputs(d, setup):
    play(d, setup, plan().rows[setup])


@case
def every_pair_of_values_is_there(d):
    missing = [pair for pair in generator.possible() if plan().counts[pair] < WANTED]
    d.expect(f"every pair of values is in {WANTED} packets: {missing[:5]}", not missing)
    total = sum(map(len, plan().rows.values()))
    if d.module == "rvs":
        print(f"# seed {SEED}: {total} packets, {len(plan().counts)} pairs of values, each in {min(plan().counts.values())} to "
              f"{max(plan().counts.values())} packets", flush=True)
        for axes, counts in sorted(counts_by_axes().items()):
            print(f"# {' and '.join(axes)}: {len(counts)} pairs in {min(counts)} to {max(counts)} packets", flush=True)


def counts_by_axes():
    """Returns in how many packets each pair of values is, by the two axes."""
    found = collections.defaultdict(list)
    for pair, count in plan().counts.items():
        found[tuple(name for name, _ in pair)].append(count)
    return found
