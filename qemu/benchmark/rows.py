#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The names of the packet rows, which the tables show and `make profile ROW=…` takes, and what else that takes."""
import itertools
import sys

# What a row is found by.
KEY = ("family", "protocol", "method", "kind", "conntrack", "services")
METHODS, PROTOCOLS = ("DR", "NAT", "tunnel"), ("UDP", "TCP", "SCTP")
SERVER_KINDS = ("reply", "error from server", "reply without re-route")
# What `make profile` can count besides packets, and what it counts there.
CONTROL = {"listing": "line of /proc/net/ip_vs_conn", "services": "line of /proc/net/ip_vs", "restore": "command of ipvsadm -R",
           "list": "server of ipvsadm -Ln", "flush": "server of ipvsadm -C"}
CHANGES = {f"one of {many:,} with {scheduler}": (scheduler, many) for scheduler, many in (
    ("mh", 1000), ("mh", 100), ("mh, mixed weights", 1000), ("sh", 1000), ("dh", 1000), ("wrr", 1000), ("wlc", 1000))}


def kinds_of(method):
    """Returns the rows of a forwarding method: answers come back through the director with NAT only."""
    return ("established", "error from client") + (SERVER_KINDS if method == "NAT" else ()) + ("new",)


def configurations():
    """Yields what the rows of one director have in common: family, protocol, method, conntrack, services."""
    for family, protocol, method in itertools.product((4, 6), PROTOCOLS, METHODS):
        for conntrack, services in itertools.product((False, True), (1, 1000)):
            yield family, protocol, method, conntrack, services


def few():
    """Yields the configurations that are measured on a foreign machine, whose emulation is slow."""
    return [one for one in configurations() if one[0] == 4 and one[1] != "SCTP" and one[2] != "tunnel" and not one[3] and one[4] == 1]


def title(*key):
    """Returns the name of a row."""
    family, protocol, method, kind, conntrack, services = key
    return (f"IPv{family} {protocol} {method} {kind}" + (", conntrack" if conntrack else "")
            + (f", {services:,} services" if services > 1 else ""))


def find(name):
    """Returns the row of a name."""
    for family, protocol, method, conntrack, services in configurations():
        for kind in kinds_of(method):
            if title(family, protocol, method, kind, conntrack, services).lower() == name.strip().lower():
                return family, protocol, method, kind, conntrack, services
    raise SystemExit(f"there is no row “{name.strip()}”; `make profile` without ROW lists them")


def check(names):
    """Ends with a sentence if one of the names is no row's."""
    for name in filter(None, (name.strip() for name in names.split(";"))):
        if name not in (*CONTROL, *CHANGES):
            find(name)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(check(sys.argv[1]))
    names = [title(*row[:3], kind, *row[3:]) for row in configurations() for kind in kinds_of(row[2])]
    print("make profile ROW=\"…\" takes one of these, or several with semicolons between them:\n")
    print("\n".join("  " + name for name in names))
    print("\nor one of these:\n")
    print("\n".join(f"  {name}: instructions per {what}" for name, what in CONTROL.items()))
    print("\n".join(f"  {name}: instructions per change, removal or addition of a server" for name in CHANGES))
    sys.exit(2)
