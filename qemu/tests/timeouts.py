# SPDX-License-Identifier: GPL-2.0
"""Connections whose packets come just as their time is over: the timers of ip_vs are late, and keepalives rely on that."""
import functools

import packet
import serving
from cases import case
from packet import ACK, SYN
from serving import CLIENT, OTHER_SERVER, SERVER, VIP

start = functools.partial(serving.start, servers=(SERVER, OTHER_SERVER))


def ask(d, sport=40000):
    d.send("client", packet.udp(CLIENT, sport, VIP, 80, b"x"), f"UDP from {sport}")


def open_tcp(d, sport=40000):
    for flags in (SYN, ACK):
        d.send("client", packet.tcp(CLIENT, sport, VIP, 80, flags, ack=1), f"{flags:#x} from {sport}")


@case
def keepalives_of_300_seconds_by_udp(d):
    start(d)
    ask(d)
    ask(d, 40001)
    for _ in range(4):
        d.quiet(300)
        ask(d)
        d.counts()


@case
def keepalives_of_900_seconds_by_tcp(d):
    start(d)
    open_tcp(d)
    open_tcp(d, 40001)
    for _ in range(3):
        d.quiet(900)
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK, ack=1), "ACK from 40000")
        d.counts()


@case
def all_are_gone_in_the_end(d):
    start(d)
    d.control("--set 200 100 140")
    open_tcp(d)
    ask(d)
    open_tcp(d, 40001)
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, packet.FIN | ACK, ack=1), "FIN")
    for seconds, title in ((55, "55 s later"), (10, "CLOSE_WAIT is over"), (70, "UDP has 5 s left"), (25, "UDP is over"), (35, "35 s later"),
                           (25, "all are over")):
        d.quiet(seconds)
        d.counts(title)


def listed(d):
    """Returns the seconds that are left to each connection."""
    return [int(line.split()[-1]) for line in d.read("/proc/thread-self/net/ip_vs_conn").splitlines()[1:]]


@case(only=("rvs",), rows=((100, 1), (140, 8), (300, 8)))
def connections_stay_for_a_while_when_their_time_is_over(d, row):
    seconds, more = row
    start(d)
    d.control(f"--set 0 0 {seconds}")
    ask(d)
    d.quiet(seconds - 0.5)
    d.expect("less than a second is left", listed(d) == [0])
    d.quiet(more)
    d.expect("its time is over and it is listed", listed(d) == [0])
    ends = [line.split()[-1] for line in d.read("/proc/thread-self/net/ip_vs").splitlines()]
    d.expect("it counts as inactive", sum(map(int, filter(str.isdigit, ends))) == 1)
    d.quiet(3)
    d.expect("it is gone", listed(d) == [])
