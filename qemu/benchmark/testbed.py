# SPDX-License-Identifier: GPL-2.0
"""One director for measuring: a namespace with a tap that packets come from and two dummy devices that swallow them.

    tap `wire` (all frames come in here) --> | director | --> dummy `out1` 10.1.0.0/16, fd01::/64 (clients)
                                                          --> dummy `out2` 10.2.0.0/16, fd02::/64 (servers)
"""
import dataclasses
import time

import sender
import topology
from topology import must, run

# More clients and servers than scenarios have, and one virtual address.
PLANS = {4: dataclasses.replace(topology.IPV4, prefix=16, vips=topology.IPV4.vips[:1]),
         6: dataclasses.replace(topology.IPV6, vips=topology.IPV6.vips[:1])}
CLIENT = {family: plan.clients[0] for family, plan in PLANS.items()}
VIP = {family: plan.vips[0] for family, plan in PLANS.items()}
# Hardware addresses: the tap's own, another machine's, and that of what sends to the tap.
TAP, FOREIGN, SENDER = "02:00:00:00:00:01", "02:00:00:00:00:ee", "02:00:00:00:00:02"
METHODS = {"DR": "-g", "NAT": "-m", "tunnel": "-i"}
PROTOCOLS = {"UDP": "-u", "TCP": "-t", "SCTP": "--sctp-service"}
CONNTRACK = """table inet track {
    chain input { type filter hook input priority 300; ct state established accept; }
}"""
# Seconds after a director, so that what is freed in the background does not fall into the next rows; virtual time is free.
SETTLE = 5
COUNT = 0


class NotServed(Exception):
    """The module refuses what a row needs."""


class Testbed:
    """A director of its own for a few rows; the connections of one testbed never meet those of another."""

    def __init__(self, conntrack=False):
        global COUNT
        COUNT += 1
        self.name, self.conntrack = f"director{COUNT}", conntrack
        topology.add(self.name)
        topology.families([self.name], PLANS.values())
        self.sender = sender.Sender(self.name)
        topology.batch([
            "link set lo up", "link add out1 type dummy", "link add out2 type dummy", f"link set wire address {TAP}",
            "link set wire up", "link set out1 up", "link set out2 up",
            *(line for plan in PLANS.values() for line in plan.addresses("out1", "out2"))], self.name)
        topology.router(self.name, ("wire",), PLANS.values())
        if conntrack:
            must(["nft", "-f", "-"], self.name, CONNTRACK)

    def close(self):
        self.sender.close()
        topology.remove([self.name])
        time.sleep(SETTLE)

    def serve(self, *row, services=1, scheduler="rr"):
        """Makes the service of rows (family, protocol, method) with one server, among others."""
        family, protocol, method = row
        self.setting("conntrack", int(self.conntrack))
        kind, plan = PROTOCOLS[protocol], PLANS[family]
        vip = plan.end(VIP[family], 80)
        self.control(f"-A {kind} {vip} -s {scheduler}")
        self.control(f"-a {kind} {vip} -r {plan.end(plan.server(0), 80)} {METHODS[method]} -w 1")
        self.restore([f"-A {kind} {plan.end(VIP[family], 10000 + number)} -s rr" for number in range(services - 1)])

    def control(self, arguments):
        """Runs ipvsadm once; a refusal is that of a module that does not serve this yet."""
        status, output = run(["ipvsadm", *arguments.split()], self.name)
        if status:
            raise NotServed(output.strip() or "refused")

    def restore(self, lines):
        """Runs many commands of ipvsadm."""
        if lines:
            must(["ipvsadm", "-R"], self.name, "\n".join(lines) + "\n")

    def setting(self, name, value):
        """Sets a sysctl of the module."""
        topology.set_sysctl(self.name, f"net/ipv4/vs/{name}", value)

    def sent(self):
        """Returns how many packets left through each dummy device."""
        with topology.inside(self.name), open("/proc/thread-self/net/dev") as file:
            rows = [line.split() for line in file]
        return {row[0].strip(":"): int(row[10]) for row in rows if row[0].startswith("out")}

    def replies(self):
        """Returns how many packets the module counts as answers of servers."""
        with topology.inside(self.name), open("/proc/thread-self/net/ip_vs_stats_percpu") as file:
            return int(file.readlines()[2].split()[3], 16)


def server(family, number):
    """Returns the address of a real server."""
    return PLANS[family].server(number)
