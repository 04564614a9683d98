# SPDX-License-Identifier: GPL-2.0
"""What becomes of connections when their server is drained, removed, comes back, or is overloaded."""
import functools

import packet
import serving
from cases import case
from director import Conversation
from packet import ACK, PSH, SYN
from serving import CLIENT, OTHER_SERVER, SERVER, VIP

start = functools.partial(serving.start, letters="-t", servers=(SERVER, OTHER_SERVER))


def syn(d, port, quiet=False):
    return d.send("client", packet.tcp(CLIENT, port, VIP, 80, SYN), f"SYN from {port}")


def data(d, port):
    return d.send("client", packet.tcp(CLIENT, port, VIP, 80, ACK | PSH, ack=1, data=b"x"), f"data from {port}")


@case(rows=(0, 1))
def weight_zero_takes_no_new_connection(d, expire):
    start(d, ("expire_nodest_conn", expire))
    for port in (40000, 40001):
        syn(d, port)
        data(d, port)
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.11:80 -m -w 0")
    for port in (40000, 40001, 40002, 40003):
        data(d, port)
        syn(d, port)
    d.counts()
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.11:80 -m -w 1")
    for port in (40004, 40005):
        syn(d, port)
    d.counts()


@case(rows=(0, 1))
def removed_server(d, expire):
    start(d, ("expire_nodest_conn", expire))
    for port in (40000, 40001):
        syn(d, port)
        data(d, port)
    d.ipvsadm(f"-d -t {VIP}:80 -r 10.2.0.11:80")
    d.quiet(1)
    d.counts("after removal")
    for port in (40000, 40001):
        data(d, port)
        syn(d, port)
    d.counts()


@case(rows=(0, 1))
def removed_service(d, expire):
    start(d, ("expire_nodest_conn", expire))
    d.ipvsadm("-A -t 10.9.0.2:80 -s rr")
    syn(d, 40000)
    d.ipvsadm(f"-D -t {VIP}:80")
    d.quiet(1)
    d.counts("after removal")
    data(d, 40000)
    syn(d, 40000)
    d.counts()


@case
def last_service_gone_means_no_hooks(d):
    start(d)
    syn(d, 40000)
    d.ipvsadm("-C")
    data(d, 40000)
    d.send("servers", packet.tcp("10.2.0.12", 80, CLIENT, 40000, SYN | ACK, ack=1))
    d.counts()
    d.ipvsadm(f"-A -t {VIP}:80 -s rr")
    d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.12:80 -m")
    data(d, 40000)
    d.counts()


@case(rows=("same service", "service made again", "with other settings", "to another service"))
def server_comes_back(d, how):
    start(d)
    for port in (40000, 40001):
        syn(d, port)
        data(d, port)
    d.quiet(5)
    if how == "service made again":
        d.ipvsadm("-A -t 10.9.0.3:80 -s rr")
        d.control(f"-D -t {VIP}:80", f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.2.0.11:80 -m")
    elif how == "to another service":
        d.control(f"-d -t {VIP}:80 -r 10.2.0.11:80", "-A -t 10.9.0.2:80 -s rr", "-a -t 10.9.0.2:80 -r 10.2.0.11:80 -m")
    else:
        more = "-w 5 -x 10 -y 2" if how == "with other settings" else ""
        d.control(f"-d -t {VIP}:80 -r 10.2.0.11:80", f"-a -t {VIP}:80 -r 10.2.0.11:80 -m {more}")
    d.counts()
    for port in (40000, 40001):
        data(d, port)
    d.counts()
    d.quiet(5)
    d.ipvsadm("-Ln --stats")


@case
def trash_forgets_in_the_end(d):
    start(d, servers=(SERVER,))
    syn(d, 40000)
    d.ipvsadm(f"-d -t {VIP}:80 -r 10.2.0.11:80")
    d.quiet(400)
    d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.11:80 -m")
    d.counts("the connection is gone, the server is new")


@case(rows=("3 0", "4 2", "1 1", "2 2", "8 5"))
def thresholds(d, limits):
    upper, lower = limits.split()
    start(d, servers=(SERVER,))
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.11:80 -m -x {upper} -y {lower}")
    for port in range(40000, 40010):
        syn(d, port)
    d.counts()
    for port in range(40000, 40010):
        d.send("client", packet.tcp(CLIENT, port, VIP, 80, packet.RST), f"RST from {port}")
    d.counts()
    d.quiet(70)
    for port in range(40010, 40013):
        syn(d, port)
    d.counts()


@case
def threshold_of_udp_lets_go(d):
    """A time-out that was made shorter holds for a connection from its next packet on."""
    d.wires()
    d.control(f"-A -u {VIP}:53 -s rr", f"-a -u {VIP}:53 -r 10.2.0.11:53 -m -x 2")
    for port in (1001, 1002, 1003, 1004, 1001):
        d.send("client", packet.udp(CLIENT, port, VIP, 53, b"query"), f"UDP from {port}")
    d.control("--set 0 0 20", "-Ln --timeout")
    d.send("client", packet.udp(CLIENT, 1001, VIP, 53, b"query"), "UDP from 1001")
    d.counts("one is refreshed")
    d.quiet(25)
    d.counts("it is gone")
    for port in (1005, 1006, 1001):
        d.send("client", packet.udp(CLIENT, port, VIP, 53, b"query"), f"UDP from {port}")
    d.counts()
    d.quiet(300)
    d.counts("all are gone")
    for port in (1007, 1008, 1009):
        d.send("client", packet.udp(CLIENT, port, VIP, 53, b"query"), f"UDP from {port}")
    d.counts()


@case
def threshold_lowered_and_raised_while_full(d):
    start(d)
    for port in range(40000, 40006):
        syn(d, port)
    for limits in ("-x 3", "-x 2 -y 1", "-x 10 -y 3", "-x 10 -y 4", "-x 0"):
        d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.11:80 -m {limits}")
        for port in range(2):
            syn(d, 41000 + port + 10 * len(d.lines))
    d.counts()


REUSE = {"TIME_WAIT": ("> S", "< SA", "> A", "> FA", "< FA", "> A"), "CLOSE": ("> S", "< SA", "> A", "> R"),
         "FIN_WAIT": ("> S", "< SA", "> A", "< FA"), "ESTABLISHED": ("> S", "< SA", "> A")}


@case(rows=tuple((f"mode {mode}, {state}", mode, state) for mode in (0, 1, 2, 3) for state in REUSE))
def reuse_of_a_port(d, row):
    _, mode, state = row
    start(d, ("conn_reuse_mode", mode))
    conversation = Conversation(d, server="10.2.0.12")
    conversation.play(*REUSE[state])
    d.say("the same port again")
    conversation.play("> S", "> A")


@case(rows=tuple(f"mode {mode}" for mode in (0, 1, 2, 3)))
def reuse_of_a_port_with_direct_routing(d, row):
    start(d, ("conn_reuse_mode", int(row[-1])), method="-g")
    conversation = Conversation(d)
    conversation.play("> S", "> A", "> FA", "> A", "> S", "> A")


@case
def edited_method_is_for_new_connections(d):
    start(d, servers=(SERVER,))
    syn(d, 40000)
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.11:80 -g")
    data(d, 40000)
    syn(d, 40001)
    d.counts()
    d.ipvsadm("-Lnc")


@case
def conn_max_refuses_more(d):
    start(d, ("conn_max", 3))
    for port in range(40000, 40006):
        syn(d, port)
    d.counts()
    d.sysctl("conn_max", 5)
    for port in range(40000, 40006):
        syn(d, port)
    d.counts()


@case(rows=(("from port 20", 20, 80), ("to port 20", 40000, 20), ("from a low port", 21, 80)))
def data_of_ftp_is_not_scheduled(d, row):
    _, source, port = row
    d.wires()
    d.control(f"-A -t {VIP}:{port} -s rr", f"-a -t {VIP}:{port} -r 10.2.0.11:{port} -m",
              f"-A -u {VIP}:{port} -s rr", f"-a -u {VIP}:{port} -r 10.2.0.11:{port} -m")
    d.send("client", packet.tcp(CLIENT, source, VIP, port, SYN), "SYN")
    d.send("client", packet.udp(CLIENT, source, VIP, port, b"x"), "datagram")
    d.counts()
