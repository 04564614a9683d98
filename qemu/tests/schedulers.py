# SPDX-License-Identifier: GPL-2.0
"""Which server a scheduler chooses: the sequence of decisions, weights, ties, changes while it runs."""
import packet
import topology
from cases import case
from serving import CLIENT, VIP


def start(d, scheduler, weights):
    d.wires()
    d.ipvsadm(f"-A -t {VIP}:80 -s {scheduler}")
    for number, weight in enumerate(weights):
        d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.{11 + number}:80 -g -w {weight}")


def picks(d, ports, flags=packet.SYN):
    """Sends one packet per port and writes down which server got each."""
    names = {topology.mac(address): address[-1] for address in topology.SERVERS}
    chosen = []
    for port in ports:
        d.ends["client"].send(topology.mac("10.1.0.1"), topology.mac(CLIENT), packet.tcp(CLIENT, port, VIP, 80, flags))
        found = d.ends["servers"].received() or ["to -"]
        chosen.append("".join(names.get(line.split()[1], "-") for line in found))
        d.ends["client"].received()
    d.say(" ".join(chosen))


WEIGHTS = ((1, 1, 1), (1, 2, 4), (4, 2, 1), (2, 4), (3, 0, 3), (0, 0), (5,), (10, 1, 1), (2, 3, 5, 7), (100, 50, 25), (6, 4, 2), (0, 1))


@case(rows=tuple((f"{scheduler} {weights}", scheduler, weights) for scheduler in ("rr", "wrr", "lc", "wlc") for weights in WEIGHTS))
def sequence(d, row):
    _, scheduler, weights = row
    start(d, scheduler, weights)
    picks(d, range(40000, 40030))
    d.counts()


@case(rows=("rr", "wrr", "lc", "wlc"))
def changes_while_it_runs(d, scheduler):
    start(d, scheduler, (1, 2, 3))
    picks(d, range(40000, 40007))
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.12:80 -g -w 5")
    picks(d, range(40010, 40021))
    d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.14:80 -g -w 2")
    picks(d, range(40030, 40043))
    d.ipvsadm(f"-d -t {VIP}:80 -r 10.2.0.13:80")
    picks(d, range(40050, 40063))
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.11:80 -g -w 0")
    picks(d, range(40070, 40079))
    d.counts()


@case(rows=("lc", "wlc"))
def active_connections_weigh_more_than_inactive(d, scheduler):
    start(d, scheduler, (1, 1, 2))
    picks(d, range(40000, 40009))
    for port in (40000, 40001, 40004):
        d.send("client", packet.tcp(CLIENT, port, VIP, 80, packet.FIN | packet.ACK), f"FIN from {port}")
    picks(d, range(40020, 40032))
    d.counts()


@case(rows=("rr", "wrr", "lc", "wlc"))
def overloaded_servers_are_passed_over(d, scheduler):
    start(d, scheduler, (1, 2, 3))
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.12:80 -g -w 2 -x 2")
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.13:80 -g -w 3 -x 3")
    picks(d, range(40000, 40012))
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.11:80 -g -w 1 -x 1")
    picks(d, range(40020, 40023))
    d.counts()


@case(rows=(("rr", "wrr"), ("wrr", "lc"), ("lc", "wlc"), ("wlc", "rr"), ("wrr", "wrr")))
def scheduler_exchanged_while_it_runs(d, row):
    before, after = row
    start(d, before, (1, 2, 3))
    picks(d, range(40000, 40005))
    d.ipvsadm(f"-E -t {VIP}:80 -s {after}")
    picks(d, range(40010, 40022))
    d.counts()


@case(rows=("rr", "wrr", "lc", "wlc"))
def udp_is_scheduled_the_same_way(d, scheduler):
    d.wires()
    d.ipvsadm(f"-A -u {VIP}:53 -s {scheduler}")
    for number in (11, 12, 13):
        d.ipvsadm(f"-a -u {VIP}:53 -r 10.2.0.{number}:53 -m -w {number - 10}")
    for port in range(1000, 1012):
        d.send("client", packet.udp(CLIENT, port, VIP, 53), f"from {port}")
    d.counts()
