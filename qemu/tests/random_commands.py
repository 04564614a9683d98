# SPDX-License-Identifier: GPL-2.0
"""A service lives through random commands and packets: every decision and every count is the same."""
import random

import packet
import topology
import transcript
from cases import case
from schedulers import CLIENT, VIP, picks

SEEDS = range(1, 5)


class Life:
    """One service, what is done to it, and the client's ports that have a connection."""

    def __init__(self, d, scheduler, seed):
        self.d, self.random, self.scheduler = d, random.Random(f"{scheduler} {seed}"), scheduler
        self.servers, self.ports, self.next_port = [], [], 40000
        d.wires()
        d.ipvsadm(f"-A -t {VIP}:80 -s {scheduler}")

    def settings(self):
        weight = self.random.choice((0, 1, 1, 2, 3, 5, 10, 60))
        upper = self.random.choice((0, 0, 0, 1, 3, 6))
        lower = self.random.randint(0, upper)
        return f"-g -w {weight} -x {upper} -y {lower}"

    def add(self):
        free = [number for number in range(11, 17) if number not in self.servers]
        if free:
            number = self.random.choice(free)
            self.servers.append(number)
            self.d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.{number}:80 {self.settings()}")

    def edit(self):
        if self.servers:
            number = self.random.choice(self.servers)
            self.d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.{number}:80 {self.settings()}")

    def remove(self):
        if self.servers:
            number = self.servers.pop(self.random.randrange(len(self.servers)))
            self.d.ipvsadm(f"-d -t {VIP}:80 -r 10.2.0.{number}:80")

    def pick(self):
        ports = range(self.next_port, self.next_port + self.random.randint(1, 9))
        self.next_port = ports[-1] + 1
        self.ports += ports
        picks(self.d, ports)

    def go_on(self):
        """Connections open, close and break."""
        for port in self.random.sample(self.ports, min(4, len(self.ports))):
            flags = self.random.choice((packet.ACK, packet.ACK, packet.FIN | packet.ACK, packet.RST))
            self.d.ends["client"].send(topology.mac("10.1.0.1"), topology.mac(CLIENT), packet.tcp(CLIENT, port, VIP, 80, flags))
        self.d.captured("connections go on")

    def exchange(self):
        self.d.ipvsadm(f"-E -t {VIP}:80 -s {self.random.choice(('rr', 'wrr', 'lc', 'wlc', self.scheduler))}")

    def begin_again(self):
        # What ip_vs has not summed up yet when a server leaves its service would show in the next one.
        self.d.quiet(5)
        self.d.ipvsadm(f"-D -t {VIP}:80")
        self.d.ipvsadm(f"-A -t {VIP}:80 -s {self.scheduler}")
        self.servers = []

    def table(self):
        """Without the header: the table of connections grows when there is time for it."""
        text = self.d.read("/proc/thread-self/net/ip_vs")
        self.d.lines += transcript.service_blocks(text, 3)[3:]

    def step(self):
        steps = (self.add, self.edit, self.remove, self.pick, self.go_on, self.exchange, self.begin_again)
        self.random.choices(steps, (6, 5, 2, 14, 6, 1, 0.3))[0]()


@case(rows=tuple((scheduler, seed) for scheduler in ("rr", "wrr", "lc", "wlc") for seed in SEEDS))
def random_life(d, row):
    life = Life(d, *row)
    for _ in range(3):
        life.add()
    for _ in range(40):
        life.step()
        life.table()
    d.quiet(5)
    d.ipvsadm("-L -n --stats")
    d.ipvsadm("-Z")
    d.ipvsadm("-L -n --stats")
    life.pick()
    d.quiet(5)
    d.ipvsadm("-L -n --stats")
