# SPDX-License-Identifier: GPL-2.0
"""A kernel that was started without IPv6: either module loads and serves IPv4, and what is asked about IPv6 is refused alike."""
import pathlib

import genl
import modules
import packet
import transcript
from cases import case
from genl import address, dest, port, service, u16, u32
from packet import ACK, SYN
from serving import CLIENT, SERVER, VIP

SIX = dict(AF=u16(10), ADDR=address("fd09::1"), NETMASK=u32(128))


def ask(d):
    """Asks for IPv6 in every way there is."""
    for name, attributes in (("whole", SIX), ("of a mark", {**SIX, "FWMARK": u32(7)}), ("with a wrong prefix", {**SIX, "NETMASK": u32(0)}),
                             ("without settings", {**SIX, "SCHED_NAME": None, "FLAGS": None, "TIMEOUT": None, "NETMASK": None}),
                             ("without a port", {**SIX, "PORT": None})):
        for command in (genl.NEW_SERVICE, genl.SET_SERVICE, genl.GET_SERVICE, genl.ZERO, genl.DEL_SERVICE):
            d.request(f"a service, {name}", command, service(**attributes))
        d.request(f"a server of a service, {name}", genl.NEW_DEST, service(**attributes), dest())
        d.request(f"servers of a service, {name}", genl.GET_DEST, service(**attributes), dump=True)
    d.request("a service of IPv4", genl.NEW_SERVICE, service())
    server = dict(ADDR=address("fd02::11"), PORT=port(80), ADDR_FAMILY=u16(10))
    for name, attributes in (("by NAT", server), ("by a tunnel", {**server, "FWD_METHOD": u32(2)}), ("of no weight", {**server, "WEIGHT": None})):
        for command in (genl.NEW_DEST, genl.SET_DEST, genl.DEL_DEST):
            d.request(f"a server {name}", command, service(), dest(**attributes))
    d.request("services", genl.GET_SERVICE, dump=True)
    d.ipvsadm("-C")


def serve(d):
    """Serves IPv4."""
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:8080 -m")
    found = d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.expect("IPv4 is served", found["servers"])
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.counts()
    d.ipvsadm("-C")


@case(suite="isolated")
def ipv4_is_served_and_ipv6_refused(d):
    d.expect("there is no IPv6", not pathlib.Path("/proc/sys/net/ipv6").exists())
    d.wires()
    seen = []
    for module in ("ip_vs", "rvs"):
        before = len(d.lines)
        modules.load(module)
        ask(d)
        serve(d)
        modules.unload(module)
        seen.append(d.lines[before:])
    d.expect("what is refused is refused for its family", seen[1].count("error EAFNOSUPPORT") > 20)
    d.also("no_ipv6: both modules say the same", transcript.compare(*seen, ("ip_vs", "rvs")))
