# SPDX-License-Identifier: GPL-2.0
"""The files below /proc/net: there from the start, with the modes and the text of the C module."""
import math
import os
import re
import stat

import burst
import chances
import packet
import topology
from cases import case

# How many connections are there throughout while ip_vs_conn is read, and how often others come and go meanwhile.
LISTED, CHANGES = int(os.environ.get("RVS_LISTED") or 20000), 100
PORTS = 50000
FILES = ("ip_vs", "ip_vs_app", "ip_vs_conn", "ip_vs_conn_sync", "ip_vs_stats", "ip_vs_stats_percpu", "ip_vs_status")


@case(rows=FILES)
def file_without_any_service(d, name):
    d.netns("director")
    d.proc(name)


@case(rows=FILES)
def file_with_services(d, name):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s wrr", "-a -t 10.9.0.1:80 -r 10.2.0.11:80 -m -w 3", "-A -u 10.9.0.1:53 -s rr", "-A -f 255 -s lc",
              "-a -f 255 -r 10.2.0.12:0 -g")
    d.proc(name)
    d.ipvsadm("-C")
    d.proc(name)


@case(rows=FILES)
def mode_and_owner(d, name):
    d.netns("director")
    with topology.inside("director"):
        status = os.stat(f"/proc/thread-self/net/{name}")
    d.say(f"{name}: {stat.filemode(status.st_mode)} {status.st_uid} {status.st_gid} size {status.st_size}")


@case
def reading_in_small_pieces_gives_the_same_text(d):
    d.bare()
    rules = "".join(f"-A -t 10.9.0.1:{number} -s rr\n-a -t 10.9.0.1:{number} -r 10.2.0.11:80 -m\n" for number in range(1000, 1100))
    d.ipvsadm("-R", stdin=rules)
    # ip_vs moves its services into a larger table some time later.
    d.wait("the table has its size", lambda: "(size=256)" in d.read("/proc/thread-self/net/ip_vs"))
    whole = d.read("/proc/thread-self/net/ip_vs")
    with topology.inside("director"):
        file = os.open("/proc/thread-self/net/ip_vs", os.O_RDONLY)
    pieces = []
    while piece := os.read(file, 100):
        pieces.append(piece)
    os.close(file)
    d.expect("the same text piece by piece", b"".join(pieces).decode() == whole)
    d.proc("ip_vs")


def likelihood(lengths, entries):
    """Returns how likely lengths at least this far from what a random hash gives are: {length: buckets}."""
    size = sum(lengths.values())
    expected = [size * math.comb(entries, length) * (size - 1) ** (entries - length) / size ** entries for length in range(4)]
    expected[3] = size - sum(expected[:3])
    seen = [*(lengths.get(length, 0) for length in range(3)), sum(buckets for length, buckets in lengths.items() if length > 2)]
    unlike = sum((one - other) ** 2 / other for one, other in zip(seen, expected))
    return chances.gamma_tail((len(seen) - 1) / 2, unlike / 2)


def status_of(d, name, entries):
    """Waits until a table of ip_vs_status has its size, and checks what it says about the lengths of its buckets."""
    pattern = rf"^{name} buckets:\t(\d+) \(\d+ bits, lfactor 0\)$"
    # ip_vs moves what there is into a larger table some time later; a load factor of 0 is at most one a bucket.
    d.wait("the table has its size", lambda: entries < int(re.search(pattern, text(d), re.M)[1]) <= 2 * entries)
    size = int(re.search(pattern, text(d), re.M)[1])
    lines = re.findall(rf"^{name} buckets (?:empty|len-(\d)):\t(\d+) \((\d+)%\)$", text(d), re.M)
    lengths = {int(length or 0): int(buckets) for length, buckets, _ in lines}
    d.say(f"{name}: {size} buckets")
    d.expect("every bucket is counted once", sum(lengths.values()) == size)
    # The longest are counted together.
    found = sum(length * buckets for length, buckets in lengths.items())
    d.expect("every entry is counted once", found == entries or 7 in lengths and found < entries)
    used = size - lengths[0]
    d.expect("shares of all buckets and of the used ones",
             [int(share) for *_, share in lines] == [100 * lengths[0] // size, *(100 * buckets // used for length, buckets in lengths.items() if length)])
    d.expect("lengths as a random hash gives them", likelihood(lengths, entries) > 1e-9)


def text(d):
    return d.read("/proc/thread-self/net/ip_vs_status")


@case
def lengths_of_the_buckets_of_services(d):
    d.bare()
    d.sysctl("svc_lfactor", 0)
    d.ipvsadm("-R", stdin="".join(f"-A -t 10.9.0.1:{port} -s rr\n" for port in range(1000, 1400)))
    status_of(d, "Service", 400)


@case
def lengths_of_the_buckets_of_connections(d):
    d.wires()
    d.sysctl("conn_lfactor", 0)
    d.ends["burst"] = burst.Wires()
    d.control("-A -u 10.8.0.1:80 -s rr", "-a -u 10.8.0.1:80 -r 10.2.0.11:80 -g")
    topology.batch(["route add default via 10.1.0.2", "route add local 10.8.0.0/16 dev lo"], "director")
    for first in range(0, 1400, 200):
        d.ends["burst"].decide(d.ends["burst"].udp, range(1000 + first, 1200 + first), [1] * 200, [1] * 200)
    status_of(d, "Conn", 1400)


class Crowd:
    """Connections by their numbers, each of a port and a client of its own; three homes of clients, by what becomes of them."""

    STAYING, LEAVING, COMING = 0x0100, 0x4000, 0x8000

    def __init__(self, d):
        self.d = d
        self.wires = d.ends["burst"] = burst.Wires()
        self.seen = bytearray(LISTED)

    @staticmethod
    def bursts(home, first, count):
        """Yields ports, clients and virtual addresses of connections, as many at a time as a burst has room for."""
        for at in range(first, first + count, 200):
            numbers = range(at, min(at + 200, first + count))
            yield [1000 + number % PORTS for number in numbers], [home + number // PORTS for number in numbers], [1] * len(numbers)

    def come(self, kind, home, first, count):
        for ports, clients, vips in self.bursts(home, first, count):
            self.wires.decide(kind, ports, clients, vips)

    def go_on(self, flags, first, count):
        """Has clients that will leave send segments; what was reset is there for ten seconds more."""
        for ports, clients, vips in self.bursts(self.LEAVING, first, count):
            self.wires.go_on(ports, clients, vips, [flags] * len(ports))

    def change(self, number):
        """Some leave, others come, and time passes: those that have left before go."""
        some = LISTED // 4 // CHANGES
        self.go_on(packet.RST, number * some, some)
        self.come(self.wires.udp, self.COMING, number * some, some)
        self.d.quiet(0.2)

    def count(self, line):
        """Counts a line if it is of a connection that stays."""
        client = int(line[4:12], 16) - 0xAC140000 if line.startswith(b"UDP") else 0
        if self.STAYING <= client < self.LEAVING:
            self.seen[(client - self.STAYING) * PORTS + int(line[13:17], 16) - 1000] += 1

    def read(self):
        """Reads the file page by page, changing what is there all the while; returns how many changes there were."""
        with topology.inside("director"):
            file = os.open("/proc/thread-self/net/ip_vs_conn", os.O_RDONLY)
        rest, pages, changes, between = b"", 0, 0, max(1, LISTED // 32 // CHANGES)
        while piece := os.read(file, 4096):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self.count(line)
            pages += 1
            if pages % between == 0 and changes < CHANGES:
                self.change(changes)
                changes += 1
        os.close(file)
        return changes


@case(only=("rvs",))
def connections_are_listed_once_while_others_come_and_go(d):
    # Without captures, which would fill up.
    d.names += topology.wires()
    crowd = Crowd(d)
    # Those that stay do so for longer than all this takes.
    d.control("--set 0 0 7200", "-A -u 10.8.0.1:80 -s rr", "-a -u 10.8.0.1:80 -r 10.2.0.11:80 -g", "-A -t 10.8.0.1:80 -s rr",
              "-a -t 10.8.0.1:80 -r 10.2.0.11:80 -g")
    topology.batch(["route add default via 10.1.0.2", "route add local 10.8.0.0/16 dev lo"], "director")
    crowd.come(crowd.wires.udp, crowd.STAYING, 0, LISTED)
    crowd.come(crowd.wires.syn, crowd.LEAVING, 0, LISTED // 4)
    crowd.go_on(packet.ACK, 0, LISTED // 4)
    changes = crowd.read()
    missing, repeated = crowd.seen.count(0), LISTED - crowd.seen.count(0) - crowd.seen.count(1)
    print(f"# {LISTED} connections: {missing} missing, {repeated} repeated, {changes} changes", flush=True)
    d.expect("all of them were listed once", not missing and not repeated)
    d.expect("others came and went", changes > CHANGES // 2)
    left = sum(line.startswith("TCP") for line in d.read("/proc/thread-self/net/ip_vs_conn").splitlines())
    d.expect(f"some have gone meanwhile: {left}", left < LISTED // 4)
