# SPDX-License-Identifier: GPL-2.0
"""The way of IPv6 packets to a server and of its replies: next hops, changes, none at all, an address to send from."""
import packet
import topology
from cases import case
from ipv6_packets import CLIENT, METHODS, SERVER, VIP, counters, start
from packet import ACK, PSH, SYN
from topology import IPV6

GATEWAY = IPV6.servers[8]
# A sender on the director waits for the error that its datagram brings about.
ASK = ("import socket\n"
       "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
       "s.settimeout(1)\n"
       "s.connect(('{}', 80))\n"
       "s.send(b'x')\n"
       "try:\n"
       "    s.recv(1)\n"
       "except OSError as error:\n"
       "    print(error)\n").format(VIP)


def talk(d):
    """Sends a packet of a connection that lives, and the first one of a new one."""
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=b"x"))
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN))


def opened(d, method):
    start(d, method)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))


def neighbours(d, device, addresses):
    """Makes neighbours known."""
    for address in addresses:
        d.execute(f"ip neigh replace {address} lladdr {topology.mac(address)} dev {device} nud permanent")


@case
def no_server(d):
    start(d)
    d.ipvsadm(f"-d -t [{VIP}]:80 -r [{SERVER}]:8080")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.ipvsadm(f"-d -u [{VIP}]:80 -r [{SERVER}]:8080")
    d.run(["python3", "-c", ASK])
    counters(d)


@case(rows=METHODS)
def no_route(d, method):
    start(d, method, "2001:db8::1")
    counters(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.run(["python3", "-c", ASK])
    counters(d)


@case(rows=METHODS)
def a_more_exact_route_comes_and_goes(d, method):
    opened(d, method)
    for route in (f"{SERVER}/128 via {GATEWAY} dev eth1", f"unreachable {SERVER}/128 metric 1", f"prohibit {SERVER}/128 metric 1",
                  f"blackhole {SERVER}/128 metric 1", f"{SERVER}/128 dev lo"):
        d.run(f"ip route add {route}")
        talk(d)
        d.run(f"ip route delete {route}")
        talk(d)
    d.counts()


@case(rows=METHODS)
def the_server_moves_to_this_host(d, method):
    opened(d, method)
    d.run(f"ip address add {SERVER}/128 dev lo")
    talk(d)
    d.run(f"ip address delete {SERVER}/128 dev lo")
    talk(d)
    d.counts()


@case(rows=METHODS)
def device_goes_down_and_comes_back(d, method):
    opened(d, method)
    d.run("ip link set eth1 down")
    talk(d)
    d.device_up("eth1", "servers")
    d.execute(f"ip address add {IPV6.far}/64 dev eth1 nodad")
    neighbours(d, "eth1", IPV6.servers)
    talk(d)
    d.counts()


@case(rows=METHODS)
def device_is_removed(d, method):
    opened(d, method)
    d.ends.pop("servers").close()
    d.run("ip link delete eth1")
    talk(d)
    d.counts()


@case(rows=METHODS)
def ipv6_is_turned_off_and_on_at_the_device(d, method):
    opened(d, method)
    d.run("sysctl -q -w net.ipv6.conf.eth1.disable_ipv6=1")
    talk(d)
    d.run("sysctl -q -w net.ipv6.conf.eth1.disable_ipv6=0")
    d.execute(f"ip address add {IPV6.far}/64 dev eth1 nodad")
    neighbours(d, "eth1", IPV6.servers)
    talk(d)


@case(rows=METHODS)
def the_gateway_changes(d, method):
    d.wires(IPV6)
    d.run(f"ip route add 2001:db8::/64 via {GATEWAY} dev eth1")
    d.control(f"-A -t [{VIP}]:80 -s rr", f"-a -t [{VIP}]:80 -r [2001:db8::1]:80 {method}")
    d.run("ip neigh replace 2001:db8::1 lladdr 02:00:00:00:00:77 dev eth1 nud permanent")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    talk(d)
    d.run(f"ip route replace 2001:db8::/64 via {IPV6.servers[7]} dev eth1")
    talk(d)
    d.run(f"ip route replace 2001:db8::/64 via {IPV6.servers[7]} dev eth1 mtu lock 1280")
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, ACK | PSH, ack=1, data=bytes(1300)))
    talk(d)


@case(rows=METHODS)
def no_address_to_send_from(d, method):
    start(d, method)
    d.run(f"ip route add local {VIP}/128 dev lo")
    for device in ("eth0", "eth1", "lo"):
        d.run(f"ip -6 address flush dev {device}")
    d.run("ip route add fd02::/64 dev eth1")
    d.run("ip route add fd01::/64 dev eth0")
    neighbours(d, "eth1", IPV6.servers)
    neighbours(d, "eth0", IPV6.clients)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80, b"x"))
    d.run(f"ip address add {IPV6.far}/64 dev eth1 nodad")
    neighbours(d, "eth1", IPV6.servers)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()


@case(rows=("0", "1"))
def replies_are_routed_again(d, value):
    start(d)
    d.sysctl("snat_reroute", value)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.run(f"ip -6 rule add from {VIP} lookup 77")
    d.run(f"ip -6 route add default via {IPV6.clients[3]} dev eth0 table 77")
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.send("servers", packet.icmp(SERVER, CLIENT, 1, 4, 0, packet.tcp(CLIENT, 40000, SERVER, 8080, SYN, ttl=63)))
    d.run("ip -6 route replace unreachable default table 77")
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, ACK, ack=1))
    d.send("servers", packet.icmp(SERVER, CLIENT, 1, 4, 0, packet.tcp(CLIENT, 40000, SERVER, 8080, SYN, ttl=63)))
    counters(d)
    d.counts()


@case(rows=METHODS, only=("rvs",))
def the_source_becomes_loopback(d, method):
    """Netfilter alone can give a packet from outside this source; nothing with it leaves the host."""
    start(d, method)
    d.rules("table ip6 t {\n chain c {\n type filter hook prerouting priority -150;\n ip6 saddr fd01::3 ip6 saddr set ::1\n }\n}")
    found = d.send("client", packet.tcp(IPV6.clients[1], 40000, VIP, 80, SYN))
    d.expect("nothing comes out", not any(found.values()))
    found = d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.expect("others are served", found["servers"])


@case(rows=METHODS)
def the_source_of_what_is_sent_here_is_loopback(d, method):
    start(d, method)
    code = ("import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.settimeout(0.5); s.bind(('::1', 5000)); "
            f"s.sendto(b'x', ('{VIP}', 80)); s.recv(1)")
    d.run(f"python3 -c \"{code}\" 2>&1 | tail -n 1")
    d.captured("sent from ::1")
    d.counts()
