# SPDX-License-Identifier: GPL-2.0
"""Which chains of netfilter see a packet before it is handled: ip_vs has two places in each hook, rvs one."""
import re

import packet
import topology
from cases import case

# Where each module handles what the case of a hook sends.
PLACES = {"input": {"ip_vs": 98, "rvs": 99}, "output": {"ip_vs": -99, "rvs": -98}, "forward": {"ip_vs": 99, "rvs": 100}}
CHAIN = "add table {0} {1}; add chain {0} {1} c {{ type filter hook {2} priority {3}; }}; add rule {0} {1} c {4} counter"
MARK = "table {0} t {{ chain c {{ type filter hook prerouting priority -150; {0} daddr {1} meta mark set 7; }}; }}\n"
SOCKET = "import socket; s = socket.socket(socket.AF_INET{0}, socket.SOCK_DGRAM); s.bind({1}); "
ASK = SOCKET + "s.sendto(b'query', ('{2}', 53))"
ANSWER = SOCKET + "print('ready', flush=True); s.sendto(b'answer', s.recvfrom(100)[1])"
FAMILIES = {"ip": topology.IPV4, "ip6": topology.IPV6}


def python(plan, code, address, port):
    """Returns the command of a program with a socket of the family."""
    return ["python3", "-c", code.format("6" if plan.family == 6 else "", (address, port), plan.vips[0])]


def put(d, end, data, near=None):
    """Puts a packet on a wire and lets what comes of it pass."""
    plan = d.plan
    address, source = (plan.near, plan.clients[0]) if end == "client" else (plan.far, plan.servers[0])
    d.ends[end].send(topology.mac(address), topology.mac(source), data)
    d.wait("the packet to be handled", near, 5) if near else d.quiet(0.1)


def reply_that_ends_here(d, plan):
    """The director is the client."""
    d.execute(python(plan, ASK, plan.near, 1053))
    put(d, "servers", packet.udp(plan.servers[0], 5353, plan.near, 1053, b"answer"))


def reply_that_begins_here(d, plan):
    """The director is the server."""
    process = d.start(python(plan, ANSWER, plan.far, 5353), "director")
    process.stdout.readline()
    query = packet.udp(plan.clients[0], 1053, plan.vips[0], 53, b"query")
    put(d, "client", query, lambda: process.poll() is not None)


def behind(plan):
    """Returns an address behind the director, which a mark makes a service."""
    return plan.servers[4]


def error_that_passes_through(d, plan):
    """A client's error for a server behind the director."""
    client, server = plan.clients[0], behind(plan)
    kind, code = (1, 4) if plan.family == 6 else (3, 3)
    put(d, "client", packet.icmp(client, server, kind, code, 0, packet.udp(server, 53, client, 1053, b"answer")))


# Per hook: whether the director is the server, what the packet is before it is handled, and what sends it.
ROWS = {"input": (False, "{0} saddr {1} udp sport 5353", reply_that_ends_here),
        "output": (True, "{0} saddr {1} udp sport 5353", reply_that_begins_here),
        "forward": (False, "{0} saddr {2} {3} type destination-unreachable", error_that_passes_through)}


def chain(d, family, name, place):
    hook, priority = place
    plan, (is_here, rule, _) = FAMILIES[family], ROWS[hook]
    sender = plan.far if is_here else plan.servers[0]
    rule = rule.format(family, sender, plan.clients[0], "icmpv6" if plan.family == 6 else "icmp")
    d.rules(CHAIN.format(family, name, hook, priority, rule))


def seen(d, family, name):
    """Returns whether a chain has seen the packet as it was before it was handled."""
    return int(re.search(r"packets (\d+)", d.execute(f"nft list table {family} {name}")[1]).group(1)) > 0


@case(rows=tuple((family, hook, min(places.values()) + offset) for family in FAMILIES for hook, places in PLACES.items() for offset in (-1, 0, 1, 2)))
def which_chain_sees_it_first(d, row):
    """Of two chains at the same place the one that was made later comes first."""
    family, hook, priority = row
    plan, (is_here, _, send) = FAMILIES[family], ROWS[hook]
    vip, server = plan.end(plan.vips[0], 53), plan.end(plan.far if is_here else plan.servers[0], 5353)
    d.wires(plan)
    d.sysctl("schedule_icmp", 1)
    d.rules(MARK.format(family, behind(plan)))
    chain(d, family, "early", (hook, priority))
    mark = "-f 7 -6" if plan.family == 6 else "-f 7"
    d.control(f"-A -u {vip} -s rr", f"-a -u {vip} -r {server} -m", f"-A {mark} -s rr", f"-a {mark} -r {server} -m")
    chain(d, family, "late", (hook, priority))
    send(d, plan)
    place = PLACES[hook][d.module]
    d.expect("the early chain sees it where the module comes later", seen(d, family, "early") == (priority < place))
    d.expect("so does the late chain, and at the same place", seen(d, family, "late") == (priority <= place))
