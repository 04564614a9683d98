# SPDX-License-Identifier: GPL-2.0
"""Packets that a rule of netfilter's stops and hands to a program, on their way to a server and back."""
import nfqueue
import packet
import serving
import topology
from cases import case
from packet import ACK, SYN
from serving import CLIENT, SERVER, VIP

# Where a rule may stop what goes to a server, what comes back, and what is sent out either way.
HOOKS = ("prerouting", "input", "forward", "output", "postrouting")


def start(d, method, hook, action):
    serving.start(d, letters="-t", server_port=8080, method=method)
    d.rules(f"table ip q {{ chain c {{ type filter hook {hook} priority 0; meta l4proto tcp {action}; }}; }}\n")


def first(d, port=40000):
    d.send("client", packet.tcp(CLIENT, port, VIP, 80, SYN, seq=1000))


def answer(d, port=40000):
    d.send("servers", packet.tcp(SERVER, 8080, CLIENT, port, SYN | ACK, seq=5000, ack=1001))


def program(d):
    """Starts the program behind queue 7."""
    with topology.inside("director"):
        return nfqueue.Queue(7)


def decide(d, queue, verdict):
    """Decides about the next packet and writes down where it was and what comes out."""
    number, hook = queue.take()
    d.say(f"stopped at {hook}")
    queue.decide(number, verdict)
    d.captured("let go" if verdict else "dropped")


@case(rows=tuple((f"{hook} {method}", hook, method) for hook in HOOKS for method in ("-g", "-m")))
def without_a_listener(d, row):
    _, hook, method = row
    start(d, method, hook, "counter queue num 7")
    first(d)
    answer(d)
    d.run("nft list ruleset")
    d.counts()


@case(rows=("-g", "-m"))
def without_a_listener_and_the_rule_lets_pass(d, method):
    start(d, method, "output", "counter queue flags bypass to 7")
    first(d)
    d.run("nft list ruleset")
    d.counts()


@case(rows=tuple((f"{hook} {method}", hook, method) for hook in HOOKS for method in ("-g", "-m")))
def a_program_lets_go_and_drops(d, row):
    _, hook, method = row
    start(d, method, hook, "queue num 7")
    queue = program(d)
    try:
        for port, verdict in ((40000, nfqueue.ACCEPT), (40001, nfqueue.DROP)):
            first(d, port)
            if hook != "forward":
                decide(d, queue, verdict)
            if method == "-m":
                answer(d, port)
                if hook in ("prerouting", "forward", "postrouting"):
                    decide(d, queue, verdict)
        d.counts()
    finally:
        queue.close()


@case(rows=("-g", "-m"))
def the_service_goes_while_a_packet_waits(d, method):
    start(d, method, "output", "queue num 7")
    queue = program(d)
    try:
        first(d)
        d.ipvsadm("-C")
        decide(d, queue, nfqueue.ACCEPT)
        d.counts()
    finally:
        queue.close()


def two_wait(d, vip):
    """Lets two packets that begin the same connection go when tracking has seen both, and has neither for good."""
    d.sysctl("conntrack", 1)
    d.rules(f"table ip q {{ chain c {{ type filter hook prerouting priority -150; ip daddr {vip} meta l4proto {{ tcp, udp }} ct state new queue num 7; }}; }}\n")
    queue = program(d)
    try:
        for _ in range(2):
            d.send("client", packet.tcp(CLIENT, 40000, vip, 80, SYN, seq=1000))
        for _ in range(2):
            decide(d, queue, nfqueue.ACCEPT)
    finally:
        queue.close()


@case(rows=("-g", "-m", "-i"))
def two_packets_of_a_connection_wait(d, method):
    """The second is not tracked: its place is taken."""
    serving.start(d, letters="-t", server_port=8080, method=method)
    two_wait(d, VIP)
    d.counts()


@case(suite="alone", rows=tuple((plan.family, method) for plan in (topology.IPV4, topology.IPV6) for method in ("-g", "-m", "-i")))
def rvs_goes_while_a_packet_waits(d, row):
    family, method = row
    plan = topology.IPV6 if family == 6 else topology.IPV4
    d.expect("rvs loads", topology.run("modprobe rvs")[0] == 0)
    d.wires(plan)
    vip = plan.end(plan.vips[0], 80)
    d.control(f"-A -t {vip} -s rr", f"-a -t {vip} -r {plan.end(plan.servers[0], 80)} {method}")
    d.rules("table inet q { chain c { type filter hook output priority 0; meta l4proto { 4, 6, 41 } queue num 7; }; }\n")
    queue = program(d)
    try:
        d.send("client", packet.tcp(plan.clients[0], 40000, plan.vips[0], 80, SYN))
        number, _ = queue.take()
        d.ipvsadm("-C")
        d.expect("rvs unloads", topology.run("modprobe -r rvs")[0] == 0)
        queue.decide(number, nfqueue.ACCEPT)
        d.expect("nothing comes out", not d.captured()["servers"])
    finally:
        queue.close()
