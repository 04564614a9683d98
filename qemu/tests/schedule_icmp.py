# SPDX-License-Identifier: GPL-2.0
"""An ICMP error about a packet of no connection makes one, for the quoted packet turned round, where that is set."""
import packet
import serving
from cases import case
from packet import ACK, SYN
from serving import CLIENT, OTHER_SERVER, SERVER, VIP

METHODS = (("NAT", "-m", 8080), ("DR", "-g", 80))
MARKED = "table ip t { chain c { type filter hook prerouting priority -150; ip daddr 10.9.0.0/24 meta mark set 7; }; }\n"
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "sh -b sh-port", "mh", "mh -b mh-port", "sed", "nq")


def start(d, value=1, **service):
    """Has two servers of TCP and UDP, and connections begin by errors if the value says so."""
    serving.start(d, ("schedule_icmp", value), **{"servers": (SERVER, OTHER_SERVER), "server_port": 8080, **service})


def error(inner, kind=3, code=3, rest=0, **more):
    return packet.icmp(CLIENT, VIP, kind, code, rest, inner, **more)


def answer(dport=1053, sport=80, **more):
    return packet.udp(VIP, sport, CLIENT, dport, b"answer", **more)


@case(rows=tuple((f"{value} {name}", value, method, port) for value in (0, 1, -1) for name, method, port in METHODS))
def errors_of_no_connection(d, row):
    _, value, method, port = row
    start(d, value, method=method)
    for kind, code, rest in ((3, 3, 0), (3, 4, 1300), (4, 0, 0), (11, 0, 0), (5, 1, 7), (8, 0, 7)):
        d.send("client", error(answer(1050 + kind), kind, code, rest))
    d.send("client", error(packet.tcp(VIP, 80, CLIENT, 40000, SYN | ACK, ack=1)))
    d.counts()
    d.send("client", error(answer(1053)))
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))
    d.counts()
    d.quiet(5)
    d.counts("after the first time-out")
    d.ipvsadm("-Ln --stats --exact")


@case(rows=SCHEDULERS)
def what_schedulers_see(d, scheduler):
    """The same clients and ports by errors and by packets of their own: some schedulers look at other addresses."""
    start(d, scheduler=scheduler)
    for host in range(2, 8):
        client = f"10.1.0.{host}"
        d.send("client", packet.icmp(client, VIP, 3, 3, 0, packet.udp(VIP, 80, client, 1000 + host, b"answer")))
        d.send("client", packet.udp(client, 2000 + host, VIP, 80, b"query"))
    d.counts()


@case
def ports_and_marks(d):
    start(d)
    d.send("client", error(answer(1053, 81)))
    d.send("client", error(answer(20)))
    d.control(f"-A -t {VIP}:21 -s rr", f"-A -u {VIP}:0 -s rr", f"-a -u {VIP}:0 -r {SERVER}:0 -m")
    for port in (21, 20, 5000):
        d.send("client", error(packet.tcp(VIP, port, CLIENT, 40000, SYN | ACK, ack=1)))
        d.send("client", error(answer(1053, port)))
    d.rules(MARKED)
    d.control("-A -f 7 -s rr", f"-a -f 7 -r {OTHER_SERVER}:0 -m")
    d.send("client", error(packet.tcp(VIP, 443, CLIENT, 40001, ACK, ack=1)))
    d.send("client", error(answer(1059, 99)))
    d.counts()


@case
def no_server_and_no_room(d):
    start(d)
    d.sysctl("conn_max", 1)
    d.send("client", error(answer(1053)))
    d.send("client", error(answer(1054)))
    d.sysctl("conn_max", 100)
    for server in (SERVER, OTHER_SERVER):
        d.ipvsadm(f"-e -u {VIP}:80 -r {server}:8080 -m -w 0")
    d.send("client", error(answer(1055)))
    d.counts()


@case
def short_and_wrong(d):
    start(d)
    for number, length in enumerate((20, 23, 24, 27, 28)):
        d.send("client", error(answer(1050 + number)[:length]), f"{length} bytes inside")
    for number, length in enumerate((24, 28, 40)):
        d.send("client", error(packet.tcp(VIP, 80, CLIENT, 40000 + number, ACK, ack=1)[:length]), f"{length} bytes of TCP inside")
    d.send("client", error(answer(1060), bad=5))
    d.send("client", error(answer(1061, frag=0x2000)))
    d.send("client", error(answer(1062, frag=5)))
    d.send("client", error(answer(1063), ttl=1))
    d.send("client", error(packet.tcp(VIP, 80, CLIENT, 40009, packet.RST)))
    d.counts()


@case
def the_server_hears_of_its_own(d):
    """An error from the servers' side about nothing known goes the other way; it is not scheduled as a reply."""
    start(d)
    d.send("servers", packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, 1053, SERVER, 8080, b"query", ttl=63)))
    d.send("servers", packet.icmp(SERVER, VIP, 3, 3, 0, packet.udp(VIP, 80, SERVER, 1053, b"answer")))
    d.counts()


@case
def one_packet_services(d):
    start(d, options="-o")
    for _ in range(3):
        d.send("client", error(answer(1053)))
    d.send("client", error(packet.tcp(VIP, 80, CLIENT, 40000, ACK, ack=1)))
    d.counts()


@case(rows=("-p 300", "-p 300 -M 255.255.255.0", "-p 300 -o"))
def persistent_services(d, options):
    """The template is of the quoted packet's ends, and serves packets of all kinds."""
    start(d, options=options)
    d.send("client", error(answer(1053)), "an error")
    d.send("client", error(answer(1054)), "another of the same client")
    d.send("client", packet.udp(CLIENT, 1055, VIP, 80, b"query"), "a datagram of it")
    d.send("client", packet.icmp("10.1.0.3", VIP, 3, 3, 0, packet.udp(VIP, 80, "10.1.0.3", 1053, b"answer")), "an error of another client")
    d.send("client", packet.udp("10.1.0.3", 1055, VIP, 80, b"query"), "a datagram of it")
    d.send("client", error(packet.tcp(VIP, 80, CLIENT, 40000, SYN | ACK, ack=1)), "an error about TCP")
    d.send("client", packet.tcp(CLIENT, 40001, VIP, 80, SYN), "a SYN")
    d.counts()
    for server in (SERVER, OTHER_SERVER):
        d.ipvsadm(f"-e -u {VIP}:80 -r {server}:8080 -m -w 0")
    d.send("client", error(answer(1056)), "an error when no server has weight")
    d.sysctl("expire_quiescent_template", 1)
    d.send("client", error(answer(1057)), "an error when templates are not to be used then")
    d.counts()
    d.quiet(20)
    d.counts("after the first time-outs", spread=3)


@case(rows=(0, 1))
def with_tracking(d, value):
    start(d)
    d.rules("add table ip t; add chain ip t input { type filter hook input priority 0; }; add rule ip t input ct state "
            "{ new, established, related, untracked, invalid } counter accept")
    d.sysctl("conntrack", value)
    d.send("client", error(answer(1053)))
    d.send("client", packet.udp(CLIENT, 1053, VIP, 80, b"query"))
    d.run("nft list ruleset")
    d.counts()


@case
def errors_that_pass_through(d):
    """An address that is not the director's, for which a mark makes a service: the error is routed through."""
    d.wires()
    d.sysctl("schedule_icmp", 1)
    d.rules("table ip t { chain c { type filter hook prerouting priority -150; ip daddr 10.2.0.15 meta mark set 7; }; }\n")
    d.control("-A -f 7 -s rr", f"-a -f 7 -r {SERVER}:0 -m", "-A -f 8 -s rr", f"-a -f 8 -r {SERVER}:0 -g")
    inner = packet.udp("10.2.0.15", 80, CLIENT, 1053, b"answer")
    d.send("client", packet.icmp(CLIENT, "10.2.0.15", 3, 3, 0, inner))
    d.send("client", packet.icmp(CLIENT, "10.2.0.15", 3, 3, 0, inner))
    d.counts()


@case(rows=("0", "1"))
def ignore_tunneled_leaves_errors_alone(d, value):
    start(d)
    d.sysctl("ignore_tunneled", value)
    d.send("client", error(answer(1053)))
    d.send("client", packet.icmp(CLIENT, VIP, 5, 1, 7, answer(1054)))
    d.send("client", error(packet.ip(VIP, CLIENT, 47, bytes(8))))
    d.send("client", packet.ip(CLIENT, VIP, 47, bytes(8)))
    d.counts()
