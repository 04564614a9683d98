#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes, edits, lists and deletes services and servers with pyroute2, and prints everything that it is told."""
import errno
import socket

from pyroute2 import IPVS, IPVSDest, IPVSService
from pyroute2.netlink.exceptions import NetlinkError

PERSISTENT, ONE_PACKET = 1, 4
MASQUERADE, TUNNEL, DIRECT = 0, 2, 3
# A prefix of 128 as the number that IPv6 has in the place of a mask, in the order of this machine.
PREFIX_128 = socket.inet_ntoa((128).to_bytes(4, "little"))

WEB = dict(addr="10.9.0.1", port=80, protocol=6)
KEYS = {
    "tcp": WEB, "udp": dict(addr="10.9.0.1", port=53, protocol=17), "sctp": dict(addr="10.9.0.1", port=9, protocol=132),
    "mark": dict(fwmark=7, af=socket.AF_INET, netmask="255.255.255.255"), "tcp6": dict(addr="fd09::1", port=80, protocol=6, netmask=PREFIX_128),
    "mark6": dict(fwmark=8, af=socket.AF_INET6, netmask=PREFIX_128), "no mask": dict(addr="fd09::1", port=81, protocol=6),
    "no port": dict(addr="10.9.0.1", port=0, protocol=6), "unknown protocol": dict(addr="10.9.0.1", port=1, protocol=1),
}
SCHEDULERS = "rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos none nonesuch".split()


def plain(value):
    """Returns an attribute's value as numbers and text, nested ones by the names of theirs."""
    if isinstance(value, dict):
        named = {name: plain(inner) for name, inner in value.get("attrs", [])} if "attrs" in value else {}
        return named | {name: plain(inner) for name, inner in value.items() if name in ("flags", "mask")}
    return value


def tell(title, call):
    """Prints what came of a request: its messages, or the name of its error."""
    try:
        answers = list(call() or ())
    except NetlinkError as error:
        print(f"{title}: {errno.errorcode.get(error.code, error.code)}")
        return
    print(f"{title}: {len(answers)} messages")
    lines = [" ".join(f"{name}={plain(value)}" for name, value in answer.get("attrs", [])) for answer in answers]
    print("\n".join(f"  {line}" for line in sorted(filter(None, lines))))


def services(ipvs):
    for name, key in KEYS.items():
        made = lambda **more: IPVSService(**key, **more)
        tell(f"{name}: get one that is not there", lambda: ipvs.service("get", service=made()))
        tell(f"{name}: add", lambda: ipvs.service("add", service=made(sched_name="rr")))
        tell(f"{name}: add again", lambda: ipvs.service("add", service=made(sched_name="rr")))
        tell(f"{name}: change", lambda: ipvs.service("set", service=made(
            sched_name="wrr", timeout=300, flags={"flags": PERSISTENT, "mask": 0xFFFFFFFF})))
        tell(f"{name}: get", lambda: ipvs.service("get", service=made()))
    tell("all services", lambda: ipvs.service("dump"))


def schedulers(ipvs):
    for number, name in enumerate(SCHEDULERS):
        service = IPVSService(addr="10.9.0.2", port=1000 + number, protocol=6, sched_name=name,
                              flags={"flags": ONE_PACKET * (name == "wrr"), "mask": 0xFFFFFFFF})
        tell(f"scheduler {name}", lambda: ipvs.service("add", service=service))
        tell(f"scheduler {name}", lambda: ipvs.service("get", service=service))


def servers(ipvs):
    service, service6 = IPVSService(**WEB), IPVSService(**KEYS["tcp6"])
    rows = {"plain": dict(addr="10.2.0.11", port=80), "masquerade": dict(addr="10.2.0.12", port=8080, fwd_method=MASQUERADE, weight=7),
            "thresholds": dict(addr="10.2.0.13", port=80, u_thresh=9, l_thresh=3), "gue": dict(
                addr="10.2.0.14", port=80, fwd_method=TUNNEL, tun_type=1, tun_port=0x1B26, tun_flags=1),
            "gre": dict(addr="10.2.0.15", port=80, fwd_method=TUNNEL, tun_type=2), "of IPv6": dict(addr="fd02::11", port=80, fwd_method=TUNNEL),
            "of IPv6, masquerade": dict(addr="fd02::12", port=80, fwd_method=MASQUERADE), "multicast": dict(addr="224.0.0.1", port=80),
            "wrong thresholds": dict(addr="10.2.0.16", port=80, u_thresh=1, l_thresh=3)}
    for family, owner in (("IPv4", service), ("IPv6", service6)):
        for name, row in rows.items():
            tell(f"{family}: {name}: add", lambda: ipvs.dest("add", service=owner, dest=IPVSDest(**row)))
            tell(f"{family}: {name}: change", lambda: ipvs.dest("set", service=owner, dest=IPVSDest(**row | dict(weight=3))))
        tell(f"{family}: servers", lambda: ipvs.dest("dump", service=owner))
        tell(f"{family}: delete", lambda: ipvs.dest("del", service=owner, dest=IPVSDest(**rows["plain"])))
        tell(f"{family}: delete again", lambda: ipvs.dest("del", service=owner, dest=IPVSDest(**rows["plain"])))
    tell("servers of none", lambda: ipvs.dest("dump", service=IPVSService(addr="10.9.0.9", port=80, protocol=6)))


def listed(ipvs):
    """Reads all as the library's page shows it, by objects made from messages."""
    lines = []
    for message in ipvs.service("dump"):
        service = IPVSService.from_message(message)
        lines.append(f"service {sorted((name, plain(value)) for name, value in service.items() if name.islower() and 'stats' not in name)}")
    print("\n".join(sorted(lines)))


def main():
    with IPVS() as ipvs:
        for part in (services, schedulers, servers, listed):
            part(ipvs)
        for name, key in KEYS.items():
            tell(f"{name}: delete", lambda: ipvs.service("del", service=IPVSService(**key)))
        tell("the rest", lambda: ipvs.service("dump"))


if __name__ == "__main__":
    main()
