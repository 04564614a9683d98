# SPDX-License-Identifier: GPL-2.0
"""One-packet scheduling: every datagram is a connection of its own, which ends when it was sent."""
import functools
import struct

import genl
import packet
import serving
import sockopt
from cases import case
from conntrack import RULES, table
from packet import SYN
from serving import CLIENT, OTHER_SERVER, SERVER, VIP
from socket_options import ADD, ADD_DEST, Used

METHODS = (("NAT", "-m", 5353), ("DR", "-g", 53))
MARKED = "table ip t { chain c { type filter hook prerouting priority -150; ip daddr 10.9.0.0/24 meta mark set 7; }; }\n"
serve = functools.partial(serving.serve, letters="-u", port=53, servers=(SERVER, OTHER_SERVER), server_port=5353, options="-o")


def ask(d, count=1, sport=1053):
    for _ in range(count):
        d.send("client", packet.udp(CLIENT, sport, VIP, 53, b"query"))


@case(rows=METHODS)
def every_datagram_is_scheduled(d, row):
    _, method, port = row
    d.wires()
    serve(d, method=method)
    ask(d, 4)
    d.send("client", packet.fragments(packet.udp(CLIENT, 1053, VIP, 53, bytes(100)), 64))
    d.counts()
    d.control("-Ln", "-Lnc", "-Sn")
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case(rows=("0", "1", "2"))
def reply_is_no_ones(d, snat_reroute):
    d.wires()
    d.sysctl("snat_reroute", snat_reroute)
    serve(d)
    ask(d)
    d.send("servers", packet.udp(SERVER, 5353, CLIENT, 1053, b"answer"))
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1053, SERVER, 5353, b"query", ttl=63)))
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 53, CLIENT, 1053, b"answer")))
    d.counts()


@case(rows=("lc", "wlc", "sed", "nq", "sh", "mh", "dh", "wrr", "lblc"))
def schedulers_see_no_connections(d, scheduler):
    d.wires()
    serve(d, scheduler=scheduler)
    for port in range(1053, 1059):
        ask(d, 1, port)
    d.counts()


@case(rows=tuple((f"conntrack {conntrack}, {name}", conntrack, method, port) for conntrack in (0, 1) for name, method, port in METHODS))
def connection_tracking(d, row):
    _, conntrack, method, port = row
    d.wires()
    d.rules(RULES.replace("STATES", "{ new, established, related, untracked, invalid }"))
    d.sysctl("conntrack", conntrack)
    serve(d, method=method)
    ask(d, 2)
    table(d)
    d.send("servers", packet.udp(SERVER, 5353, CLIENT, 1053, b"answer"))
    table(d)
    d.ipvsadm(f"-d -u {VIP}:53 -r {SERVER}:{port}")
    ask(d, 2)
    table(d)
    d.run("nft list ruleset")
    d.counts()


@case
def datagrams_of_a_marked_service(d):
    d.wires()
    d.rules(MARKED)
    d.control("-A -f 7 -s rr -o", *(f"-a -f 7 -r {server}:0 -m" for server in (SERVER, OTHER_SERVER)))
    ask(d, 2)
    d.send("client", packet.udp(CLIENT, 1053, "10.9.0.2", 99, b"query"))
    for _ in range(2):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()
    d.control("-Ln", "-Lnc")


@case(rows=("-p 100", "-p 100 -M 255.255.255.0"))
def persistent_services(d, flags):
    """The template stays, and each datagram of its clients goes to its server."""
    d.wires()
    serve(d, options=f"-o {flags}")
    ask(d, 3)
    ask(d, 2, 1054)
    d.send("client", packet.udp("10.1.0.3", 1053, VIP, 53, b"query"))
    d.counts()
    d.control("-Lnc", "-Ln", "--set 0 0 1")
    d.quiet(60)
    ask(d, 2)
    d.counts()
    d.ipvsadm(f"-d -u {VIP}:53 -r {SERVER}:5353")
    ask(d, 2)
    d.counts()


@case
def as_many_as_conn_max_allows(d):
    d.wires()
    serve(d)
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r {SERVER}:80 -m")
    for limit, port in ((1, 40000), (2, 40001), (0, 40002)):
        d.sysctl("conn_max", limit)
        ask(d)
        d.send("client", packet.tcp(CLIENT, port, VIP, 80, SYN))
        ask(d)
    d.counts()


@case
def thresholds_are_never_reached(d):
    d.wires()
    d.control(f"-A -u {VIP}:53 -s rr -o", f"-a -u {VIP}:53 -r {SERVER}:53 -m -x 1", f"-a -u {VIP}:53 -r {OTHER_SERVER}:53 -m -x 2 -y 1")
    ask(d, 6)
    d.counts()


@case
def flag_is_switched(d):
    d.wires()
    serve(d, options="")
    ask(d, 2)
    d.ipvsadm(f"-E -u {VIP}:53 -s rr -o")
    # What has a connection keeps it; what has none is scheduled each time.
    ask(d, 2)
    ask(d, 3, 1054)
    d.send("servers", packet.udp(SERVER, 5353, CLIENT, 1053, b"answer"))
    d.send("servers", packet.udp(OTHER_SERVER, 5353, CLIENT, 1053, b"answer"))
    d.counts()
    d.control("-Ln", f"-E -u {VIP}:53 -s rr")
    ask(d, 3, 1054)
    d.counts()
    d.control("-Ln", "-Lnc", "-Sn")


@case
def server_goes_and_weights_fall(d):
    d.wires()
    serve(d)
    ask(d, 2)
    d.ipvsadm(f"-e -u {VIP}:53 -r {SERVER}:5353 -m -w 0")
    ask(d, 2)
    d.ipvsadm(f"-d -u {VIP}:53 -r {OTHER_SERVER}:5353")
    ask(d, 2)
    d.counts()


@case
def packets_that_cannot_go(d):
    d.wires()
    serve(d)
    d.send("client", packet.udp(CLIENT, 1053, VIP, 53, b"query", ttl=1))
    d.run("ip link set eth1 mtu 1400")
    d.send("client", packet.udp(CLIENT, 1053, VIP, 53, bytes(1420), frag=0x4000))
    d.run("ip link set eth1 down")
    ask(d)
    d.counts()


@case
def server_on_the_director(d):
    d.wires()
    d.control(f"-A -u {VIP}:53 -s rr -o", f"-a -u {VIP}:53 -r 10.2.0.1:5353 -m")
    ask(d, 2)
    d.counts()


@case(rows=tuple((f"{title} {name}", flags, number, port) for title, flags in (("one packet", 0x2000), ("tracked", 0x10000), ("both", 0x12000))
                 for name, number, port in (("NAT", 0, 5353), ("DR", 3, 53))))
def flags_of_a_server(d, row):
    """The old socket options give a server flags of its own, which its connections begin with."""
    _, flags, number, port = row
    d.wires()
    d.rules(RULES.replace("STATES", "{ new, established, related, untracked, invalid }"))
    used = Used(d)
    for protocol, port_of_service in ((17, 53), (6, 80)):
        key = sockopt.service(protocol=protocol, port=port_of_service)
        used.set("a service", ADD, key)
        used.set("a server", ADD_DEST, key + sockopt.dest(port=port if protocol == 17 else 80, flags=flags | number))
    ask(d, 2)
    for _ in range(2):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()
    d.ipvsadm("-Lnc")
    table(d)
    d.run("nft list ruleset")
    # An edit by netlink takes them away.
    d.ipvsadm(f"-e -u {VIP}:53 -r {SERVER}:{port} {'-g' if number else '-m'}")
    ask(d, 2, 1054)
    d.counts()


@case
def other_protocols_take_the_flag_and_ignore_it(d):
    d.wires()
    d.control(f"-A -t {VIP}:80 -s rr -o")
    d.request("a TCP service", genl.NEW_SERVICE, genl.service(FLAGS=struct.pack("=II", 4, 0xFFFFFFFF)))
    d.request("a server", genl.NEW_DEST, genl.service(), genl.dest())
    d.request("the services", genl.GET_SERVICE, dump=True)
    d.proc("ip_vs")
    for _ in range(2):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.counts()
