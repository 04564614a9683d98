# SPDX-License-Identifier: GPL-2.0
"""A client on the director whose packets fail on their way to a server: what its program is told, what comes out of the wires."""
import re
import time

import serving
from cases import case
from serving import FAMILIES_AND_METHODS
from topology import PLANS

# IP_MTU_DISCOVER and IPV6_MTU_DISCOVER take the same words.
DISCOVERS = {"dont": 0, "want": 1, "do": 2}
# A program with one socket: what each of its datagrams, or its call, comes to.
BEGIN = ("import errno, socket\n"
         "six = ':' in '{address}'\n"
         "def opened(kind, port, hops=0, discovers=None):\n"
         "    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)\n"
         "    if hops:\n"
         "        s.setsockopt(*((41, 16) if six else (0, 2)), hops)\n"
         "    if discovers is not None:\n"
         "        s.setsockopt(*((41, 23) if six else (0, 10)), discovers)\n"
         "    s.bind(('{own}', port))\n"
         "    s.settimeout(0.3)\n"
         "    return s\n"
         "def tell(what, call):\n"
         "    try:\n"
         "        print(what, call())\n"
         "    except TimeoutError:\n"
         "        print(what, 'nothing')\n"
         "    except OSError as error:\n"
         "        print(what, errno.errorcode[error.errno])\n")
DATAGRAMS = ("s = opened(socket.SOCK_DGRAM, {port}, {hops}, {discovers})\n"
             "s.connect(('{address}', 80))\n"
             "for size in {sizes}:\n"
             "    tell(f'send {{size}}', lambda: s.send(bytes(size)))\n"
             "    tell('answer', lambda: s.recv(1))\n"
             "tell('mtu', lambda: s.getsockopt(*((41, 24) if six else (0, 14))))\n")
CALL = ("s = opened(socket.SOCK_STREAM, {port}, {hops})\n"
        "tell('connect', lambda: s.connect(('{address}', 80)))\n"
        "s.close()\n")


def start(d, row, vip="", weight=1):
    """Builds the wires and services of both protocols with one server; returns the plan."""
    family, method = row.split()[:2]
    plan = PLANS[family]
    serving.start(d, plan=plan, method=method, server_port=8080, address=vip, limits=f"-w {weight}")
    return plan


def came_out(d):
    """Writes down what came out, without what sockets of this host draw by lot."""
    time.sleep(0.02)
    for name, end in d.ends.items():
        for line in end.received():
            line = re.sub(r" id \d+ ", " id * ", line)
            d.say(f"  {name} < " + re.sub(r"(tcp \d+>\d+ \S+) seq .*", r"\1", line))


def ask(d, code, **values):
    """Runs a program on the director."""
    values = {"own": d.plan.near, "address": d.plan.vips[0], "port": 40000, "hops": 0, "discovers": None, "sizes": (5, 5), **values}
    _, output = d.execute(["python3", "-c", (BEGIN + code).format(**values)])
    d.say(output)
    came_out(d)


def both(d, **values):
    """Sends datagrams and calls."""
    ask(d, DATAGRAMS + CALL, **values)


@case(rows=FAMILIES_AND_METHODS)
def no_server(d, row):
    start(d, row, weight=0)
    both(d)
    d.proc("ip_vs")


@case(rows=FAMILIES_AND_METHODS)
def no_way_to_the_server(d, row):
    plan = start(d, row)
    for kind in ("unreachable", "prohibit", "blackhole"):
        d.run(f"ip route add {kind} {plan.servers[0]}/{plan.host}")
        both(d)
        d.run(f"ip route del {kind} {plan.servers[0]}/{plan.host}")
    d.proc("ip_vs")


@case(rows=FAMILIES_AND_METHODS)
def no_hop_left(d, row):
    start(d, row)
    for hops in (1, 2):
        both(d, hops=hops)
    d.proc("ip_vs")


@case(rows=tuple(f"{row} {discovers}" for row in FAMILIES_AND_METHODS for discovers in DISCOVERS))
def datagrams_larger_than_the_way(d, row):
    start(d, row)
    discovers = DISCOVERS[row.split()[2]]
    ask(d, DATAGRAMS, discovers=discovers, sizes=(4000, 4000, 4000))
    d.run("ip link set eth1 mtu 1300")
    ask(d, DATAGRAMS, discovers=discovers, sizes=(1400, 1400, 1200), port=40001)
    d.proc("ip_vs")


@case(rows=FAMILIES_AND_METHODS)
def address_of_the_service_is_loopback(d, row):
    loopback = "::1" if row.startswith("IPv6") else "127.0.0.1"
    plan = start(d, row, loopback)
    for own in (loopback, plan.near):
        both(d, own=own, address=loopback)
    d.proc("ip_vs")
