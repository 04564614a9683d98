# SPDX-License-Identifier: GPL-2.0
"""Packets of NAT servers that belong to no connection: they pass, or the server hears that none waits for them."""
import packet
import serving
import topology
from cases import case
from packet import ACK, RST, SYN
from serving import CLIENT, OTHER_SERVER, SERVER, VIP

MARKED = "table ip t { chain c { type filter hook prerouting priority -150; ip daddr 10.9.0.0/24 meta mark set 7; }; }\n"


def start(d, value=1, method="-m"):
    serving.start(d, ("nat_icmp_send", value), letters="-t", method=method)
    serving.serve(d, letters="-u", port=53, method=method)


def strays(d):
    """What the servers send, from the ports of the services and from others."""
    for port in (80, 53, 99):
        d.send("servers", packet.tcp(SERVER, port, CLIENT, 40000, SYN | ACK, ack=1))
        d.send("servers", packet.udp(SERVER, port, CLIENT, 1053, b"answer"))
    d.send("servers", packet.udp(OTHER_SERVER, 53, CLIENT, 1053, b"answer"))


@case(rows=tuple((f"{value} {name}", value, method) for value in (0, 1, -1) for name, method in (("NAT", "-m"), ("DR", "-g"))))
def packets_of_no_connection(d, row):
    _, value, method = row
    start(d, value, method)
    strays(d)
    d.counts()


@case
def packets_of_a_connection_pass(d):
    start(d)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, SYN))
    d.send("client", packet.udp(CLIENT, 1053, VIP, 53, b"query"))
    strays(d)
    d.counts()


@case
def headers_that_say_more_or_less(d):
    start(d)
    for flags in (RST, RST | ACK, RST | SYN, ACK, 0):
        d.send("servers", packet.tcp(SERVER, 80, CLIENT, 40000, flags, ack=1))
    whole = packet.tcp(SERVER, 80, CLIENT, 40000, RST)
    for length in (0, 3, 4, 8, 14, 19):
        d.send("servers", packet.ip(SERVER, CLIENT, packet.TCP, whole[20:20 + length]), f"{length} bytes of TCP")
        d.send("servers", packet.ip(SERVER, VIP, packet.TCP, whole[20:20 + length]), f"{length} bytes of TCP, for the director")
    for length in (0, 3, 4, 7):
        d.send("servers", packet.ip(SERVER, CLIENT, packet.UDP, packet.udp(SERVER, 53, CLIENT, 1)[20:20 + length]), f"{length} bytes of UDP")
    d.send("servers", packet.fragments(packet.udp(SERVER, 53, CLIENT, 1053, bytes(200)), 64))
    d.send("servers", packet.udp(SERVER, 53, CLIENT, 1053, b"answer", ttl=1))
    d.send("servers", packet.udp(SERVER, 0, CLIENT, 1053, b"answer"))
    d.send("servers", packet.icmp(SERVER, CLIENT, 8, 0, 7, b"ping"))
    d.counts()


@case
def to_the_director_and_to_its_services(d):
    start(d)
    d.send("servers", packet.tcp(SERVER, 80, "10.2.0.1", 40000, SYN | ACK, ack=1))
    d.send("servers", packet.udp(SERVER, 53, VIP, 53, b"query"))
    d.send("servers", packet.udp(SERVER, 1053, VIP, 53, b"query"))
    d.send("servers", packet.tcp(SERVER, 80, VIP, 80, SYN))
    d.counts()


@case(rows=("newest first", "oldest first"))
def server_of_two_services_is_known_while_it_is_in_one(d, order):
    d.wires()
    d.sysctl("nat_icmp_send", 1)
    for port in (80, 81):
        d.control(f"-A -t {VIP}:{port} -s rr", f"-a -t {VIP}:{port} -r {SERVER}:8080 -m")
    for port in (81, 80) if order == "newest first" else (80, 81):
        d.ipvsadm(f"-d -t {VIP}:{port} -r {SERVER}:8080")
        d.send("servers", packet.tcp(SERVER, 8080, CLIENT, 40000, SYN | ACK, ack=1))
    d.counts()


@case
def a_server_on_the_director(d):
    d.wires()
    d.sysctl("nat_icmp_send", 1)
    d.control(f"-A -u {VIP}:53 -s rr", f"-a -u {VIP}:53 -r 10.2.0.1:5353 -m")
    code = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('10.2.0.1', {})); s.sendto(b'x', ('10.1.0.2', 9))"
    for port in (5353, 5354):
        said = d.execute(["python3", "-c", code.format(port)])[1]
        # Their identification is random, so they are counted.
        d.say(f"from port {port}: {said.splitlines()[-1:]}, {len(d.ends['client'].received())} packets")


@case
def servers_of_a_mark_count_with_every_protocol(d):
    d.wires()
    d.sysctl("nat_icmp_send", 1)
    d.rules(MARKED)
    d.control("-A -f 7 -s rr", f"-a -f 7 -r {SERVER}:80 -m", f"-a -f 7 -r {OTHER_SERVER}:0 -m")
    strays(d)
    d.send("servers", packet.udp(OTHER_SERVER, 0, CLIENT, 1053, b"answer"))
    d.counts()


@case
def a_server_that_was_a_client_before(d):
    """Of packets of a connection rvs does not ask what else their source is."""
    start(d, 0)
    d.control(f"-A -u {VIP}:54 -s rr", f"-a -u {VIP}:54 -r {OTHER_SERVER}:54 -m")
    query = packet.udp(SERVER, 53, VIP, 54, b"query")
    d.send("servers", query)
    d.sysctl("nat_icmp_send", 1)
    d.ends["servers"].send(topology.mac("10.2.0.1"), topology.mac(SERVER), query)
    d.quiet(0.1)
    told = [frame[14 + 9] == packet.ICMP for _, frame in d.ends["servers"].frames() if packet.noise(frame) != "arp"]
    d.expect("the server is told that there is no port, or its packet goes on", told == [d.module == "ip_vs"])


@case
def servers_come_change_and_go(d):
    start(d)
    answer = packet.udp(SERVER, 53, CLIENT, 1053, b"answer")
    steps = (f"-e -u {VIP}:53 -r {SERVER}:53 -g", f"-e -u {VIP}:53 -r {SERVER}:53 -m -w 0", f"-d -u {VIP}:53 -r {SERVER}:53",
             f"-a -u {VIP}:53 -r {SERVER}:53 -m", f"-D -u {VIP}:53", f"-A -u {VIP}:54 -s rr", f"-a -u {VIP}:54 -r {SERVER}:53 -m",
             f"-A -u {VIP}:55 -s rr", f"-a -u {VIP}:55 -r {SERVER}:53 -m", f"-d -u {VIP}:54 -r {SERVER}:53", "-C", f"-A -t {VIP}:80 -s rr")
    d.send("servers", answer)
    for step in steps:
        d.ipvsadm(step)
        d.send("servers", answer)


@case
def many_servers(d):
    """The index grows and shrinks, and finds what is there and nothing else."""
    d.wires()
    d.sysctl("nat_icmp_send", 1)
    d.ipvsadm(f"-A -u {VIP}:53 -s rr")
    ports = range(1, 301)
    d.ipvsadm("-R", stdin="".join(f"-a -u {VIP}:53 -r {SERVER}:{port} -m\n" for port in ports))
    ask = (1, 2, 15, 16, 17, 150, 299, 300, 301)
    for port in ask:
        d.send("servers", packet.udp(SERVER, port, CLIENT, 1053, b"answer"))
    d.ipvsadm("-R", stdin="".join(f"-d -u {VIP}:53 -r {SERVER}:{port}\n" for port in ports if port % 100))
    for port in (*ask, 100, 200):
        d.send("servers", packet.udp(SERVER, port, CLIENT, 1053, b"answer"))


@case
def with_tracking(d):
    start(d)
    d.rules("add table ip t; add chain ip t forward { type filter hook forward priority 0; }; add rule ip t forward ct state "
            "{ new, established, related, untracked, invalid } counter accept")
    d.sysctl("conntrack", 1)
    strays(d)
    d.run("nft list ruleset")
