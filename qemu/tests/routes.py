# SPDX-License-Identifier: GPL-2.0
"""The way to a server changes while its connections live: what was remembered of the old way must not be used."""
import packet
import serving
import topology
from cases import case
from packet import ACK, PSH, SYN
from serving import CLIENT, SERVER, VIP
from topology import IPV4

GATEWAY = IPV4.servers[8]


def start(d, method, server=SERVER):
    serving.start(d, letters="-t", servers=(server,), method=method)


def talk(d):
    """Sends a packet of a connection that lives, and the first one of a new one."""
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=b"x"))
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))


def opened(d, method, server=SERVER):
    start(d, method, server)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))


@case(rows=("-g", "-m"))
def device_goes_down_and_comes_back(d, method):
    opened(d, method)
    d.run("ip link set eth1 down")
    talk(d)
    d.device_up("eth1", "servers")
    for address in topology.SERVERS:
        d.execute(f"ip neigh replace {address} lladdr {topology.mac(address)} dev eth1 nud permanent")
    talk(d)
    d.counts()


@case(rows=("-g", "-m"))
def device_is_removed(d, method):
    opened(d, method)
    d.ends.pop("servers").close()
    d.run("ip link delete eth1")
    talk(d)
    d.counts()


@case(rows=("-g", "-m"))
def a_more_exact_route_comes_and_goes(d, method):
    opened(d, method)
    d.run(f"ip route add {SERVER}/32 via {GATEWAY} dev eth1")
    talk(d)
    d.run(f"ip route delete {SERVER}/32 via {GATEWAY} dev eth1")
    talk(d)
    d.run(f"ip route add unreachable {SERVER}/32")
    talk(d)
    d.run(f"ip route delete unreachable {SERVER}/32")
    talk(d)


@case(rows=("-g", "-m"))
def the_gateway_changes(d, method):
    d.wires()
    d.run(f"ip route add 192.0.2.0/24 via {GATEWAY} dev eth1")
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 192.0.2.1:80 {method}")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.run("ip route replace 192.0.2.0/24 via 10.2.0.18 dev eth1")
    talk(d)
    d.run("ip route replace 192.0.2.0/24 via 10.2.0.18 dev eth1 mtu lock 600")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=bytes(800), frag=0x4000))
    talk(d)


@case(rows=("-g", "-m"))
def the_server_moves_to_this_host(d, method):
    opened(d, method)
    d.run(f"ip address add {SERVER}/32 dev lo")
    talk(d)
    d.run(f"ip address delete {SERVER}/32 dev lo")
    talk(d)
    d.counts()


@case(rows=("-g", "-m"))
def the_address_of_the_way_out_changes(d, method):
    opened(d, method)
    d.run("ip address replace 10.2.0.2/24 dev eth1")
    d.run("ip address delete 10.2.0.1/24 dev eth1")
    for address in topology.SERVERS:
        d.execute(f"ip neigh replace {address} lladdr {topology.mac(address)} dev eth1 nud permanent")
    talk(d)
