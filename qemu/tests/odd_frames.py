# SPDX-License-Identifier: GPL-2.0
"""Frames and fragments that a host should not get: for all hosts or for another one, overlapping, never complete."""
import packet
import serving
import topology
from cases import case
from packet import ACK, PSH, SYN
from real_servers import serve_pages
from serving import FAMILIES_AND_METHODS
from topology import IPV4, PLANS

# Hardware addresses of frames, by the hosts that they are for.
ADDRESSES = {"all hosts": "ff:ff:ff:ff:ff:ff", "a group": "01:00:5e:00:00:01", "a group of IPv6": "33:33:00:00:00:01", "another host": "02:00:00:00:00:99"}


class Service:
    """Services of TCP and UDP with one server."""

    def __init__(self, d, row):
        family, method = row.split()
        self.d, self.plan, self.method = d, PLANS[family], method
        self.client, self.vip, self.server = serving.ends(self.plan)[:3]
        serving.start(d, plan=self.plan, method=method, server_port=8080)

    def frame(self, side, to, data):
        """Puts a packet in a frame for a hardware address, the one of the hosts that it is for, on a wire."""
        source = self.client if side == "client" else self.server
        self.d.ends[side].send(ADDRESSES[to], topology.mac(source), data)
        self.d.captured(f"for {to}: {packet.show(data)}")


@case(rows=FAMILIES_AND_METHODS)
def frames_that_are_not_for_this_host_alone(d, row):
    service = Service(d, row)
    client, vip = service.client, service.vip
    for port, name in enumerate(ADDRESSES, 41000):
        service.frame("client", name, packet.tcp(client, port, vip, 80, SYN))
        service.frame("client", name, packet.udp(client, port, vip, 80, b"query"))
    d.send("client", packet.tcp(client, 40000, vip, 80, SYN))
    d.send("client", packet.udp(client, 40000, vip, 80, b"query"))
    error = packet.icmp(client, vip, *((1, 4) if service.plan.family == 6 else (3, 3)), 0, packet.udp(vip, 80, client, 40000, b"answer", ttl=60))
    for name in ADDRESSES:
        service.frame("client", name, packet.tcp(client, 40000, vip, 80, ACK | PSH, ack=1, data=b"data"))
        service.frame("client", name, error)
        if service.method == "-m":
            service.frame("servers", name, packet.udp(service.server, 8080, client, 40000, b"answer"))
    d.counts()


def piece(service, whole, part):
    """Returns a fragment of bytes of a packet's payload."""
    start, end, more = part
    body = whole[packet.HEADER[service.plan.family]:]
    if service.plan.family == 6:
        return packet.fragment_of_ip6(whole, body[start:end], packet.fragment(start, more, 77))
    return packet.fragment_of_ip(whole, body[start:end], 0x2000 * more | start // 8)


# The fragments of a payload of 208 bytes, as (first byte, end, whether more follow), in the order in which they are sent.
SERIES = {
    "overlap of the second with the first": ((0, 64, True), (32, 128, True), (128, 208, False)),
    "overlap of the last with what is there": ((0, 64, True), (64, 128, True), (96, 208, False)),
    "one twice": ((0, 64, True), (0, 64, True), (64, 208, False)),
    "one inside another": ((0, 128, True), (64, 96, True), (128, 208, False)),
    "the header overlapped": ((8, 64, True), (0, 64, True), (64, 208, False)),
    "first is missing": ((64, 128, True), (128, 208, False)),
    "last is missing": ((0, 64, True), (64, 128, True)),
    "two ends": ((0, 64, True), (64, 128, False), (64, 208, False)),
    "a hole": ((0, 64, True), (128, 208, False)),
    "backwards": ((128, 208, False), (64, 128, True), (0, 64, True)),
}


@case(rows=tuple(f"{family} {method}" for family in PLANS for method in ("-m", "-g")))
def fragments_that_do_not_fit(d, row):
    service = Service(d, row)
    client, vip = service.client, service.vip
    for number, (name, pieces) in enumerate(SERIES.items()):
        whole = packet.udp(client, 40000 + number, vip, 80, bytes(range(200)))
        d.send("client", [piece(service, whole, part) for part in pieces], name)
        # What waits for more is given up, and the sender of a first fragment told, before the next.
        d.quiet(70)
        d.captured("after a minute")
    d.send("client", packet.udp(client, 40000, vip, 80, b"query"))
    for name, pieces in SERIES.items() if service.method == "-m" else ():
        whole = packet.udp(service.server, 8080, client, 40000, bytes(range(200)))
        d.send("servers", [piece(service, whole, part) for part in pieces], f"answer: {name}")
        d.quiet(70)
        d.captured("after a minute")
    d.counts()


# What the director's device towards the clients is part of, with its address there.
PARTS = {
    "a bridge": ("link add part0 address MAC type bridge mcast_snooping 0", "link set part0 up", "address flush dev eth0", "link set eth0 master part0",
                 "address add NEAR dev part0"),
    "a VRF": ("link add part0 type vrf table 10", "link set part0 up", "link set eth0 master part0", "address add VIP dev part0"),
}


@case(rows=tuple((f"{part}: {row}", part, row) for part in PARTS for row in FAMILIES_AND_METHODS))
def device_is_part_of_another(d, row):
    _, part, row = row
    service = Service(d, row)
    plan, client, vip, server = service.plan, service.client, service.vip, service.server
    more = " nodad" * (plan.family == 6)
    # Nothing is said unasked.
    d.execute("sysctl -qw net.ipv4.igmp_link_local_mcast_reports=0")
    d.execute("modprobe -a br_netfilter vrf")
    for command in PARTS[part]:
        command = command.replace("MAC", topology.mac(plan.near)).replace("NEAR", f"{plan.near}/{plan.prefix}{more}")
        code, output = d.execute(f"ip {command.replace('VIP', f'{vip}/{plan.host}{more}')}")
        d.expect(f"ip {command}{output.strip() if code else ''}", code == 0)
    topology.batch([f"neigh replace {client} lladdr {topology.mac(client)} dev part0 nud permanent"], "director")
    if part == "a bridge":
        d.execute("sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1")
    d.send("client", packet.tcp(client, 40000, vip, 80, SYN))
    d.send("client", packet.udp(client, 40000, vip, 80, b"query"))
    if service.method == "-m":
        d.send("servers", packet.tcp(server, 8080, client, 40000, SYN | ACK, ack=1))
        d.send("servers", packet.udp(server, 8080, client, 40000, b"answer"))
    d.send("client", packet.tcp(client, 40000, vip, 80, ACK, ack=1))
    d.counts()
    # It would be in the way of the bridges of other cases.
    d.expect("netfilter leaves bridges", d.execute("modprobe -r br_netfilter")[0] == 0)


@case(rows=("-m", "-g"))
def syn_proxy_before_the_service(d, method):
    """Netfilter's SYNPROXY answers clients itself, and only then lets a connection begin."""
    d.hosts(1, 1)
    serve_pages(d, "server1", "80")
    if method == "-g":
        topology.batch([f"address add {IPV4.vips[0]}/32 dev lo", f"route add {IPV4.near_network} dev eth0"], "server1")
    for rule in ("-t raw -A PREROUTING -p tcp --dport 80 --syn -j CT --notrack",
                 "-A INPUT -p tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460"):
        d.run(f"iptables {rule}")
    d.execute("sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0")
    for conntrack in (0, 1):
        d.sysctl("conntrack", conntrack)
        d.control(f"-A -t {IPV4.vips[0]}:80 -s rr", f"-a -t {IPV4.vips[0]}:80 -r {IPV4.servers[0]}:80 {method}")
        code, output = d.execute(f"curl -s -m 3 http://{IPV4.vips[0]}/", "client1")
        d.say(f"conntrack {conntrack}: {output.strip() if code == 0 else 'none'}")
        d.proc("ip_vs")
        d.ipvsadm("-C")
