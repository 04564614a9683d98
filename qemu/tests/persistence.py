# SPDX-License-Identifier: GPL-2.0
"""Persistent services: which server a client gets, and what becomes of the templates that say so."""
import functools
import struct

import genl
import packet
import serving
import topology
from cases import case
from director import Conversation
from packet import ACK, PSH, RST, SYN
from serving import CLIENT, OTHER_CLIENT, OTHER_SERVER, SERVER, VIP

SERVERS = (SERVER, OTHER_SERVER)
start = functools.partial(serving.start, servers=SERVERS, options="-p 300")
serve = functools.partial(serving.serve, servers=SERVERS, options="-p 300")


def edit(d, timeout, netmask):
    """Makes the TCP service persistent in ways that ipvsadm does not ask for."""
    d.request("edit", genl.SET_SERVICE, genl.service(ADDR=genl.address(VIP), SCHED_NAME=b"rr\0", FLAGS=struct.pack("=II", 1, 1),
                                                     TIMEOUT=genl.u32(timeout), NETMASK=genl.u32(netmask)))


def syn(d, client, sport, port=80):
    return d.send("client", packet.tcp(client, sport, VIP, port, SYN), f"SYN from {client} {sport} to {port}")


def ask(d, client, sport, port=80):
    return d.send("client", packet.udp(client, sport, VIP, port, b"x"), f"UDP from {client} {sport} to {port}")


@case(rows=("-m", "-g"))
def client_stays_with_its_server(d, method):
    start(d, method=method)
    for client in (CLIENT, OTHER_CLIENT, "10.1.0.4"):
        for sport in (40000, 40001, 40002):
            syn(d, client, sport)
            ask(d, client, sport)
    d.counts()
    d.ipvsadm("-Ln")
    d.ipvsadm("-Lcn")
    d.ipvsadm("-Ln --persistent-conn")


@case(rows=("255.255.255.255", "255.255.255.0", "255.255.255.254", "0.0.0.0", "0.255.0.1", "255.0.255.255"))
def netmask_groups_clients(d, mask):
    start(d, options=f"-p 60 -M {mask}" if mask != "0.0.0.0" else "-p 60 -M 128.0.0.0")
    for client in (CLIENT, OTHER_CLIENT, "10.1.0.4", "10.1.0.5"):
        for sport in (40000, 40001):
            syn(d, client, sport)
    d.counts()
    d.ipvsadm("-Ln")
    d.ipvsadm("-Sn")


@case
def mask_of_nothing_groups_all(d):
    start(d)
    edit(d, 50, 0)
    for client in (CLIENT, OTHER_CLIENT, "10.1.0.9"):
        for sport in (40000, 40001):
            syn(d, client, sport)
    d.counts()


@case(rows=(0, 80))
def service_of_any_port(d, server_port):
    start(d, port=0, server_port=server_port)
    for port in (80, 443, 0, 21, 20, 5000):
        for client in (CLIENT, OTHER_CLIENT):
            syn(d, client, 40000, port)
            ask(d, client, 40000, port)
    d.counts()


@case
def services_of_any_port_and_of_one(d):
    start(d, port=0)
    serve(d, service=f"-t {VIP}:80", options="-p 30")
    for port in (80, 443, 80, 443):
        for client in (CLIENT, OTHER_CLIENT):
            syn(d, client, 40000 + port, port)
    d.counts()


@case(rows=("-m", "-g"))
def ftp_keeps_data_with_its_commands(d, method):
    start(d, port=21, method=method)
    for client in (CLIENT, OTHER_CLIENT):
        syn(d, client, 40000, 21)
        syn(d, client, 40001, 5000)
        syn(d, client, 40002, 20)
        syn(d, client, 40003, 80)
        syn(d, client, 20, 21)
        ask(d, client, 40004, 21)
    d.counts()


@case(rows=("-m", "-g"))
def ftp_on_another_port_of_the_servers(d, method):
    start(d, port=21, server_port=2121, method=method)
    for port in (5000, 21, 5001):
        syn(d, CLIENT, 40000 + port, port)
    d.counts()


@case(rows=("80", "0"))
def mark_groups_ports_and_protocols(d, server_port):
    d.wires()
    d.rules("table ip t { chain c { type filter hook prerouting priority -150; meta mark set 0x01020304; }; }\n")
    serve(d, service="-f 16909060", options="-p 77", server_port=int(server_port))
    for client in (CLIENT, OTHER_CLIENT):
        for port in (80, 443, 0):
            syn(d, client, 40000, port)
            ask(d, client, 40000, port)
    d.counts()
    d.ipvsadm("-Lcn")
    d.ipvsadm("-Ln")


@case
def ftp_by_mark_and_a_range_of_passive_ports(d):
    """Commands and data of passive FTP by one mark, as manuals of DR directors have it."""
    d.wires()
    d.rules(f"table ip t {{ chain c {{ type filter hook prerouting priority -150; ip daddr {VIP} tcp dport {{ 21, 10000-20000 }} meta mark set 21; }}; }}\n")
    serve(d, service="-f 21", method="-g", port=0)
    for client in (CLIENT, OTHER_CLIENT):
        for sport, port in ((40000, 21), (40001, 10007), (40002, 15000), (40003, 20000), (40004, 20001), (40005, 20)):
            syn(d, client, sport, port)
    d.counts()
    d.control("-Ln", "-Lcn", "-Sn", "-Ln --persistent-conn")
    d.proc("ip_vs")
    d.proc("ip_vs_conn")


@case
def two_marks_of_one_address(d):
    d.wires()
    d.rules("table ip t { chain c { type filter hook prerouting priority -150; meta mark set th dport map { 80 : 1, 81 : 2 }; }; }\n")
    serve(d, service="-f 1", options="-p 77")
    serve(d, service="-f 2", options="-p 88")
    for port in (80, 81, 80, 81):
        for client in (CLIENT, OTHER_CLIENT):
            syn(d, client, 40000 + len(d.lines), port)
    d.counts()


@case(rows=("rr", "wlc", "sh", "dh", "mh", "lblc"))
def schedulers_are_asked_once(d, scheduler):
    start(d, scheduler=scheduler)
    for client in (CLIENT, OTHER_CLIENT, "10.1.0.4", "10.1.0.5"):
        for sport in (40000, 40001):
            syn(d, client, sport)
    d.counts()


@case
def scheduler_none_serves_templates_only(d):
    start(d)
    syn(d, CLIENT, 40000)
    d.ipvsadm(f"-E -t {VIP}:80 -s none -p 300")
    syn(d, CLIENT, 40001)
    syn(d, OTHER_CLIENT, 40000)
    d.counts()


@case
def template_times(d):
    start(d, options="-p 30")
    syn(d, CLIENT, 40000)
    ask(d, CLIENT, 40000)
    d.counts("at once")
    d.quiet(20)
    d.counts("after 20")
    syn(d, CLIENT, 40001)
    d.counts("refreshed")
    d.quiet(15)
    # The template of UDP has run out once.
    d.counts("after 15", spread=3)
    d.quiet(20)
    d.counts("its time is over, and it is held", spread=3)
    d.quiet(70)
    d.counts("all SYN_RECV over", spread=5)
    d.quiet(250)
    d.counts("UDP over")
    d.quiet(60)
    d.counts("all over")


@case
def template_of_no_time(d):
    start(d)
    edit(d, 0, 0xFFFFFFFF)
    syn(d, CLIENT, 40000)
    d.quiet(3)
    d.counts("held by its connection", spread=3)
    syn(d, CLIENT, 40001)
    d.counts(spread=3)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, RST), "RST")
    d.quiet(150)
    d.counts("over")


@case
def edits_are_for_new_templates(d):
    start(d, options="-p 100")
    syn(d, CLIENT, 40000)
    d.ipvsadm(f"-E -t {VIP}:80 -s rr -p 500 -M 255.255.255.0")
    syn(d, CLIENT, 40001)
    syn(d, OTHER_CLIENT, 40000)
    d.counts("other time and mask")
    d.ipvsadm(f"-E -t {VIP}:80 -s rr")
    for sport in (40002, 40003, 40004):
        syn(d, CLIENT, sport)
    d.counts("no longer persistent")
    d.ipvsadm(f"-E -t {VIP}:80 -s rr -p 100")
    for sport in (40005, 40006):
        syn(d, CLIENT, sport)
    d.counts("again")
    d.ipvsadm("-Ln")


STEPS = ("> S", "< SA", "> A", "> FA", "< FA", "> A")


@case(rows=(0, 1))
def weight_zero(d, expire):
    start(d, ("expire_quiescent_template", expire))
    syn(d, CLIENT, 40000)
    syn(d, OTHER_CLIENT, 40000)
    for server in SERVERS:
        d.ipvsadm(f"-e -t {VIP}:80 -r {server}:80 -m -w 0")
        syn(d, CLIENT, 40001 + len(d.lines))
        syn(d, OTHER_CLIENT, 40001 + len(d.lines))
        d.counts()
    d.ipvsadm(f"-e -t {VIP}:80 -r {SERVERS[0]}:80 -m -w 1")
    syn(d, CLIENT, 45000)
    syn(d, OTHER_CLIENT, 45000)
    d.counts()
    d.ipvsadm("-Lcn")


@case(rows=("0/0", "1/0", "0/1", "1/1"))
def removed_server(d, row):
    nodest, quiescent = row.split("/")
    start(d, ("expire_nodest_conn", nodest), ("expire_quiescent_template", quiescent))
    syn(d, CLIENT, 40000)
    syn(d, OTHER_CLIENT, 40000)
    Conversation(d, server=SERVERS[1], client="10.1.0.4").play(*STEPS[:3])
    d.ipvsadm(f"-d -t {VIP}:80 -r {SERVERS[1]}:80")
    d.quiet(2)
    d.counts("swept")
    for client in (CLIENT, OTHER_CLIENT, "10.1.0.4"):
        d.send("client", packet.tcp(client, 40000, VIP, 80, ACK | PSH, ack=1, data=b"x"), f"data from {client}")
        syn(d, client, 40001)
    d.counts()
    d.ipvsadm(f"-a -t {VIP}:80 -r {SERVERS[1]}:80 -m")
    for client in (CLIENT, OTHER_CLIENT, "10.1.0.4"):
        syn(d, client, 40002)
    d.counts("it is back")
    d.ipvsadm("-Ln --persistent-conn")


@case(rows=(0, 1))
def service_removed_and_made_again(d, nodest):
    start(d, ("expire_nodest_conn", nodest))
    syn(d, CLIENT, 40000)
    d.ipvsadm(f"-D -t {VIP}:80")
    d.quiet(2)
    d.counts()
    serve(d, service=f"-t {VIP}:80")
    syn(d, CLIENT, 40001)
    syn(d, OTHER_CLIENT, 40001)
    d.counts()


@case
def overload_does_not_break_a_template(d):
    start(d)
    d.ipvsadm(f"-e -t {VIP}:80 -r {SERVERS[1]}:80 -m -x 2")
    for client in (CLIENT, OTHER_CLIENT, "10.1.0.4"):
        for sport in (40000, 40001, 40002):
            syn(d, client, sport)
    d.counts()
    d.ipvsadm("-Ln --thresholds")


@case(rows=("-m", "-g"))
def established_connection_assures(d, method):
    start(d, ("expire_nodest_conn", 1), method=method)
    conversation = Conversation(d, server=SERVERS[1])
    steps = ("> S", "< SA", "> A") if method == "-m" else ("> S", "> A")
    for step in steps:
        conversation.step(step)
    ask(d, CLIENT, 40000)
    d.counts("UDP asked")
    if method == "-m":
        d.send("servers", packet.udp(SERVERS[1], 80, CLIENT, 40000, b"y"), "answered")
        d.counts()


@case(rows=("1", "0"))
def port_taken_again_stays_in_its_connection(d, mode):
    start(d, ("conn_reuse_mode", int(mode)))
    conversation = Conversation(d, server=SERVERS[1])
    conversation.play(*STEPS)
    syn(d, OTHER_CLIENT, 40000)
    conversation.play("> S", "< SA", "> A")


@case(rows=("conntrack", "no conntrack"))
def tracked(d, row):
    start(d, ("conntrack", int(row == "conntrack")))
    Conversation(d, server=SERVERS[1]).play(*STEPS)
    d.ipvsadm("-Lcn")


@case
def conn_max_counts_templates(d):
    start(d, ("conn_max", 3))
    for client in (CLIENT, OTHER_CLIENT, "10.1.0.4"):
        for sport in (40000, 40001):
            syn(d, client, sport)
    d.counts()


@case
def sweep_leaves_what_is_used(d):
    start(d, ("expire_nodest_conn", 1))
    serve(d, service="-t 10.9.0.2:80")
    syn(d, CLIENT, 40000)
    ask(d, CLIENT, 40000)
    d.send("client", packet.tcp(CLIENT, 40000, "10.9.0.2", 80, SYN), "to the other service")
    d.ipvsadm(f"-D -u {VIP}:80")
    d.quiet(2)
    d.counts()


@case
def errors_find_the_connection_not_the_template(d):
    start(d)
    syn(d, CLIENT, 40000)
    for sport in (40000, 0):
        d.send("client", packet.icmp(CLIENT, VIP, 3, 1, 0, packet.tcp(VIP, 80, CLIENT, sport, ACK)), f"about {sport}")
    d.counts()


@case(rows=tuple((f"{name}, {method}, expire {expire}", plan, method, expire) for name, plan in (("IPv4", topology.IPV4), ("IPv6", topology.IPV6))
                 for method in ("-m", "-g", "-i") for expire in (0, 1) if (name, method) not in (("IPv4", "-m"), ("IPv4", "-g"))))
def life_with_every_method_and_family(d, row):
    """Clients stay, their server gets weight 0, goes, comes back."""
    _, plan, method, expire = row
    d.wires(plan)
    d.sysctl("expire_quiescent_template", expire)
    d.sysctl("expire_nodest_conn", expire)
    vip, service = plan.vips[0], f"-t {plan.end(plan.vips[0], 80)}"
    d.ipvsadm(f"-A {service} -s rr -p 300")
    ends = [plan.end(server, 80) for server in plan.servers[:2]]
    for end in ends:
        d.ipvsadm(f"-a {service} -r {end} {method}")

    def ask_again(sport, title):
        for client in plan.clients[:2]:
            d.send("client", packet.tcp(client, sport, vip, 80, SYN), f"SYN from {client} {sport}")
            d.send("client", packet.tcp(client, 40000, vip, 80, ACK | PSH, ack=1, data=b"x"), f"data from {client} 40000")
        d.counts(title)

    for sport in (40000, 40001):
        ask_again(sport, "they stay")
    d.ipvsadm(f"-e {service} -r {ends[1]} {method} -w 0")
    ask_again(40002, "weight 0")
    d.ipvsadm(f"-e {service} -r {ends[1]} {method} -w 1")
    ask_again(40003, "weight 1")
    d.ipvsadm(f"-d {service} -r {ends[1]}")
    d.quiet(2)
    ask_again(40004, "removed")
    d.ipvsadm(f"-a {service} -r {ends[1]} {method}")
    ask_again(40005, "back")
    d.control("-Ln --persistent-conn", "-Lcn")


@case(rows=("24", "64", "128", "1"))
def prefix_groups_clients_of_ipv6(d, prefix):
    plan = topology.IPV6
    d.wires(plan)
    service = f"-t [{plan.vips[0]}]:80"
    d.ipvsadm(f"-A {service} -s rr -p 60 -M {prefix}")
    for server in plan.servers[:2]:
        d.ipvsadm(f"-a {service} -r [{server}]:80 -m")
    for client in plan.clients[:3]:
        for sport in (40000, 40001):
            d.send("client", packet.tcp(client, sport, plan.vips[0], 80, SYN), f"SYN from {client}")
    d.counts()
    d.ipvsadm("-Ln")
    d.ipvsadm("-Sn")
    d.ipvsadm("-Lcn")
