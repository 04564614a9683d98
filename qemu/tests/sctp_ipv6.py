# SPDX-License-Identifier: GPL-2.0
"""SCTP over IPv6 byte by byte: sums, fragments, extension headers, errors; and what connection tracking makes of SCTP."""
import re

import packet
import sctp_states
import serving
from cases import case
from packet import SCTP
from sctp_states import METHODS, chunks, kernel_has_sctp
from topology import IPV4, IPV6

CLIENT, VIP, SERVER, *_ = serving.ends(IPV6)
INIT, DATA = packet.chunk(1, b"abcd"), packet.chunk(0, b"some data")


def start(d, method="nat", port=8080):
    """Has a service of SCTP and the first packet of an association."""
    sctp_states.start(d, method, plan=IPV6, server_port=port)
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 80, 0, INIT))


def request(*parts, **more):
    return packet.sctp(CLIENT, 40000, VIP, 80, 7, *(parts or (DATA,)), **more)


def answer(*parts, sport=8080, **more):
    return packet.sctp(SERVER, sport, CLIENT, 40000, 9, *(parts or (DATA,)), **more)


@case(rows=METHODS)
def association(d, method):
    start(d, method)
    for client, server in ((None, "INIT_ACK"), ("COOKIE_ECHO", "COOKIE_ACK"), ("DATA", "DATA"), ("SHUTDOWN", "SHUTDOWN_ACK"),
                           ("SHUTDOWN_COMPLETE", None), ("INIT", "ABORT"), ("COOKIE_ECHO+ABORT", None)):
        if client:
            d.send("client", request(*chunks(client)), f"> {client}")
        if server and method == "nat":
            d.send("servers", answer(*chunks(server)), f"< {server}")
        d.counts()
    d.ipvsadm("-Lnc")


@case(rows=tuple((f"{mode}, {port}, sums by the device {sums}", mode, port, sums) for mode in ("full", "bad", "zero", "partial")
                 for port in (8080, 80) for sums in ("on", "off")))
def checksum(d, row):
    _, mode, port, sums = row
    start(d, "nat", port)
    for device in ("eth0", "eth1"):
        d.run(f"ethtool -K {device} tx-checksum-sctp {sums}")
    offload = {"partial": SCTP} if mode == "partial" else {}
    d.send("client", request(mode=mode), **offload)
    d.send("servers", answer(sport=port, mode=mode), **offload)


@case(rows=METHODS)
def fragments(d, method):
    start(d, method)
    data = packet.chunk(0, bytes(range(200)))
    d.send("client", packet.fragments(request(data), 64))
    d.send("client", list(reversed(packet.fragments(request(data), 64, 9))))
    d.send("client", packet.fragments(packet.sctp(CLIENT, 40001, VIP, 80, 0, packet.chunk(1, bytes(300))), 16, 10))
    d.send("servers", packet.fragments(answer(data), 64))
    d.counts()


@case(rows=METHODS)
def extension_headers(d, method):
    start(d, method)
    headers = (packet.hop_by_hop(b"\5\2\0\0"), packet.destination(bytes(60)), packet.destination(bytes(250)), packet.routing(4, 0))
    for number in range(1, len(headers) + 1):
        d.send("client", request(packet.chunk(10, bytes(200)), packet.chunk(6), extensions=headers[:number]), f"{number} headers")
        d.send("servers", answer(extensions=headers[:number]), f"{number} headers back")
        d.counts()


@case(rows=METHODS)
def truncated(d, method):
    start(d, method)
    whole = request()
    for length in (0, 4, 11, 12, 15, 16):
        d.send("client", packet.ip(CLIENT, VIP, SCTP, whole[40:40 + length]), f"{length} bytes")
        d.send("client", packet.ip(IPV6.clients[1], VIP, SCTP, whole[40:40 + length]), f"{length} bytes, new")
    d.counts()


@case(rows=tuple((f"{method}: {kind}/{code}", method, kind, code, rest) for method in METHODS for kind, code, rest in
                 ((1, 3, 0), (1, 4, 0), (2, 0, 1300), (3, 0, 0), (4, 1, 6))))
def errors(d, row):
    _, method, kind, code, rest = row
    start(d, method)
    whole = packet.sctp(VIP, 80, CLIENT, 40000, 9, DATA, ttl=60)
    for length in (48, 52, 56, len(whole), 47, 44, 43):
        d.send("client", packet.icmp(IPV6.clients[3], VIP, kind, code, rest, whole[:length]), f"{length} bytes from the client")
    whole = packet.sctp(CLIENT, 40000, SERVER if method == "nat" else VIP, 8080 if method == "nat" else 80, 7, DATA, ttl=63)
    for length in (48, 52, 56, len(whole), 47, 44, 43):
        d.send("servers", packet.icmp(IPV6.servers[3], CLIENT, kind, code, rest, whole[:length]), f"{length} bytes from the server")
    d.counts()


@case
def larger_than_the_way_out(d):
    start(d)
    d.run("ip link set eth1 mtu 1300")
    for size in (1300, 1304, 1400):
        d.send("client", request(packet.chunk(0, bytes(size - 56))), f"{size} bytes")
    d.counts()


# --- connection tracking, for both families ---

def table(d):
    """Writes down what connection tracking knows, without its times and references."""
    lines = [re.sub(r"(sctp +\d+) \d+ ", r"\1 T ", line) for line in d.execute("conntrack -L")[1].splitlines() if "conntrack v" not in line]
    lines += [re.sub(r"(sctp +\d+) \d+ ", r"\1 T ", line) for line in d.execute("conntrack -L -f ipv6")[1].splitlines() if "conntrack v" not in line]
    d.lines += ["conntrack:"] + sorted("  " + re.sub(r" use=\d+", "", line) for line in lines)


def init(kind, tag):
    """Returns an INIT or INIT_ACK chunk as tracking wants to see it, with its own tag."""
    return packet.chunk(kind, tag.to_bytes(4, "big") + bytes.fromhex("00010000 000a 000a 00000001"))


@case(rows=tuple((f"{family}, {method}, conntrack {conntrack}", family, method, conntrack) for family in ("IPv4", "IPv6") for method in METHODS
                 for conntrack in (0, 1)))
def tracked(d, row):
    _, family, method, conntrack = row
    plan = IPV4 if family == "IPv4" else IPV6
    client, vip, server, port = plan.clients[0], plan.vips[0], plan.servers[0], 8080 if method == "nat" else 80
    kernel_has_sctp(d)
    d.wires(plan)
    for hook in ("forward", "postrouting", "input"):
        d.rules(f"add table inet t; add chain inet t {hook} {{ type filter hook {hook} priority 0; }}; "
                f"add rule inet t {hook} meta l4proto sctp ct state {{ new, established, related, untracked, invalid }} counter accept")
    d.sysctl("conntrack", conntrack)
    d.control(f"-A --sctp-service {plan.end(vip, 80)} -s rr", f"-a --sctp-service {plan.end(vip, 80)} -r {plan.end(server, port)} {METHODS[method]}")
    for there, tag, chunk in ((True, 0, init(1, 9)), (False, 9, init(2, 7)), (True, 7, packet.chunk(10, bytes(40))), (False, 9, packet.chunk(11)),
                              (True, 7, DATA), (False, 9, DATA), (True, 7, packet.chunk(7, bytes(4))), (False, 9, packet.chunk(8)),
                              (True, 7, packet.chunk(14)), (True, 0, init(1, 11)), (True, 0, init(1, 11))):
        if there:
            d.send("client", packet.sctp(client, 40000, vip, 80, tag, chunk))
        elif method == "nat":
            d.send("servers", packet.sctp(server, port, client, 40000, tag, chunk))
        table(d)
        d.counts()
    d.run("nft list ruleset")
