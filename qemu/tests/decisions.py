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
import genl
import packet
import topology
import transcript
from cases import case

# Flags have fewer lives: what they change is how a table is read.
DECISIONS, SEEDS, FEWER_SEEDS = 2000, range(1, 11), range(1, 4)
SIZES = (3, 70, 5, 40, 9, 33, 17, 66, 12, 4)
# Every time-out is away from all multiples of this gap: no timer is about to run when a decision is made.
PORTS_FROM = 1024
GAP, TIMEOUTS = 13, ((genl.TIMEOUT_TCP, 45), (genl.TIMEOUT_TCP_FIN, 30), (genl.TIMEOUT_UDP, 30))
NAMES = string.digits + string.ascii_letters + "+*=/<>%&"
LETTERS = {0: "-", **{11 + number: name for number, name in enumerate(NAMES)}}
TABLE = bytes(ord(LETTERS.get(byte, "?")) for byte in range(256))
WEIGHTS = (0, 1, 1, 2, 3, 5, 8, 10, 20, 60, 150)
UPPER = (0, 0, 0, 0, 2, 5, 20, 60)
BY_ADDRESS = ("dh", "lblc", "lblcr")
FALLBACK, PORT = 0x08, 0x10
ROWS = (("rr", 0), ("wrr", 0), ("lc", 0), ("wlc", 0), ("fo", 0), ("ovf", 0), ("sed", 0), ("nq", 0), ("dh", 0), ("lblc", 0),
        ("lblcr", 0), ("sh", 0), ("sh", FALLBACK), ("sh", PORT), ("mh", 0), ("mh", FALLBACK), ("mh", PORT))
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


def mark_everything(d):
    """Gives every packet of a client the firewall mark 7."""
    d.execute("nft -f -", stdin="table ip mark { chain mark { type filter hook prerouting priority mangle; "
              "iif eth0 meta mark set 7; }; }\n")


class Service:
    """One service, how it is told about its servers, and what is known about them."""

    def __init__(self, d, client, scheduler, flags, protocol, mark=0):
        self.d, self.client, self.servers = d, client, {}
        fields = dict(FWMARK=genl.u32(7), PROTOCOL=None, ADDR=None, PORT=None) if mark else dict(
            PROTOCOL=genl.u16(protocol), ADDR=genl.address("10.8.0.1"))
        self.whole = genl.service(SCHED_NAME=scheduler.encode() + b"\0", FLAGS=struct.pack("=II", flags, 0xFFFFFFFF), **fields)
        self.tell(genl.NEW_SERVICE, "service")

    def tell(self, command, what, *payload):
        """Sends one request and writes down what it says."""
        answer = self.client.request(command, b"".join((self.whole, *payload)))
        self.d.say(f"{what}: {genl.error_name(answer.error)}" if answer.error else what)

    def set(self, number, weight, upper, lower):
        """Adds a server or changes it."""
        command = genl.SET_DEST if number in self.servers else genl.NEW_DEST
        self.servers[number] = weight
        self.tell(command, f"{'edit' if command == genl.SET_DEST else 'join'} {NAMES[number]} {weight} {upper} {lower}",
                  genl.dest(ADDR=genl.address(address(number)), FWD_METHOD=genl.u32(3), WEIGHT=genl.u32(weight),
                            U_THRESH=genl.u32(upper), L_THRESH=genl.u32(lower)))

    def remove(self, number):
        del self.servers[number]
        self.tell(genl.DEL_DEST, f"leave {NAMES[number]}", genl.dest(ADDR=genl.address(address(number)), FWD_METHOD=None,
                                                                  WEIGHT=None, U_THRESH=None, L_THRESH=None))

    def end(self):
        self.tell(genl.DEL_SERVICE, "end of service")

    def counts(self):
        """Writes down every server with its weight, active and inactive connections."""
        text = self.d.read("/proc/thread-self/net/ip_vs")
        rows = [line.split() for line in transcript.service_blocks(text, 3)[4:]]
        self.d.say("counts " + " ".join(f"{NAMES[int(row[1][6:8], 16) - 11]}:{row[3]}/{row[4]}/{row[5]}" for row in rows))


class Life:
    """One seeded run of decisions."""

    def __init__(self, d, wires, client, row, seed):
        _, scheduler, flags = row
        self.d, self.wires, self.random = d, wires, random.Random(f"{row[0]} {seed}")
        self.mark, self.left, self.port = scheduler in BY_ADDRESS, DECISIONS, PORTS_FROM
        self.size = SIZES[seed % len(SIZES)]
        self.kinds = (wires.udp,) if seed % 5 == 4 and not self.mark else (wires.syn,)
        self.vips = range(1, 1 + self.random.choice((40, 150, 600))) if self.mark else (1,)
        protocol = packet.TCP if self.kinds[0].tcp else packet.UDP
        d.say(f"{row[0]}, seed {seed}: {self.size} servers, {len(self.vips)} addresses, protocol {protocol}")
        self.service = Service(d, client, scheduler, flags, protocol, self.mark)
        self.slept, self.began = 0, time.monotonic()

    def settings(self):
        upper = self.random.choice(UPPER)
        return self.random.choice(WEIGHTS), upper, self.random.randint(0, upper)

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
        clients = self.random.choices(range(1, 65536), k=count)
        vips = self.random.choices(self.vips, k=count)
        kind = self.wires.udp if self.mark and self.random.random() < 0.3 else self.kinds[0]
        text = self.wires.decide(kind, ports, clients, vips).translate(TABLE).decode()
        for at in range(0, count, 50):
            self.d.say(text[at:at + 50])
        self.left, self.port = self.left - count, self.port + count
        if kind.tcp:
            self.go_on(ports, clients, vips)

    def go_on(self, ports, clients, vips):
        """Some connections are established; then some of them end and some break."""
        some = self.random.sample(range(len(ports)), len(ports) // 6)
        third = len(some) // 3
        steps = ([(at, packet.ACK) for at in some] + [(at, packet.FIN | packet.ACK) for at in some[:third]]
                 + [(at, packet.RST) for at in some[2 * third:]])
        self.wires.go_on([ports[at] for at, _ in steps], [clients[at] for at, _ in steps], [vips[at] for at, _ in steps],
                         [flags for _, flags in steps])

    def quiet(self, gaps=1):
        self.d.quiet(GAP * gaps)
        self.slept += GAP * gaps

    def play(self):
        for number in self.random.sample(range(self.size), self.size - self.size // 8):
            self.service.set(number, *self.settings())
        while self.left:
            self.decide()
            for _ in range(self.random.randint(0, 3)):
                self.change()
            if self.random.random() < 0.2:
                self.quiet()
                self.service.counts()
        self.quiet()
        self.service.counts()
        self.service.end()
        self.quiet(5)
        busy = time.monotonic() - self.began - self.slept
        self.d.expect("no timer near a decision", busy < 3)


@case(rows=tuple((name + FLAG_NAMES[flags], name, flags) for name, flags in ROWS))
def decisions(d, row):
    wires, client = director(d)
    if row[1] in BY_ADDRESS:
        mark_everything(d)
    for seed in SEEDS if row[2] == 0 else FEWER_SEEDS:
        Life(d, wires, client, row, seed).play()
