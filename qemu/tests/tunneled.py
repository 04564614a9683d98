# SPDX-License-Identifier: GPL-2.0
"""Packets that come to the director inside a tunnel are looked at like others: a tunnel device forgets what was set on the outer one."""
import packet
from cases import case
from packet import SYN
from serving import CLIENT, SERVER, VIP
from topology import IPV4

DIRECTOR = IPV4.near


@case(rows=("0", "1"))
def goes_to_the_server_whatever_ignore_tunneled_is(d, value):
    d.wires()
    d.sysctl("ignore_tunneled", value)
    d.control(f"-A -u {VIP}:80 -s rr", f"-a -u {VIP}:80 -r {SERVER}:8080 -m", f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:80 -g")
    d.run(f"ip link add tunnel type ipip local {DIRECTOR} remote {CLIENT}")
    d.run("ip link set tunnel up")
    for inner in (packet.udp(CLIENT, 1053, VIP, 80, b"query"), packet.tcp(CLIENT, 40000, VIP, 80, SYN)):
        found = d.send("client", packet.ip(CLIENT, DIRECTOR, 4, inner), "inside a tunnel")
        d.expect("it goes to the server", found["servers"])
        d.send("client", inner)
    d.send("client", packet.icmp(CLIENT, VIP, 8, 0, 7, b"ping"))
    d.counts()
