# SPDX-License-Identifier: GPL-2.0
"""Same decisions as C: for every scheduler ten seeded lives of 2,000 decisions each, which server by which.

A life is a service with 3 to 70 servers. Between batches of decisions servers join and leave, weights and thresholds
change, and connections are established, end by FIN or break by RST; now and then time passes, and connections are gone.
"""
import random
import string
import struct
import time

import burst
import chances
import genl
import packet
import topology
from cases import case

DECISIONS, SEEDS = 2000, range(1, 11)
# A gap is longer than the first time-outs (4 s, when established, ended or UDP), two gaps are longer than that after RST
# (10 s), and a life is shorter than that after SYN (60 s): when a decision is made no timer is about to run.
GAP, GAPS, TIMEOUTS = 7, 2, ((genl.TIMEOUT_TCP, 4), (genl.TIMEOUT_TCP_FIN, 4), (genl.TIMEOUT_UDP, 4))
NAMES = string.digits + string.ascii_letters + "+*=/<>%&"
LETTERS = {0: "-", **{11 + number: name for number, name in enumerate(NAMES)}}
TABLE = bytes(ord(LETTERS.get(byte, "?")) for byte in range(256))
WEIGHTS = (0, 1, 1, 2, 3, 5, 8, 10, 20, 60, 150)
UPPER = (0, 0, 0, 0, 2, 5, 20, 60)
BY_ADDRESS = ("dh", "lblc", "lblcr")
FALLBACK, PORT = 0x08, 0x10
ROWS = (("rr", 0), ("wrr", 0), ("lc", 0), ("wlc", 0), ("fo", 0), ("ovf", 0), ("sed", 0), ("nq", 0), ("dh", 0), ("lblc", 0),
        ("lblcr", 0), ("sh", 0), ("sh", FALLBACK), ("sh", PORT), ("mh", 0), ("mh", FALLBACK), ("mh", PORT), ("twos", 0))
FLAG_NAMES = {0: "", FALLBACK: " with fallback", PORT: " with port"}


def director(d):
    """Builds the director with room for 70 servers, any client and any virtual address of 10.8.0.0/16."""
    d.names += topology.wires()
    topology.batch([f"neigh replace {address(number)} lladdr {topology.mac(address(number))} dev eth1 nud permanent"
                    for number in range(len(NAMES))]
                   + ["route add default via 10.1.0.2", "route add local 10.8.0.0/16 dev lo"], "director")
    # Its thread would wake up 25 times a second while nothing but time passes.
    d.sysctl("run_estimation", 0)
    d.ends["burst"] = burst.Wires()
    client = d.client()
    client.request(genl.SET_CONFIG, b"".join(genl.attribute(kind, genl.u32(value)) for kind, value in TIMEOUTS))
    d.ends["genl"] = client
    return d.ends["burst"], client


def address(number):
    return f"10.2.0.{11 + number}"


def mark(d, addresses, number):
    """Gives every packet to some of the virtual addresses a firewall mark."""
    d.rules("table ip marks { chain early { type filter hook prerouting priority -150; "
            f"ip daddr {addresses} meta mark set {number}; }}; }};\n")


class Service:
    """One service, how it is told about its servers, and what is known about them."""

    def __init__(self, d, scheduler, port, flags=0, **key):
        self.d, self.client, self.port, self.servers = d, d.ends["genl"], genl.port(port), {}
        fields = dict(FWMARK=genl.u32(key["mark"]), PROTOCOL=None, ADDR=None, PORT=None) if key.get("mark") else dict(
            PROTOCOL=genl.u16(key.get("protocol", packet.TCP)), ADDR=genl.address("10.8.0.1"))
        self.whole = genl.service(SCHED_NAME=scheduler.encode() + b"\0", FLAGS=struct.pack("=II", flags, 0xFFFFFFFF), **fields)
        self.tell(genl.NEW_SERVICE, "service")

    def tell(self, command, what, *payload):
        """Sends one request and writes down what it says."""
        answer = self.client.request(command, b"".join((self.whole, *payload)))
        self.d.say(f"{what}: {genl.error_name(answer.error)}" if answer.error else what)

    def set(self, number, weight, upper=0, lower=0):
        """Adds a server or changes it."""
        known = number in self.servers
        self.servers[number] = weight, upper, lower
        self.tell(genl.SET_DEST if known else genl.NEW_DEST,
                  f"{'edit' if known else 'join'} {NAMES[number]} {weight} {upper} {lower}",
                  genl.dest(ADDR=genl.address(address(number)), PORT=self.port, FWD_METHOD=genl.u32(3), WEIGHT=genl.u32(weight),
                            U_THRESH=genl.u32(upper), L_THRESH=genl.u32(lower)))

    def remove(self, number):
        del self.servers[number]
        self.tell(genl.DEL_DEST, f"leave {NAMES[number]}", genl.dest(ADDR=genl.address(address(number)), PORT=self.port))

    def end(self):
        self.tell(genl.DEL_SERVICE, "end of service")

    def rows(self):
        """Returns [(server, weight, active, inactive)] in list order, as /proc/net/ip_vs has it."""
        rows = [line.split() for line in self.d.read("/proc/thread-self/net/ip_vs").splitlines() if line.startswith("  ->")]
        return [(int(row[1][6:8], 16) - 11, *map(int, row[3:6])) for row in rows[1:]]

    def counts(self):
        """Writes down every server with its weight, active and inactive connections."""
        self.d.say("counts")
        words = [f"{NAMES[number]}:{weight}/{active}/{idle}" for number, weight, active, idle in self.rows()]
        for at in range(0, len(words), 10):
            self.d.say("  " + " ".join(words[at:at + 10]))


class Life:
    """One seeded run of decisions."""

    sizes, weights = (4, 3, 70, 5, 40, 9, 33, 17, 66, 12, 4), WEIGHTS

    def __init__(self, d, row, seed):
        label, scheduler, flags = row
        self.d, self.wires, self.random = d, d.ends["burst"], random.Random(f"{label} {seed}")
        if scheduler == "ovf":
            # Here weights are how many connections a server takes.
            self.weights = (0, 20, 60, 150, 400)
        # Servers of another port are others: nothing is left of an earlier life but connections of other ports.
        self.left, self.port, self.size = DECISIONS, 1024 + DECISIONS * seed, self.sizes[seed]
        mark = 7 if scheduler in BY_ADDRESS else 0
        protocol = packet.UDP if seed % 5 == 4 and not mark else packet.TCP
        self.kinds = (self.wires.syn, self.wires.syn, self.wires.udp) if mark else (
            self.wires.udp if protocol == packet.UDP else self.wires.syn,)
        self.vips = range(1, 1 + self.random.choice((40, 150, 600))) if mark else (1,)
        d.say(f"{label}, seed {seed}: {self.size} servers, {len(self.vips)} addresses, protocol {protocol}")
        self.service = Service(d, scheduler, 8000 + seed, flags, protocol=protocol, mark=mark)
        self.slept, self.began, self.served = 0, time.monotonic(), 0

    def settings(self):
        upper = self.random.choice(UPPER)
        return self.random.choice(self.weights), upper, self.random.randint(0, upper)

    def change(self):
        """A server joins, leaves or changes."""
        present, draw = list(self.service.servers), self.random.random()
        absent = [number for number in range(self.size) if number not in self.service.servers]
        if absent and (draw < 0.4 or len(present) < 2):
            self.service.set(self.random.choice(absent), *self.settings())
        elif draw < 0.6:
            self.service.remove(self.random.choice(present))
        else:
            self.service.set(self.random.choice(present), *self.settings())

    def decide(self):
        """Makes a batch of decisions, then lets some of the connections go on."""
        count = min(self.left, self.random.randint(60, 140))
        ports = range(self.port, self.port + count)
        clients = memoryview(self.random.randbytes(2 * count)).cast("H")
        vips = self.random.choices(self.vips, k=count) if len(self.vips) > 1 else (1,) * count
        kind = self.random.choice(self.kinds)
        chosen = self.wires.decide(kind, ports, clients, vips)
        self.served += count - chosen.count(0)
        self.decided(kind, chosen)
        self.left, self.port = self.left - count, self.port + count
        if kind.tcp:
            self.go_on(ports, clients, vips)

    def decided(self, _, chosen):
        """Writes decisions down."""
        text = chosen.translate(TABLE).decode()
        for at in range(0, len(text), 100):
            self.d.say("  " + text[at:at + 100])

    def go_on(self, ports, clients, vips):
        """Some connections are established; then some of them end and some break."""
        some = self.random.sample(range(len(ports)), len(ports) // 6)
        third = len(some) // 3
        steps = ([(at, packet.ACK) for at in some] + [(at, packet.FIN | packet.ACK) for at in some[:third]]
                 + [(at, packet.RST) for at in some[2 * third:]])
        self.wires.go_on([ports[at] for at, _ in steps], [clients[at] for at, _ in steps], [vips[at] for at, _ in steps],
                         [flags for _, flags in steps])

    def quiet(self):
        self.d.quiet(GAP)
        self.slept += GAP
        self.counts()

    def counts(self):
        self.service.counts()

    def play(self):
        for number in self.random.sample(range(self.size), self.size - self.size // 8):
            self.service.set(number, *self.settings())
        gaps = set(self.random.sample(range(5, 15), GAPS))
        for batch in range(DECISIONS):
            if not self.left:
                break
            self.decide()
            for _ in range(self.random.randint(0, 3)):
                self.change()
            if batch in gaps:
                self.quiet()
        self.counts()
        self.service.end()
        self.d.expect("many clients found a server", self.served > DECISIONS // 8)
        self.d.expect("no timer near a decision", time.monotonic() - self.began - self.slept < 2)


class TwosLife(Life):
    """A life under twos: what is compared is the law of its decisions, not the decisions."""

    sizes = (0, 3, 20, 2, 12, 3, 40, 5, 2, 8, 4)

    def __init__(self, d, row, seed):
        self.weights = WEIGHTS if seed % 2 else (0, 1, 1, 2, 3)
        self.watch, self.overloaded, self.limits = chances.Watch(seed), {}, {}
        super().__init__(d, row, seed)

    def change(self):
        """Between changes of servers, what is known of their being overloaded is brought up to date."""
        super().change()
        self.look()

    def look(self):
        """Returns the servers as they are; one is overloaded from its upper threshold until it is below the lower one."""
        servers = {}
        for number, weight, active, idle in self.service.rows():
            _, upper, lower = self.service.servers[number]
            total, lower = active + idle, lower or upper - upper // 4
            was = bool(upper) and total >= lower and self.overloaded.get(number, False)
            self.overloaded[number] = bool(upper) and (was or total >= upper)
            servers[number] = [weight, 257 * active + idle, total, upper, self.overloaded[number]]
        return servers

    def decide(self):
        self.watch.begin(self.look())
        super().decide()

    def decided(self, kind, chosen):
        for server in chosen:
            self.watch.saw(server - 11 if server else None, 257 if kind.tcp else 1)
        for number, server in self.watch.servers.items():
            self.overloaded[number] = server[4]

    def counts(self):
        """Where connections are is as random as the decisions."""
        self.look()

    def play(self):
        super().play()
        impossible, *values = self.watch.verdict()
        self.d.expect("only servers that may be chosen", not impossible)
        for order, value in zip(("list", "load"), values):
            holds = value > 1e-6
            self.d.expect(f"distribution as specified, by {order}" + ("" if holds else f" (p = {value:g})"), holds)


@case(rows=tuple((name + FLAG_NAMES[flags], name, flags) for name, flags in ROWS))
def decisions(d, row):
    director(d)
    if row[1] in BY_ADDRESS:
        mark(d, "10.8.0.0/16", 7)
    for seed in SEEDS:
        (TwosLife if row[1] == "twos" else Life)(d, row, seed).play()
