# SPDX-License-Identifier: GPL-2.0
"""Schedulers choose among servers of both families in one service, which its packets reach through tunnels."""
import packet
import topology
from cases import case
from packet import SYN
from topology import IPV4, IPV6, PLANS

FAMILIES = tuple(PLANS)
# With their options. What `twos` draws is its own: the servers that it has are compared, not their order.
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "sh -b sh-port", "sh -b sh-fallback", "mh", "mh -b mh-port",
              "mh -b mh-fallback", "twos")
ROWS = tuple(f"{family} {scheduler}" for family in FAMILIES for scheduler in SCHEDULERS)
# Of the servers of both families alternately, with their weights.
WEIGHTS = (1, 3, 2, 1, 2, 3)


def servers():
    """Returns (plan, address, weight) of each server: IPv4's .11, IPv6's ::11, and so on."""
    plans = (IPV4, IPV6)
    return [(plans[number % 2], plans[number % 2].servers[number // 2], weight) for number, weight in enumerate(WEIGHTS)]


def start(d, row):
    family, scheduler = row.split(" ", 1)
    plan = PLANS[family]
    d.wires(plan, *(other for other in PLANS.values() if other is not plan))
    service = plan.end(plan.vips[0], 80)
    d.ipvsadm(f"-A -t {service} -s {scheduler}")
    for other, address, weight in servers():
        d.ipvsadm(f"-a -t {service} -r {other.end(address, 80)} -i -w {weight}")
    return service


def picks(d, row, ports):
    """Sends a SYN from each port, by clients in turn, and writes down which server got it."""
    plan = d.plan
    names = {topology.mac(address): address for _, address, _ in servers()}
    chosen = []
    for port in ports:
        client = plan.clients[port % len(plan.clients)]
        d.ends["client"].send(topology.mac(plan.near), topology.mac(client), packet.tcp(client, port, plan.vips[0], 80, SYN))
        found = d.ends["servers"].received() or ["to -"]
        chosen.append(" ".join(names.get(line.split()[1], "none") for line in found))
    d.ends["client"].received()
    d.say(" ".join(sorted(set(chosen)) if "twos" in row else chosen))
    return set(chosen)


@case(rows=ROWS)
def choices(d, row):
    service = start(d, row)
    # Where the choice is drawn by lot, so many that every server is drawn.
    many = 200 if "twos" in row else 48
    chosen = picks(d, row, range(40000, 40000 + many))
    if row.split()[1] in ("rr", "wrr", "wlc", "mh", "twos"):
        d.expect("servers of both families are chosen", {":" in address for address in chosen} == {True, False})
    _, address, _ = servers()[1]
    d.control(f"-e -t {service} -r {IPV6.end(address, 80)} -i -w 0", f"-d -t {service} -r {IPV4.end(IPV4.servers[1], 80)}")
    chosen = picks(d, row, range(40300, 40300 + many))
    d.expect("not the one that was removed", IPV4.servers[1] not in chosen)
    if "twos" not in row:
        d.counts()


@case(rows=FAMILIES)
def clients_stay_with_servers_of_either_family(d, family):
    service = start(d, f"{family} rr")
    d.ipvsadm(f"-E -t {service} -s rr -p 100")
    picks(d, "rr", range(40000, 40024))
    d.counts()
