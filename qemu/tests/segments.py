# SPDX-License-Identifier: GPL-2.0
"""Packets of many segments, which are cut late: datagrams of UDP by each method, packets of SCTP through a tunnel."""
import re

import packet
import serving
import topology
from cases import case
from packet import UDP
from sctp_live import ask, over, serve
from topology import IPV4, PLANS
from tunnel_hosts import unpacks
from tunnel_packets import KINDS

METHODS = {"nat": "-m", "direct": "-g", **{name: f"-i {options}" for name, options in KINDS.items()}}
DF = 0x4000
SIZES = (1000, 1440, 1472)


@case(rows=tuple(f"{family} {method}" for family in PLANS for method in METHODS))
def of_udp(d, row):
    family, method = row.split()
    plan = PLANS[family]
    client, vip, server = serving.ends(plan)[:3]
    serving.start(d, plan=plan, letters="-u", method=METHODS[method], server_port=8080)

    def send(side, size, **more):
        ends = (client, 40000, vip, 80) if side == "client" else (server, 8080, client, 40000)
        data = packet.udp(*ends, bytes(range(250)) * 16, mode="partial", **more)
        d.send(side, data, f"4000 bytes in segments of {size}, {more} from the {side}", partial=UDP, segment=size)

    for size in SIZES:
        for more in ({}, {"frag": DF}) if plan.family == 4 else ({},):
            send("client", size, **more)
            if method == "nat":
                send("servers", size, **more)
    send("client", 1000, ttl=1)
    d.run("ip link set eth1 mtu 1300")
    send("client", 1000)
    send("client", 1400, **({"frag": DF} if plan.family == 4 else {}))
    d.counts()


@case(rows=("on", "off"))
def of_sctp_through_a_tunnel(d, sums):
    d.hosts(1, 1)
    vip, server = IPV4.vips[0], IPV4.servers[0]
    # An answer from the virtual address is none that the director, which has it, would send on.
    topology.batch([f"route add {IPV4.near_network} dev eth0", f"address add {vip}/32 dev lo"], "server1")
    unpacks(d, "ipip 4in4", server)
    serve(d, "server1", vip, 80)
    d.control(f"-A --sctp-service {vip}:80 -s rr", f"-a --sctp-service {vip}:80 -r {server}:80 -i")
    d.run(f"ethtool -K eth0 tx-checksum-sctp {sums}")
    for number in range(2):
        ask(d, "client1", 41000 + number, 100000)
    # What a socket calls its peer once the association ends is left to chance.
    d.lines = [re.sub(r"True \('10[^)]*\)", "True", line) for line in d.lines]
    d.expect("all of it comes back", sum("True" in line for line in d.lines) == 2)
    over(d)
