# SPDX-License-Identifier: GPL-2.0
"""Which chains of netfilter see a packet before it is handled: ip_vs has two places in each hook, rvs one."""
import re

import packet
import topology
from cases import case

CLIENT, VIP, BEHIND, SERVER, HERE = "10.1.0.2", "10.9.0.1", "10.2.0.15", "10.2.0.11", "10.2.0.1"
# Where each module handles what the case of a hook sends.
PLACES = {"input": {"ip_vs": 98, "rvs": 99}, "output": {"ip_vs": -99, "rvs": -98}, "forward": {"ip_vs": 99, "rvs": 100}}
CHAIN = "add table ip {0}; add chain ip {0} c {{ type filter hook {1} priority {2}; }}; add rule ip {0} c ip saddr {3} {4} counter"
MARK = f"table ip t {{ chain c {{ type filter hook prerouting priority -150; ip daddr {BEHIND} meta mark set 7; }}; }}\n"
SOCKET = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind({}); "
ASK = SOCKET.format(("10.1.0.1", 1053)) + f"s.sendto(b'query', ('{VIP}', 53))"
ANSWER = SOCKET.format((HERE, 5353)) + "print('ready', flush=True); s.sendto(b'answer', s.recvfrom(100)[1])"


def put(d, end, near, data):
    """Puts a packet on a wire and lets what comes of it pass."""
    address, source = ("10.1.0.1", CLIENT) if end == "client" else (HERE, SERVER)
    d.ends[end].send(topology.mac(address), topology.mac(source), data)
    d.wait("the packet to be handled", near, 5) if near else d.quiet(0.1)


def reply_that_ends_here(d):
    """The director is the client."""
    d.execute(["python3", "-c", ASK])
    put(d, "servers", None, packet.udp(SERVER, 5353, "10.1.0.1", 1053, b"answer"))


def reply_that_begins_here(d):
    """The director is the server."""
    process = d.start(["python3", "-c", ANSWER], "director")
    process.stdout.readline()
    put(d, "client", lambda: process.poll() is not None, packet.udp(CLIENT, 1053, VIP, 53, b"query"))


def error_that_passes_through(d):
    """A client's error for a server behind the director, whose address a mark makes a service."""
    put(d, "client", None, packet.icmp(CLIENT, BEHIND, 3, 3, 0, packet.udp(BEHIND, 53, CLIENT, 1053, b"answer")))


# Per hook: the server, what the packet is sent from before it is handled, and what sends it.
ROWS = {"input": (SERVER, f"{SERVER} udp sport 5353", reply_that_ends_here),
        "output": (HERE, f"{HERE} udp sport 5353", reply_that_begins_here),
        "forward": (SERVER, f"{CLIENT} icmp type destination-unreachable", error_that_passes_through)}


def chain(d, name, hook, priority):
    d.rules(CHAIN.format(name, hook, priority, *ROWS[hook][1].split(" ", 1)))


def seen(d, name):
    """Returns whether a chain has seen the packet as it was before it was handled."""
    return int(re.search(r"packets (\d+)", d.execute(f"nft list table ip {name}")[1]).group(1)) > 0


@case(rows=tuple((hook, place + offset) for hook, places in PLACES.items() for place in sorted(places.values())[:1] for offset in (-1, 0, 1, 2)))
def which_chain_sees_it_first(d, row):
    """Of two chains at the same place the one that was made later comes first."""
    hook, priority = row
    server, _, send = ROWS[hook]
    d.wires()
    d.sysctl("schedule_icmp", 1)
    d.rules(MARK)
    chain(d, "early", hook, priority)
    d.control(f"-A -u {VIP}:53 -s rr", f"-a -u {VIP}:53 -r {server}:5353 -m", "-A -f 7 -s rr", f"-a -f 7 -r {server}:5353 -m")
    chain(d, "late", hook, priority)
    send(d)
    place = PLACES[hook][d.module]
    d.expect("the early chain sees it where the module comes later", seen(d, "early") == (priority < place))
    d.expect("so does the late chain, and at the same place", seen(d, "late") == (priority <= place))
