# SPDX-License-Identifier: GPL-2.0
"""Tunnels byte by byte: the packet of the client goes, with one hop less, inside another one to the server.

Every kind of tunnel with every pair of an inner and an outer family: a row is `KIND INNERinOUTER`.
"""
import packet
import topology
from cases import case
from packet import ACK, PSH, SYN, TCP

KINDS = {"ipip": "", "gue": "--tun-type gue --tun-port 6080 --tun-nocsum", "gue-csum": "--tun-type gue --tun-port 6080 --tun-csum",
         "gue-remcsum": "--tun-type gue --tun-port 6080 --tun-remcsum", "gre": "--tun-type gre --tun-nocsum",
         "gre-csum": "--tun-type gre --tun-csum"}
PLANS = {"4": topology.IPV4, "6": topology.IPV6}
PAIRS = ("4in4", "6in4", "4in6", "6in6")
ROWS = tuple(f"{kind} {pair}" for kind in KINDS for pair in PAIRS)
DF = 0x4000


class Tunnel:
    """A director whose services send everything through one kind of tunnel to one server."""

    def __init__(self, d, row, scheduler="rr"):
        kind, pair = row.split()
        inner, outer = (PLANS[letter] for letter in pair.split("in"))
        self.d, self.kind, self.inner, self.outer = d, kind, inner, outer
        d.wires(inner, *(plan for plan in (outer,) if plan is not inner))
        self.client, self.vip, self.server = inner.clients[0], inner.vips[0], outer.servers[0]
        for letter in ("-t", "-u"):
            d.control(f"-A {letter} {inner.end(self.vip, 80)} -s {scheduler}",
                      f"-a {letter} {inner.end(self.vip, 80)} -r {outer.end(self.server, 80)} -i {KINDS[kind]}")

    def tcp(self, flags, title="", partial=False, segment=0, **fields):
        """Sends a segment of the client's connection."""
        mode = "partial" if partial or segment else "full"
        data = packet.tcp(self.client, 40000, self.vip, 80, flags, **{"mode": mode, **self.fitting(fields)})
        return self.d.send("client", data, title, **({"partial": TCP, "segment": segment} if mode == "partial" else {}))

    def udp(self, data=b"request", title="", **fields):
        """Sends a datagram of the client."""
        return self.d.send("client", packet.udp(self.client, 40000, self.vip, 80, data, **self.fitting(fields)), title)

    def fitting(self, fields):
        """Returns the fields that a packet of the family has."""
        return {name: value for name, value in fields.items() if self.inner.family == 4 or name not in ("frag", "ident")}


@case(rows=ROWS)
def packet_goes_inside_another(d, row):
    tunnel = Tunnel(d, row)
    d.ipvsadm("-Ln")
    d.ipvsadm("-Ln --tun-info")
    found = tunnel.tcp(SYN, tos=0x10, ident=99, frag=DF, ttl=17)
    d.expect("the server gets it", topology.mac(tunnel.server) in " ".join(found["servers"]))
    tunnel.tcp(ACK | PSH, ack=1, data=b"request")
    tunnel.udp(b"request")
    tunnel.udp(b"odd")
    tunnel.udp(mode="zero")
    tunnel.udp(mode="bad")
    d.counts()


@case(rows=ROWS)
def offload(d, row):
    tunnel = Tunnel(d, row)
    tunnel.tcp(SYN, partial=True)
    tunnel.tcp(ACK | PSH, ack=1, data=bytes(range(101)), partial=True)
    for size in (1000, 1400, 1440):
        tunnel.tcp(ACK | PSH, f"4000 bytes in segments of {size}", ack=1, data=bytes(4000), segment=size, frag=DF)
    tunnel.tcp(ACK | PSH, "4000 bytes in segments of 1440 that may be cut", ack=1, data=bytes(4000), segment=1440)
    d.counts()


@case(rows=("ipip 4in4", "gue 6in4", "gre 4in4"))
def identification_of_what_may_be_cut(d, row):
    """It is drawn by lot and shown nowhere else; of eight, one at most is 0."""
    tunnel, drawn = Tunnel(d, row), []

    def collect():
        drawn.extend(int.from_bytes(frame[18:20]) for _, frame in d.ends["servers"].frames() if frame[12:14] == b"\x08\x00")
        return len(drawn) >= 8

    for _ in range(8):
        d.ends["client"].send(topology.mac(tunnel.inner.near), topology.mac(tunnel.client),
                              packet.udp(tunnel.client, 40000, tunnel.vip, 80, b"request"))
    d.wait("all to come", collect)
    d.expect("they differ", drawn.count(0) <= 1 and len(set(drawn)) > 1)


@case(rows=PAIRS)
def type_of_service_and_congestion(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    for tos in (0, 1, 2, 3, 0x10, 0xB8, 0xBB, 0xFF, 0xFC):
        tunnel.udp(tos=tos)
    for flow in (0x12345, 0xFFFFF) if tunnel.inner.family == 6 else ():
        tunnel.udp(flow=flow)


@case(rows=PAIRS)
def time_to_live(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    for ttl in (255, 64, 2, 1, 0):
        tunnel.udp(ttl=ttl)
    d.counts()


@case(rows=("0", "1"))
def options_and_fragmenting(d, discovers):
    tunnel = Tunnel(d, "ipip 4in4")
    d.sysctl("pmtu_disc", discovers)
    for fragment in (0, DF):
        for ident in (0, 1, 99, 0xFFFF):
            tunnel.udp(frag=fragment, ident=ident)
        d.send("client", packet.udp(tunnel.client, 40000, tunnel.vip, 80, b"request", frag=fragment, options=b"\1" * 12))
        tunnel.tcp(SYN, frag=fragment)


@case(rows=ROWS)
def packet_larger_than_the_tunnel(d, row):
    tunnel = Tunnel(d, row)
    d.run("ip link set eth1 mtu 1400")
    overhead = {"ipip": 0, "gue": 12, "gue-csum": 12, "gue-remcsum": 12, "gre": 4, "gre-csum": 8}[tunnel.kind]
    header = packet.HEADER[tunnel.inner.family] + 8
    room = 1400 - packet.HEADER[tunnel.outer.family] - overhead
    for discovers in ("1", "0"):
        d.sysctl("pmtu_disc", discovers)
        for size in (room, room + 1, 1500):
            for fragment in (DF, 0) if tunnel.inner.family == 4 else (DF,):
                tunnel.udp(bytes(size - header), f"{size} bytes, fragment field {fragment:#x}", frag=fragment)
    d.counts()


@case(rows=PAIRS)
def way_that_is_too_narrow(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    least = 68 if tunnel.outer.family == 4 else 1280
    overhead = packet.HEADER[tunnel.outer.family]
    for mtu in (least + overhead, least + overhead - 1):
        d.run(f"ip route add {tunnel.server}/{tunnel.outer.host} dev eth1 mtu {mtu}")
        tunnel.udp(ttl=2)
        tunnel.udp(ttl=1)
        d.run(f"ip route del {tunnel.server}/{tunnel.outer.host} dev eth1 mtu {mtu}")


@case(rows=PAIRS)
def way_to_the_server_is_gone(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    tunnel.udp()
    d.run(f"ip route add unreachable {tunnel.server}/{tunnel.outer.host}")
    tunnel.udp()
    tunnel.tcp(SYN)
    d.counts()


@case(rows=PAIRS)
def server_on_this_host(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    tunnel.udp()
    d.run(f"ip address add {tunnel.server}/{tunnel.outer.host} dev lo" + " nodad" * (tunnel.outer.family == 6))
    tunnel.udp()
    tunnel.tcp(SYN)
    d.counts()


@case(rows=("4in4", "6in6"))
def connections_stay_when_the_tunnel_changes(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    service, server = tunnel.inner.end(tunnel.vip, 80), tunnel.outer.end(tunnel.server, 80)
    tunnel.udp()
    for kind in KINDS:
        d.ipvsadm(f"-e -u {service} -r {server} -i {KINDS[kind]}")
        tunnel.udp()
    d.ipvsadm(f"-e -u {service} -r {server} -g")
    tunnel.udp()
    d.ipvsadm(f"-d -u {service} -r {server}")
    tunnel.udp()
    d.counts()


@case(rows=PAIRS)
def service_of_a_firewall_mark(d, pair):
    inner, outer = (PLANS[letter] for letter in pair.split("in"))
    d.wires(inner, *(plan for plan in (outer,) if plan is not inner))
    six = " -6" * (inner.family == 6)
    d.control(f"-A -f 7{six} -s rr", f"-a -f 7{six} -r {outer.end(outer.servers[0], 0)} -i")
    d.rules("table inet t { chain c { type filter hook prerouting priority -150; meta l4proto { tcp, udp } meta mark set 7; }; }\n")
    d.send("client", packet.udp(inner.clients[0], 40000, inner.vips[0], 80, b"request"))
    d.send("client", packet.tcp(inner.clients[0], 40000, inner.vips[1], 443, SYN))
    d.counts()


@case
def fragments_are_put_together_first(d):
    tunnel = Tunnel(d, "ipip 4in4")
    d.send("client", packet.fragments(packet.udp(tunnel.client, 40000, tunnel.vip, 80, bytes(range(200))), 64))
    d.counts()


@case
def errors_of_the_client_go_through_the_tunnel(d):
    tunnel = Tunnel(d, "ipip 4in4")
    tunnel.udp()
    quoted = packet.udp(tunnel.vip, 80, tunnel.client, 40000, b"answer")
    for fragment in (0, DF):
        d.send("client", packet.icmp(tunnel.client, tunnel.vip, 3, 3, 0, quoted, frag=fragment))
    d.run("ip link set eth1 mtu 80")
    d.send("client", packet.icmp(tunnel.client, tunnel.vip, 3, 3, 0, quoted + bytes(60), frag=DF))
    d.counts()
