# SPDX-License-Identifier: GPL-2.0
"""Policies of IPsec on the way to a server: a route to it is one that the policies allow."""
import packet
from cases import case
from local_failures import both, start
from packet import ACK, SYN
from serving import FAMILIES_AND_METHODS
from topology import PLANS


def policy(d, source, target, way="out"):
    """Adds a policy that lets nothing pass."""
    d.run(f"ip xfrm policy add dir {way} src {source} dst {target} action block")


def everything(plan):
    return "::/0" if plan.family == 6 else "0.0.0.0/0"


def request(d, port=40000):
    plan = d.plan
    d.send("client", packet.tcp(plan.clients[0], port, plan.vips[0], 80, SYN))
    d.send("client", packet.udp(plan.clients[0], port, plan.vips[0], 80, b"request"))


def told(d):
    """Writes down what the namespace has counted of policies and of routes that were missing."""
    for name in ("xfrm_stat", "snmp6"):
        lines = d.read(f"/proc/thread-self/net/{name}").splitlines()
        d.say(f"{name}: " + "; ".join(" ".join(line.split()) for line in lines if line.startswith(("Xfrm", "Icmp6OutDestU", "Ip6OutNoRoutes"))
                                      and line.split()[-1] != "0"))
    rows = [line.split() for line in d.read("/proc/thread-self/net/snmp").splitlines()]
    counted = {name: value for names, values in zip(rows[::2], rows[1::2]) for name, value in zip(names, values)}
    d.say(f"snmp: {counted['OutNoRoutes']} without a route, {counted['OutDestUnreachs']} unreachable")


# Between which networks a policy lets nothing pass, and whether going out or through.
POLICIES = {
    "towards the server": lambda plan: (everything(plan), f"{plan.servers[0]}/{plan.host}"),
    "towards the address of the service": lambda plan: (everything(plan), f"{plan.vips[0]}/{plan.host}"),
    "of the client": lambda plan: (f"{plan.clients[0]}/{plan.host}", everything(plan)),
    "of the client, through": lambda plan: (f"{plan.clients[0]}/{plan.host}", everything(plan), "fwd"),
    # The director's address towards the server is the source of what goes into a tunnel.
    "of this host": lambda plan: (f"{plan.far}/{plan.host}", everything(plan)),
}


@case(rows=tuple((f"{name}: {row}", name, row) for name in POLICIES for row in FAMILIES_AND_METHODS))
def requests(d, row):
    _, name, row = row
    plan = start(d, row)
    request(d)
    policy(d, *POLICIES[name](plan))
    request(d)
    request(d, 40001)
    told(d)
    d.counts()
    d.run("ip xfrm policy flush")
    request(d)
    d.counts()


@case(rows=FAMILIES_AND_METHODS)
def client_on_this_host(d, row):
    plan = start(d, row)
    policy(d, everything(plan), f"{plan.servers[0]}/{plan.host}")
    both(d)
    told(d)
    d.proc("ip_vs")


@case(rows=tuple(PLANS))
def answers_of_the_server(d, family):
    plan = start(d, f"{family} -m")
    request(d)
    policy(d, everything(plan), f"{plan.clients[0]}/{plan.host}")
    d.send("servers", packet.tcp(plan.servers[0], 8080, plan.clients[0], 40000, SYN | ACK, ack=1))
    d.sysctl("snat_reroute", 0)
    d.send("servers", packet.tcp(plan.servers[0], 8080, plan.clients[0], 40000, ACK, ack=1))
    told(d)
    d.counts()
