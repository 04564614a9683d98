# SPDX-License-Identifier: GPL-2.0
"""SCTP byte by byte, by VS/NAT and VS/DR: addresses, ports and the CRC32c of whole packets, in every state of the field."""
import packet
import sctp_states
from cases import case
from packet import SCTP
from sctp_states import CLIENT, METHODS, SERVER, VIP, chunks, kernel_has_sctp

INIT, DATA = packet.chunk(1, b"abcd"), packet.chunk(0, b"some data")
MODES = ("full", "bad", "zero", "partial")


def start(d, method="nat", port=8080, ready=True):
    """Has a service of SCTP and, if it is ready, the first packet of an association."""
    sctp_states.start(d, method, server_port=port)
    if ready:
        d.send("client", packet.sctp(CLIENT, 40000, VIP, 80, 0, INIT))


def request(*parts, sport=40000, dport=80, **more):
    return packet.sctp(CLIENT, sport, VIP, dport, 7, *(parts or (DATA,)), **more)


def answer(*parts, sport=8080, dport=40000, **more):
    return packet.sctp(SERVER, sport, CLIENT, dport, 9, *(parts or (DATA,)), **more)


@case
def translated_both_ways(d):
    start(d)
    d.send("servers", answer(packet.chunk(2, bytes(20))))
    d.send("client", request(packet.chunk(10, bytes(range(200)))))
    d.send("servers", answer(packet.chunk(11), tos=0x28, ident=7))
    for size in (0, 1, 2, 3, 4, 1000, 1450):
        d.send("client", request(packet.chunk(0, bytes(range(256)) * 6)[:4] + bytes(range(256))[:size % 256] * (1 + size // 256)))
        d.send("servers", answer(packet.chunk(0, bytes(size))))
    d.counts()


@case(rows=tuple((f"{mode}, {'other port' if port == 8080 else 'same port'}, sums by the device {sums}", mode, port, sums)
                 for mode in MODES for port in (8080, 80) for sums in ("on", "off")))
def checksum(d, row):
    _, mode, port, sums = row
    start(d, "nat", port)
    for device in ("eth0", "eth1"):
        d.run(f"ethtool -K {device} tx-checksum-sctp {sums}")
    offload = {"partial": SCTP} if mode == "partial" else {}
    d.send("client", request(mode=mode), **offload)
    d.send("servers", answer(sport=port, mode=mode), **offload)
    d.send("client", request(DATA, packet.chunk(3, bytes(12)), mode=mode), **offload)
    d.counts()


@case(rows=("full", "bad", "zero", "partial"))
def checksum_is_not_looked_at_by_direct_routing(d, mode):
    start(d, "dr")
    d.send("client", request(mode=mode), **({"partial": SCTP} if mode == "partial" else {}))


@case(rows=("nat", "dr"))
def fragments_are_reassembled(d, method):
    start(d, method)
    data = packet.chunk(0, bytes(range(200)))
    d.send("client", packet.fragments(request(data), 64))
    d.send("client", list(reversed(packet.fragments(request(data, ident=9), 64))))
    d.send("client", packet.fragments(packet.sctp(CLIENT, 40001, VIP, 80, 0, packet.chunk(1, bytes(300)), ident=10), 8))
    d.send("servers", packet.fragments(answer(data), 64))
    d.send("servers", list(reversed(packet.fragments(answer(data, ident=9), 8))))
    d.counts()


@case
def header_options_are_kept(d):
    start(d)
    d.send("client", packet.ip(CLIENT, VIP, SCTP, request()[20:], options=b"\1\1\1\0"))
    d.send("client", packet.ip(CLIENT, VIP, SCTP, packet.sctp(CLIENT, 40001, VIP, 80, 0, INIT)[20:], options=b"\1" * 40))
    d.send("servers", packet.ip(SERVER, CLIENT, SCTP, answer()[20:], options=b"\1\1\1\0"))
    d.counts()


@case
def fields_that_are_not_ours_stay(d):
    start(d)
    d.send("client", request(tos=0xFF, ident=65535, frag=0x4000))
    d.send("servers", answer(tos=3, ident=0, frag=0x4000))


@case(rows=(0, 1, 2, 255))
def time_to_live(d, ttl):
    start(d)
    d.send("client", request(ttl=ttl))
    d.send("servers", answer(ttl=ttl))
    d.counts()


@case(rows=tuple((f"{method}, {size} bytes, fragment field {fragment:#x}", method, size, fragment) for method in METHODS
                 for size, fragment in ((1400, 0x4000), (1500, 0), (1500, 0x4000))))
def packet_larger_than_the_way_out(d, row):
    _, method, size, fragment = row
    start(d, method)
    d.run("ip link set eth1 mtu 1400")
    d.send("client", request(packet.chunk(0, bytes(size - 36)), frag=fragment))
    d.counts()


@case
def strangers_pass(d):
    start(d)
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 81, 0, INIT))
    d.send("client", packet.sctp(CLIENT, 40000, "10.9.0.2", 80, 0, INIT))
    d.send("client", packet.sctp(CLIENT, 40000, SERVER, 8080, 0, INIT))
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 80, packet.SYN))
    d.send("client", packet.udp(CLIENT, 40000, VIP, 80))
    d.send("client", packet.sctp(CLIENT, 20, VIP, 80, 0, INIT), "from the port of FTP's data")
    d.send("servers", answer(dport=40001))
    d.send("servers", answer(sport=8081))
    d.counts()


@case
def no_server_is_refused_by_icmp(d):
    kernel_has_sctp(d)
    d.wires()
    d.control(f"-A --sctp-service {VIP}:80 -s rr")
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 80, 0, INIT))
    d.ipvsadm(f"-a --sctp-service {VIP}:80 -r {SERVER}:80 -m -w 0")
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 80, 0, INIT))
    d.counts()


ERRORS = ((3, 1, 0), (3, 3, 0), (3, 4, 1300), (4, 0, 0), (11, 0, 0), (5, 1, 0x0A020001))


@case(rows=tuple((f"{method}: {kind}/{code}", method, kind, code, rest) for method in METHODS for kind, code, rest in ERRORS))
def errors(d, row):
    _, method, kind, code, rest = row
    start(d, method)
    whole = packet.sctp(VIP, 80, CLIENT, 40000, 9, DATA, ttl=60)
    for length in (28, 32, 36, len(whole), 27, 24, 23):
        d.send("client", packet.icmp("10.1.0.9", VIP, kind, code, rest, whole[:length]), f"{length} bytes from the client")
    whole = packet.sctp(CLIENT, 40000, SERVER if method == "nat" else VIP, 8080 if method == "nat" else 80, 7, DATA, ttl=63)
    for length in (28, 32, 36, len(whole), 27, 24, 23):
        d.send("servers", packet.icmp("10.2.0.15", CLIENT, kind, code, rest, whole[:length]), f"{length} bytes from the server")
    d.send("client", packet.icmp(CLIENT, VIP, kind, code, rest, packet.sctp(VIP, 80, CLIENT, 40001, 9, DATA)), "about a stranger")
    d.counts()


@case(rows=("nat", "dr"))
def service_by_mark(d, method):
    kernel_has_sctp(d)
    d.wires()
    d.rules("add table ip t; add chain ip t prerouting { type filter hook prerouting priority -150; }; "
            "add rule ip t prerouting meta l4proto sctp meta mark set 5")
    d.control("-A -f 5 -s rr", f"-a -f 5 -r {SERVER}:0 {METHODS[method]}")
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 80, 0, INIT))
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 81, 0, DATA))
    d.send("client", packet.sctp(CLIENT, 40001, VIP, 81, 0, INIT))
    d.send("servers", answer(sport=80))
    d.counts()


@case(rows=tuple(f"{scheduler}{flags}" for scheduler in ("rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "sed", "nq", "mh")
                 for flags in ("",) + (" -b sh-port", " -b sh-fallback,sh-port") * (scheduler == "sh") + (" -b mh-port",) * (scheduler == "mh")))
def scheduler(d, name):
    kernel_has_sctp(d)
    d.wires()
    d.ipvsadm(f"-A --sctp-service {VIP}:80 -s {name}")
    for number in range(11, 15):
        d.ipvsadm(f"-a --sctp-service {VIP}:80 -r 10.2.0.{number}:80 -m -w {number - 10}")
    for number in range(24):
        client = f"10.1.0.{2 + number % 4}"
        d.ends["client"].send("02:00:0a:01:00:01", "02:00:0a:01:00:02", packet.sctp(client, 41000 + number, VIP, 80, 0, INIT))
        if number % 2:
            d.ends["client"].send("02:00:0a:01:00:01", "02:00:0a:01:00:02", packet.sctp(client, 41000 + number, VIP, 80, 7, *chunks("COOKIE_ACK")))
    d.captured("all of them")
    d.counts()


@case
def statistics_count_packets_and_bytes(d):
    start(d)
    d.send("servers", answer())
    d.send("client", request(packet.chunk(0, bytes(100))))
    d.quiet(5)
    d.ipvsadm("-Ln --stats --exact")


@case
def thresholds_of_a_server(d):
    start(d, ready=False)
    d.ipvsadm(f"-e --sctp-service {VIP}:80 -r {SERVER}:8080 -m -x 2 -y 1")
    for number in range(4):
        d.send("client", packet.sctp(CLIENT, 41000 + number, VIP, 80, 0, INIT))
    d.quiet(10)
    d.send("client", packet.sctp(CLIENT, 41009, VIP, 80, 0, INIT))
    d.counts()


@case
def listings(d):
    start(d)
    d.quiet(5)
    d.control("-Ln", "-Lnc", "-Ln --stats", "-Sn", f"-Ln --sctp-service {VIP}:80")
    d.proc("ip_vs")
    d.proc("ip_vs_conn")
    d.control(f"-E --sctp-service {VIP}:80 -s wlc", f"-A --sctp-service {VIP}:80 -s rr", f"-D -t {VIP}:80", f"-A --sctp-service {VIP}:0 -s rr",
              f"-A --sctp-service {VIP}:0 -s rr -p 300", f"-A --sctp-service {VIP}:81 -s rr -o", "-Ln", f"-D --sctp-service {VIP}:80", "-Ln")


@case
def clients_of_a_persistent_service_stay(d):
    kernel_has_sctp(d)
    d.wires()
    d.ipvsadm(f"-A --sctp-service {VIP}:80 -s rr -p 100")
    for number in (11, 12):
        d.ipvsadm(f"-a --sctp-service {VIP}:80 -r 10.2.0.{number}:8080 -m")
    for client in ("10.1.0.2", "10.1.0.3", "10.1.0.2"):
        d.send("client", packet.sctp(client, 40000, VIP, 80, 0, INIT))
        d.send("client", packet.sctp(client, 40001, VIP, 80, 0, INIT))
        d.counts()
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 80, 7, packet.chunk(11)))
    d.counts()
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 80, 7, packet.chunk(14)))
    d.send("client", packet.sctp(CLIENT, 40000, VIP, 80, 7, INIT))
    d.counts()
