# SPDX-License-Identifier: GPL-2.0
"""The harness itself: what it builds is right, IPv6 crosses the director byte by byte, and no frame is lost unseen."""
import json

import packet
import rtnetlink
import serving
import topology
import wire
from cases import case
from packet import ACK, PSH, SYN, TCP
from topology import IPV6

CLIENT, VIP, SERVER, *_ = serving.ends(IPV6)
ARP, LLDP = 0x0806, 0x88CC


def packets(source, sport, target, dport):
    """Returns packets of all kinds that a router sends on as they are, but for the hop limit, by name."""
    query = packet.udp(target, dport, source, sport, b"query")
    return {
        "tcp": packet.tcp(source, sport, target, dport, SYN, options=b"\2\4\5\xb4", tos=0x28, flow=0x12345),
        "tcp with data": packet.tcp(source, sport, target, dport, ACK | PSH, ack=1, data=bytes(range(200))),
        "udp": packet.udp(source, sport, target, dport, b"odd"),
        "udp without a checksum": packet.udp(source, sport, target, dport, mode="zero"),
        "tcp with a bad checksum": packet.tcp(source, sport, target, dport, SYN, mode="bad"),
        "sctp": packet.sctp(source, sport, target, dport, 7, packet.chunk(0, b"data", 3), packet.chunk(11)),
        "icmp6": packet.icmp(source, target, 128, 0, 0x00010001, b"ping"),
        "icmp6 error": packet.icmp(source, target, 1, 4, 0, query),
        "destination options": packet.udp(source, sport, target, dport, extensions=(packet.destination(),)),
        "hop-by-hop options": packet.tcp(source, sport, target, dport, SYN, extensions=(packet.hop_by_hop(),)),
        "another protocol": packet.ip(source, target, 253, b"bytes"),
    }


@case
def ipv6_crosses_the_director(d):
    d.wires(topology.IPV6)
    for side, other, made in (("client", "servers", packets(CLIENT, 1053, SERVER, 80)),
                              ("servers", "client", packets(SERVER, 80, CLIENT, 1053))):
        for name, data in made.items():
            d.ends[side].send(topology.mac("fd01::1" if side == "client" else "fd02::1"), topology.mac("fd01::2"), data)
            d.quiet(0.02)
            found = [frame[14:] for _, frame in d.ends[other].frames()]
            d.expect(f"{name} of the {side} is the same on the other side", found == [packet.forwarded(data)])
            d.expect("nothing comes back", not d.ends[side].frames())


@case
def ipv6_in_a_transcript(d):
    d.wires(topology.IPV6)
    for data in packets(CLIENT, 1053, SERVER, 80).values():
        d.send("client", data)
    d.send("client", packet.fragments(packet.udp(CLIENT, 1053, SERVER, 80, bytes(range(200))), 64))
    d.send("client", packet.tcp(CLIENT, 1053, SERVER, 80, ACK, ttl=1))
    d.send("client", packet.tcp(CLIENT, 1053, VIP, 80, SYN))
    d.send("client", packet.tcp(CLIENT, 1053, SERVER, 80, ACK, ack=1, data=bytes(4000), mode="partial"), "4000 bytes in segments",
           partial=TCP, segment=1000)


@case
def both_families_at_once(d):
    d.wires(topology.IPV4, topology.IPV6)
    found = d.send("client", packet.udp("10.1.0.2", 1053, "10.2.0.11", 80))
    d.expect("IPv4 crosses", len(found["servers"]) == 1)
    found = d.send("client", packet.udp(CLIENT, 1053, SERVER, 80))
    d.expect("IPv6 crosses", len(found["servers"]) == 1)


@case
def ipv6_hosts_answer(d):
    d.hosts(plan=topology.IPV6)
    for address in (SERVER, VIP, "fd02::12"):
        code, output = d.execute(f"ping -6 -n -c 1 -W 5 {address}", "client1")
        d.expect(f"{address} answers{output if code else ''}", code == 0)


@case
def checksums_are_the_standards(d):
    d.expect("CRC-32C of its check string", packet.crc32c(b"123456789") == 0xE3069283)
    d.expect("the sum of RFC 1071", packet.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2)
    for family, source, target in ((4, "10.1.0.2", "10.2.0.11"), (6, CLIENT, SERVER)):
        for make in (packet.tcp, packet.udp, packet.sctp):
            rest = (SYN,) if make is packet.tcp else (7,) if make is packet.sctp else ()
            for mode, said in (("full", "checksum ok"), ("bad", "checksum bad(")):
                text = packet.show(make(source, 1, target, 2, *rest, mode=mode))
                d.expect(f"IPv{family} {make.__name__} {mode}: {said}", said in text.split(make.__name__)[1])


@case
def frames_of_any_type_are_captured(d):
    d.wires()
    director = wire.End("director", "eth1", captures=False)
    d.ends["director"] = director
    director.send_frame(packet.ether("02:00:00:00:00:01", "02:00:00:00:00:02", b"chassis", LLDP))
    found = d.captured("a frame of another protocol")
    d.expect("its type and its bytes", "ethertype 0x88cc data 63686173736973" in "".join(found["servers"]))
    director.send_frame(packet.ether("ff:ff:ff:ff:ff:ff", topology.mac("10.2.0.1"), bytes(28), ARP))
    d.expect("a question of ARP is seen", any("arp" in line for line in d.captured("ARP")["servers"]))


@case
def frames_that_found_no_room_fail_the_case(d):
    d.wires()
    d.ends["small"] = small = wire.End("servers", "eth0", waiting=4096)
    for port in range(50):
        data = packet.udp("10.1.0.2", port, "10.2.0.11", 80, bytes(1000))
        d.ends["client"].send(topology.mac("10.1.0.1"), topology.mac("10.1.0.2"), data)
    d.quiet(0.1)
    d.expect("they all came to the end with room", len(d.ends["servers"].frames()) == 50)
    try:
        small.frames()
        fault = ""
    except wire.Lost as lost:
        fault = str(lost)
    d.expect("the small end says that some are lost", fault.endswith("frames at eth0 of servers found no room to wait in"))
    small.close()
    del d.ends["small"]


# Every form of line that rtnetlink knows, in both families; for the first namespace, then for OTHER and OWN.
FORMS = (
    ("link add eth0 address 02:00:00:00:00:01 netns OWN type veth peer name far address 02:00:00:00:00:02 netns OTHER",
     "link add eth1 netns OWN type veth peer name near netns OTHER"),
    ("link set far up", "link set near up"),
    ("link add wire type bridge", "link set wire address 02:00:00:00:00:04", "link set eth1 address 02:00:00:00:00:05 mtu 1400",
     "link set eth1 master wire up", "link set eth0 arp off", "link set lo up", "link set eth0 up",
     "address add 10.1.0.1/24 dev eth0", "address add 10.9.0.1/32 dev lo", "address add 127.1.0.1/8 dev lo",
     "address add fd01::1/64 dev eth0 nodad", "address add fd09::1/128 dev lo nodad",
     "neigh replace 10.1.0.2 lladdr 02:00:0a:01:00:02 dev eth0 nud permanent", "neigh replace fd01::2 lladdr 02:06:01:00:00:02 dev eth0 nud permanent",
     "route add default via 10.1.0.3", "route add default via fd01::3", "route add 10.3.0.0/16 dev eth0", "route add fd03::/64 dev eth0",
     "route add local 10.8.0.0/16 dev lo", "route add local fd08::/64 dev lo", "route add 10.4.0.9 via 10.1.0.4 dev eth0",
     "route replace 10.1.0.0/24 dev eth0 mtu lock 1300", "route add fd05::/64 dev eth0 mtu lock 1300", "route del 10.3.0.0/16 dev eth0",
     "route del fd03::/64 dev eth0"),
)
SHOWN = ("-4 route show table all", "-6 route show table all", "neigh show", "address show", "link show")
# What is random or belongs to one namespace.
OWN_VALUES = ("link_netnsid", "link_index", "operstate", "carrier", "link_netns")


def shown(what, where):
    """Returns what `ip` shows of a namespace, in an order of its own; of a route only text has all."""
    if "route" in what:
        return sorted(topology.must(f"ip {what}", where).splitlines())
    rows = json.loads(topology.must(f"ip -j {what}", where) or "[]")
    return sorted(json.dumps({name: value for name, value in row.items() if name not in OWN_VALUES}, sort_keys=True) for row in rows)


@case(only=("rvs",))
def rtnetlink_makes_what_ip_makes(d):
    names = {"ip": ("one", "two"), "rtnetlink": ("three", "four")}
    for made, pair in names.items():
        for name in pair:
            d.netns(name)
        topology.families(pair, (topology.IPV6,))
        for lines, where in zip(FORMS, (None, pair[1], pair[0])):
            lines = [line.replace("OWN", pair[0]).replace("OTHER", pair[1]) for line in lines]
            if made == "ip":
                topology.must("ip -batch -", where, "\n".join(lines))
            else:
                topology.batch(lines, where)
    d.quiet(2)
    for what in SHOWN:
        ours, theirs = shown(what, "three"), shown(what, "one")
        d.expect(f"{what} are the same, and not none: {sorted(set(ours) ^ set(theirs))}", ours and ours == theirs)
    d.expect("the other end has its name and address", shown("link show dev far", "two") == shown("link show dev far", "four"))


@case(only=("rvs",))
def rtnetlink_says_what_was_refused(d):
    d.netns("director")
    for line, answer in (("address add 10.9.0.1/32 dev lo", ""), ("address add 10.9.0.1/32 dev lo", "File exists"),
                         ("link set nowhere up", "No such device"), ("route add 10.3.0.0/16 via 10.200.0.1", "Network is unreachable"),
                         ("address add 10.9.0.2/32 dev nowhere", "nowhere")):
        try:
            topology.batch(["link set lo up", line], "director")
            said = ""
        except (RuntimeError, OSError) as error:
            said = str(error)
        d.expect(f"{line}: {said}", answer in said and bool(answer) == bool(said))
    with topology.inside("director"):
        try:
            rtnetlink.batch(["link set lo down", "rule add from 10.0.0.1 lookup 100"], topology.NAMED)
            known = True
        except rtnetlink.Unknown:
            known = False
    d.expect("a form that is not known is left to ip, all of its batch", not known and "UP" in topology.must("ip link show lo", "director"))


@case(only=("rvs",))
def a_batch_has_any_length(d):
    d.wires()
    before = len(shown("neigh show", "director"))
    topology.batch([f"neigh replace {topology.IPV4.server(number)} lladdr 02:00:00:00:00:09 dev eth1 nud permanent"
                    for number in range(100, 1100)], "director")
    d.expect("all neighbours are there", len(shown("neigh show", "director")) == before + 1000)
