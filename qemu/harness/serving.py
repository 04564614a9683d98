# SPDX-License-Identifier: GPL-2.0
"""What scenarios begin with: the addresses that they name, and a director between its wires that serves."""
import dataclasses

from topology import IPV4, PLANS, Plan

# A family and a method of forwarding, as the names of cases have them.
FAMILIES_AND_METHODS = tuple(f"{family} {method}" for family in PLANS for method in ("-m", "-g", "-i"))


def ends(plan):
    """Returns what scenarios name of a family's addresses: a client, a virtual address and a server, then another of each."""
    return plan.clients[0], plan.vips[0], plan.servers[0], plan.clients[1], plan.vips[1], plan.servers[1]


CLIENT, VIP, SERVER, OTHER_CLIENT, OTHER_VIP, OTHER_SERVER = ends(IPV4)


@dataclasses.dataclass
class Service:
    """A virtual address that is served, for each protocol of `letters` (`ipvsadm`'s options); its servers are alike.

    service: what is served in place of all that, like "-f 7"; address: the virtual one, unless it is the plan's first.
    servers: their addresses, the first one of the plan if none is named; server_port: their port under NAT, unless it is the service's.
    options: further ones of the service; limits: of each server.
    """

    plan: Plan = IPV4
    letters: str = "-t -u"
    port: int = 80
    service: str = ""
    address: str = ""
    scheduler: str = "rr"
    options: str = ""
    servers: tuple = ()
    server_port: int | None = None
    method: str = "-m"
    limits: str = ""

    def commands(self):
        """Yields what `ipvsadm` is told."""
        virtual = self.plan.end(self.address or self.plan.vips[0], self.port)
        port = self.port if self.server_port is None or self.method != "-m" else self.server_port
        for service in [self.service] if self.service else [f"{letter} {virtual}" for letter in self.letters.split()]:
            yield f"-A {service} -s {self.scheduler} {self.options}".rstrip()
            for server in self.servers or self.plan.servers[:1]:
                yield f"-a {service} -r {self.plan.end(server, port)} {self.method} {self.limits}".rstrip()


def serve(d, **fields):
    """Has the director serve; fields: those of `Service`."""
    d.control(*Service(**fields).commands())


def start(d, *sysctls, **fields):
    """Builds the director between its wires, sets its sysctls (name, value), and has it serve; fields: those of `Service`."""
    service = Service(**fields)
    d.wires(service.plan)
    for name, value in sysctls:
        d.sysctl(name, value)
    d.control(*service.commands())
