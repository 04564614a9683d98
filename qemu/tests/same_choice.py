# SPDX-License-Identifier: GPL-2.0
"""Corners of the choice of a server: a port is used again, a client sends from port 0, load factors come before services."""
import functools

import genl
import packet
import serving
from cases import case
from director import Conversation
from packet import ACK, PSH, RST, SYN
from serving import CLIENT, OTHER_SERVER, SERVER, VIP

OVER = {"CLOSE": ("> S", "< SA", "> A", "> R"), "TIME_WAIT": ("> S", "< SA", "> A", "> FA", "< FA", "> A")}
start = functools.partial(serving.start, letters="-t", servers=(SERVER, OTHER_SERVER))


def weight(d, number, value):
    d.ipvsadm(f"-e -t {VIP}:80 -r 10.2.0.{number}:80 -m -w {value}")


@case(rows=tuple((f"{scheduler}, {state}", scheduler, state)
                 for scheduler in ("rr", "wrr", "lc", "wlc", "sed", "nq", "ovf", "fo", "lblc", "lblcr", "sh", "dh", "mh")
                 for state in OVER))
def old_connection_counts_while_the_new_server_is_chosen(d, row):
    _, scheduler, state = row
    start(d, scheduler=scheduler)
    for number in (12, 11):
        d.say(f"the only connection is at {number}")
        other = 23 - number
        weight(d, other, 0)
        conversation = Conversation(d, sport=40000 + number, server=f"10.2.0.{number}")
        conversation.play(*OVER[state])
        weight(d, other, 1)
        conversation.play("> S")
        d.quiet(1)
        d.counts("the old one is gone")
        conversation.play("> R")
        d.quiet(200)
        d.counts("nothing is left")


@case(rows=tuple((f"{scheduler}, limit {limit}", scheduler, limit) for scheduler in ("rr", "wlc", "lblc") for limit in (1, 2)))
def old_connection_counts_for_the_threshold(d, row):
    _, scheduler, limit = row
    start(d, scheduler=scheduler, servers=(SERVER,), limits=f"-x {limit}")
    conversation = Conversation(d)
    conversation.play(*OVER["CLOSE"], "> S", "> S")
    d.quiet(1)
    d.counts()
    conversation.play("> S")


@case(rows=(1, 2))
def old_connection_counts_for_conn_max(d, limit):
    start(d)
    d.sysctl("conn_max", limit)
    conversation = Conversation(d, server="10.2.0.12")
    conversation.play(*OVER["CLOSE"], "> S", "> S")
    d.quiet(1)
    d.counts()
    conversation.play("> S")


@case(rows=("weight 0", "server removed"))
def left_server_counts_for_conn_max(d, how):
    start(d)
    d.sysctl("conn_max", 1)
    d.sysctl("expire_nodest_conn", 1)
    conversation = Conversation(d, server="10.2.0.12")
    conversation.play("> S", "< SA", "> A")
    if how == "weight 0":
        weight(d, 12, 0)
    else:
        d.control(f"-d -t {VIP}:80 -r 10.2.0.12:80")
    conversation.play("> S")
    d.quiet(1)
    conversation.play("> S")


@case
def service_gone_meanwhile(d):
    start(d)
    d.ipvsadm("-A -t 10.9.0.2:80 -s rr")
    conversation = Conversation(d, server="10.2.0.12")
    conversation.play(*OVER["CLOSE"])
    d.ipvsadm(f"-D -t {VIP}:80")
    conversation.play("> S", "> S")


@case(rows=("-p 100", ""))
def client_sends_from_port_0_by_udp(d, options):
    start(d, letters="-u", options=options)
    for _ in range(3):
        d.send("client", packet.udp(CLIENT, 0, VIP, 80, b"x"), "datagram from port 0")
    d.counts()
    d.send("servers", packet.udp("10.2.0.12", 80, CLIENT, 0, b"y"), "answer of .12")
    d.send("servers", packet.udp("10.2.0.11", 80, CLIENT, 0, b"y"), "answer of .11")
    for number in (11, 12):
        quoted = packet.udp(CLIENT, 0, f"10.2.0.{number}", 80, b"x")
        d.send("servers", packet.icmp(f"10.2.0.{number}", CLIENT, 3, 3, 0, quoted), f"error of .{number}")
    quoted = packet.udp(VIP, 80, CLIENT, 0, b"y")
    d.send("client", packet.icmp(CLIENT, VIP, 3, 3, 0, quoted), "error of the client")
    d.counts()


@case(rows=("-m", "-g"))
def client_sends_from_port_0_by_tcp(d, method):
    d.wires()
    d.ipvsadm(f"-A -t {VIP}:80 -s rr")
    for number in (11, 12):
        d.ipvsadm(f"-a -t {VIP}:80 -r 10.2.0.{number}:80 {method}")
    d.send("client", packet.tcp(CLIENT, 0, VIP, 80, SYN), "SYN from port 0")
    if method == "-m":
        d.send("servers", packet.tcp("10.2.0.12", 80, CLIENT, 0, SYN | ACK, ack=1), "its answer")
    d.send("client", packet.tcp(CLIENT, 0, VIP, 80, ACK, ack=1), "ACK")
    d.send("client", packet.tcp(CLIENT, 0, VIP, 80, ACK | PSH, ack=1, data=b"x"), "data")
    d.send("client", packet.tcp(CLIENT, 0, VIP, 80, RST), "RST")
    d.send("client", packet.tcp(CLIENT, 0, VIP, 80, SYN), "SYN again")
    d.counts()
    d.quiet(70)
    d.counts("a minute later")


@case(rows=tuple((f"{scheduler}, servers of port {port}, {name}", scheduler, port, method)
                 for scheduler in ("rr", "none") for port in (0, 80) for name, method in (("NAT", 0), ("DR", 3))))
def service_of_any_port_that_is_not_persistent(d, row):
    """Such a service is for port 0 alone; packets to others are refused."""
    _, scheduler, port, method = row
    d.wires()
    for number, letter in ((6, "-t"), (17, "-u")):
        service = dict(PROTOCOL=genl.u16(number), PORT=genl.port(0))
        d.request(f"a service of {number}", genl.NEW_SERVICE, genl.service(SCHED_NAME=scheduler.encode() + b"\0", **service))
        for last in (11, 12):
            server = genl.dest(ADDR=genl.address(f"10.2.0.{last}"), PORT=genl.port(port), FWD_METHOD=genl.u32(method))
            d.request(f"server {last}", genl.NEW_DEST, genl.service(**service), server)
    for target in (80, 0, 443, 21, 20):
        d.send("client", packet.tcp(CLIENT, 40000, VIP, target, SYN), f"SYN to port {target}")
        d.send("client", packet.tcp(CLIENT, 40000, VIP, target, ACK, ack=1), f"ACK to port {target}")
        d.send("client", packet.udp(CLIENT, 40000, VIP, target, b"x"), f"UDP to port {target}")
        d.send("client", packet.udp(CLIENT, 40001, VIP, target, b"x"), f"UDP to port {target} again")
    d.counts()
    d.ipvsadm("-Ln")
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")
    refused = d.drops()["no_server"] if d.module == "rvs" else None
    d.only_rvs(f"what is refused is counted: {refused}", refused)


def status(d, title):
    d.say(title)
    d.proc("ip_vs_status")
    d.ipvsadm("-Ln")


@case(rows=(-8, -6, 0, 8))
def load_factors_before_the_first_service(d, factor):
    d.wires()
    # Load factors are the machine's: a namespace that root makes is the machine's as well.
    d.sysctl("conn_lfactor", factor)
    d.sysctl("svc_lfactor", factor)
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.2.0.11:80 -m")
    status(d, "one service")
    for port in range(40000, 40003):
        d.send("client", packet.tcp(CLIENT, port, VIP, 80, SYN), f"SYN from {port}")
        d.quiet(0.3)
        status(d, "one more connection")
    for number in (2, 3):
        d.ipvsadm(f"-A -t 10.9.0.{number}:80 -s rr")
        d.quiet(0.3)
        status(d, "one more service")
