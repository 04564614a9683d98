# SPDX-License-Identifier: GPL-2.0
"""Packets that go past all servers to where they were going, and methods that nothing transmits.

Only a service chosen by firewall mark gets packets for other hosts, by a rule that has them routed to this host.
"""
import genl
import packet
import topology
from cases import case
from packet import SYN
from topology import PLANS

ELSEWHERE = {4: "10.2.0.12", 6: "fd02::12"}


def start(d, plan, value="1"):
    d.wires(plan)
    d.sysctl("cache_bypass", value)
    six = " -6" * (plan.family == 6)
    d.control(f"-A -f 7{six} -s rr")
    d.rules("table inet t { chain c { type filter hook prerouting priority -150; iifname eth0 meta l4proto { tcp, udp } meta mark set 7; }; }\n")
    ip = "ip -6" if plan.family == 6 else "ip"
    # What is marked ends at this host, whatever its address; what this host sends is not marked.
    d.run(f"{ip} rule add fwmark 7 lookup 100")
    d.run(f"{ip} route add local {'::/0' if plan.family == 6 else '0.0.0.0/0'} dev lo table 100")
    return six


@case(rows=tuple(f"{family}, {value}" for family in PLANS for value in (0, 1)))
def no_server_takes_it(d, row):
    family, value = row.split(", ")
    plan = PLANS[family]
    start(d, plan, value)
    client, there = plan.clients[0], ELSEWHERE[plan.family]
    d.send("client", packet.udp(client, 40000, there, 80, b"request"))
    d.send("client", packet.udp(client, 40000, there, 80, b"again"))
    d.send("client", packet.tcp(client, 40000, there, 80, SYN))
    d.send("client", packet.udp(client, 40001, there, 80, b"last", ttl=1))
    d.counts()
    d.ipvsadm("-Lnc")


@case(rows=PLANS)
def to_this_host_or_many(d, family):
    plan = PLANS[family]
    start(d, plan)
    client = plan.clients[0]
    d.send("client", packet.udp(client, 40000, plan.vips[0], 80, b"request"))
    d.send("client", packet.udp(client, 40000, plan.far, 80, b"request"))
    d.counts()


@case(rows=PLANS)
def no_way_there(d, family):
    plan = PLANS[family]
    start(d, plan)
    d.send("client", packet.udp(plan.clients[0], 40000, "fd77::1" if plan.family == 6 else "10.77.0.1", 80, b"request"))
    d.counts()


@case(rows=PLANS)
def a_server_comes(d, family):
    plan = PLANS[family]
    six = start(d, plan)
    client, there = plan.clients[0], ELSEWHERE[plan.family]
    d.send("client", packet.udp(client, 40000, there, 80, b"request"))
    d.ipvsadm(f"-a -f 7{six} -r {plan.end(plan.servers[0], 0)} -g")
    d.send("client", packet.udp(client, 40000, there, 80, b"request"))
    d.send("client", packet.udp(client, 40001, there, 80, b"request"))
    d.counts()


@case
def packet_that_is_too_long(d):
    start(d, topology.IPV4)
    d.run("ip link set eth1 mtu 1000")
    for fragment in (0x4000, 0):
        d.send("client", packet.udp("10.1.0.2", 40000, "10.2.0.12", 80, bytes(1200), frag=fragment))


@case
def errors_about_it(d):
    start(d, topology.IPV4)
    client, there = "10.1.0.2", "10.2.0.12"
    d.send("client", packet.udp(client, 40000, there, 80, b"request"))
    d.send("servers", packet.icmp("10.2.0.15", client, 3, 1, 0, packet.udp(client, 40000, there, 80, b"request")))
    d.send("client", packet.icmp(client, there, 3, 3, 0, packet.udp(there, 80, client, 40000, b"answer")))
    d.counts()


@case(rows=tuple(f"{family}: {method} {place}" for family in PLANS for method in range(8) for place in ("there", "here")))
def raw_method(d, row):
    family, method, place = row.replace(":", "").split()
    plan = PLANS[family]
    d.wires(plan)
    client, vip = plan.clients[0], plan.vips[0]
    server = plan.servers[0] if place == "there" else vip
    number, unreachable = (10, (1, 4)) if plan.family == 6 else (2, (3, 3))
    service = {"AF": genl.u16(number), "PROTOCOL": genl.u16(17), "ADDR": genl.address(vip), "PORT": genl.port(80),
               "NETMASK": genl.u32(128 if plan.family == 6 else 0xFFFFFFFF)}
    d.request("a service", genl.NEW_SERVICE, genl.service(**service))
    d.request(f"method {method}", genl.NEW_DEST, genl.service(**service),
              genl.dest(ADDR=genl.address(server), PORT=genl.port(80), FWD_METHOD=genl.u32(int(method))))
    d.ipvsadm("-Ln")
    d.send("client", packet.udp(client, 40000, vip, 80, b"request"))
    d.send("client", packet.udp(client, 40000, vip, 80, b"request", ttl=1))
    d.send("client", packet.icmp(client, vip, *unreachable, 0, packet.udp(vip, 80, client, 40000, b"answer")))
    d.send("servers", packet.udp(vip, 80, client, 40000, b"answer"))
    d.proc("ip_vs_conn")
    d.counts()
