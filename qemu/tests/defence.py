# SPDX-License-Identifier: GPL-2.0
"""Defence against floods: drop_packet, drop_entry and secure_tcp, always on and automatic."""
import math
import struct

import packet
import topology
from cases import case
from director import Conversation
from packet import ACK, RST, SYN
from sctp_states import chunks, kernel_has_sctp
from serving import CLIENT, OTHER_CLIENT, SERVER, VIP, start

# Of the client, in a frame of the family.
PORT_AT = {4: 34, 6: 54}
# Between two evaluations a second passes.
A_LOOK = 1.5


def syn(d, sport, flags=SYN, client=CLIENT):
    return d.send("client", packet.tcp(client, sport, VIP, 80, flags, ack=1), f"{flags:#x} from {client} {sport} to 80")


def ask(d, sport, client=CLIENT):
    return d.send("client", packet.udp(client, sport, VIP, 80, b"x"), f"UDP from {client} {sport}")


def burst(d, count, first=40000):
    """Sends so many SYN from ports of their own and returns which of them came through."""
    came = ""
    for sport in range(first, first + count):
        d.ends["client"].send(topology.mac("10.1.0.1"), topology.mac(CLIENT), packet.tcp(CLIENT, sport, VIP, 80, SYN))
        d.quiet(0.01)
        came += "." if d.ends["servers"].frames() else "x"
    return came


def pattern(d, count, first=40000):
    """Writes down which of so many SYN came through."""
    d.say(f"of {count} SYN: {burst(d, count, first)}")


def flood(d, data, ports):
    """Sends a packet from each of many ports, its checksum left as it is, and forgets what comes out."""
    frame = bytearray(packet.ether(topology.mac(d.plan.near), topology.mac(d.plan.clients[0]), data))
    for number, sport in enumerate(ports):
        struct.pack_into("!H", frame, PORT_AT[d.plan.family], sport)
        d.ends["client"].send_frame(bytes(frame))
        if number % 100 == 99:
            forget(d)
    forget(d)


def forget(d):
    for end in d.ends.values():
        end.frames()


def available(d):
    """Returns the memory that is free or holds buffers, in pages."""
    lines = dict(line.split(":") for line in d.read("/proc/meminfo").splitlines())
    return sum(int(lines[name].split()[0]) for name in ("MemFree", "Buffers")) // 4


def connections(d, low=0, high=65536):
    """Counts the connections from a range of ports."""
    lines = d.read("/proc/thread-self/net/ip_vs_conn").splitlines()[1:]
    return sum(low <= int(line.split()[2], 16) < high for line in lines)


def about(d, what, found, wanted):
    """Asserts a share, wanted as (share, least, most), without writing down what it was exactly."""
    expected, least, most = wanted
    said = f"{what}: about {expected:.3f}"
    right = least <= found <= most
    d.expect(said if right else f"{said}, found {found:.3f}", right)


def after_sweeps(expected):
    """The share that stays, if sweeps met the entries from half as often as expected to nearly twice as often.

    Each sweep meets one run of neighbours, from a random place: runs overlap, and the share varies much more than if each
    entry were drawn by itself.
    """
    return expected, expected ** 1.9, expected ** 0.5


@case(rows=(1, 2, 3, 10, 0, -3))
def drop_packet_drops_one_of_so_many(d, rate):
    start(d)
    d.sysctl("am_droprate", rate)
    d.sysctl("drop_packet", 3)
    pattern(d, 24)
    d.sysctl("am_droprate", 2)
    d.quiet(A_LOOK)
    pattern(d, 13, 41000)
    d.sysctl("drop_packet", 0)
    pattern(d, 5, 42000)
    d.sysctl("drop_packet", 3)
    pattern(d, 5, 43000)
    d.proc("ip_vs")


@case
def drop_packet_is_for_first_packets_of_services(d):
    start(d)
    Conversation(d, sport=39000).play("> S", "< SA", "> A")
    ask(d, 39000)
    d.sysctl("am_droprate", 1)
    d.sysctl("drop_packet", 3)
    syn(d, 39000, ACK)
    ask(d, 39000)
    syn(d, 40000)
    syn(d, 40000, ACK)
    syn(d, 40000, RST)
    syn(d, 20)
    ask(d, 20)
    ask(d, 40000)
    d.send("client", packet.tcp(CLIENT, 40000, VIP, 81, SYN), f"{SYN:#x} from {CLIENT} 40000 to 81")
    d.send("client", packet.tcp(CLIENT, 40000, "10.9.0.2", 80, SYN), "SYN to an address without a service")
    d.send("servers", packet.tcp(SERVER, 80, CLIENT, 41000, SYN | ACK, ack=1), "a server's packet of no connection")
    d.counts()
    d.sysctl("drop_packet", 0)
    syn(d, 40000)


@case
def drop_packet_makes_no_template(d):
    start(d, options="-p 300")
    d.sysctl("am_droprate", 2)
    d.sysctl("drop_packet", 3)
    for sport in range(40000, 40004):
        syn(d, sport)
        ask(d, sport)
    d.counts()


@case(rows=("drop_entry", "drop_packet", "secure_tcp"))
def automatic_modes_follow_the_memory(d, name):
    start(d)
    for _ in range(2):
        d.sysctl(name, 1)
        d.sysctl(name)
        d.sysctl("amemthresh", 2147483647)
        d.quiet(A_LOOK)
        d.sysctl(name)
        d.sysctl("amemthresh", 0)
        d.quiet(A_LOOK)
        d.sysctl(name)
        d.sysctl(name, 2)
        d.sysctl(name)
        d.sysctl("amemthresh", 2147483647)
        d.sysctl(name, 1)
        d.sysctl(name)
        d.sysctl("amemthresh", -1)
        d.sysctl(name, 3)
        d.quiet(A_LOOK)
        d.sysctl(name)


@case
def drop_packet_drops_more_the_less_memory_there_is(d):
    start(d)
    free = available(d)
    for share in (1, 2.5, 5.5):
        # The memory is short by so much that one of 1, 2 or 5 packets goes.
        wanted = 2147483647 if share == 1 else int(free * share / (share - 1))
        d.execute(f"sh -c 'echo {wanted} > /proc/sys/net/ipv4/vs/amemthresh'")
        d.sysctl("drop_packet", 0)
        d.sysctl("drop_packet", 1)
        for first in (40000, 42000):
            dropped = burst(d, 20, first + int(share) * 100).count("x")
            # The count begins anew with each evaluation, which may come in the midst of a burst.
            d.expect(f"one of {int(share)} goes", 0 <= 20 // int(share) - dropped <= 1)
            d.quiet(A_LOOK)
        d.sysctl("drop_packet")
    d.execute("sh -c 'echo 0 > /proc/sys/net/ipv4/vs/amemthresh'")
    d.quiet(A_LOOK)
    pattern(d, 8, 45000)
    d.sysctl("drop_packet")


@case(rows=("nat", "dr"))
def secure_tcp_reacts_by_itself(d, method):
    start(d, method="-m" if method == "nat" else "-g")
    d.sysctl("secure_tcp", 1)
    for sport, threshold in ((40000, 0), (40001, 2147483647), (40002, 0)):
        d.sysctl("amemthresh", threshold)
        # No file is read meanwhile.
        d.quiet(A_LOOK)
        Conversation(d, sport=sport, method=method).play("> S", "> A")


@case(rows=(1, 3))
def namespace_goes_while_it_defends(d, mode):
    start(d)
    for name in ("drop_entry", "drop_packet", "secure_tcp"):
        d.sysctl(name, mode)
    syn(d, 40000)
    d.ipvsadm("-C")
    d.quiet(3)
    d.netns("other")
    d.sysctl("drop_entry", mode, where="other")
    d.quiet(3)


@case(rows=(("-m", 10000), ("-g", 4000)))
def half_open_connections_go_in_time(d, row):
    method, count = row
    start(d, method=method)
    ports = range(1024, 1024 + count)
    flood(d, packet.tcp(CLIENT, 1, VIP, 80, SYN), ports)
    d.expect(f"{count} connections", connections(d) == count)
    d.sysctl("drop_entry", 3)
    d.quiet(16.5)
    # A sweep meets a 32nd of the entries.
    about(d, "share that is left after 16 sweeps", connections(d) / count, after_sweeps(math.exp(-0.5)))
    d.sysctl("drop_entry", 0)
    d.quiet(0.2)
    left = connections(d)
    d.quiet(10)
    d.expect("no more go", connections(d) == left)


@case(rows=("-m", "-g"))
def half_open_connections_of_ipv6_go_in_time(d, method):
    plan, count = topology.IPV6, 2000
    d.wires(plan)
    d.control(f"-A -t {plan.end(plan.vips[0], 80)} -s rr", f"-a -t {plan.end(plan.vips[0], 80)} -r {plan.end(plan.servers[0], 80)} {method}")
    flood(d, packet.tcp(plan.clients[0], 1, plan.vips[0], 80, SYN), range(1024, 1024 + count))
    d.expect(f"{count} connections", connections(d) == count)
    d.sysctl("drop_entry", 3)
    d.quiet(16.5)
    about(d, "share that is left after 16 sweeps", connections(d) / count, after_sweeps(math.exp(-0.5)))


# What a client says, and whether an association of which it has said so much may go before its time.
# Those with an INIT alone come last: they have four seconds.
SCTP = {"INIT_ACK": (("INIT", "INIT_ACK"), False), "SHUTDOWN": (("INIT", "COOKIE_ECHO", "SHUTDOWN"), False),
        "ESTABLISHED": (("INIT", "COOKIE_ECHO"), False), "INIT twice": (("INIT", "INIT"), True), "INIT": (("INIT",), True)}


@case
def which_associations_go(d):
    kernel_has_sctp(d)
    d.wires()
    d.control(f"-A --sctp-service {VIP}:80 -s rr", f"-a --sctp-service {VIP}:80 -r {SERVER}:80 -g")
    for number, (words, _) in enumerate(SCTP.values(), 1):
        for word in words:
            flood(d, packet.sctp(CLIENT, 1, VIP, 80, 7, *chunks(word)), range(number * 4000, number * 4000 + 600))
    d.expect(f"{600 * len(SCTP)} associations", connections(d) == 600 * len(SCTP))
    d.sysctl("drop_entry", 3)
    d.quiet(2.5)
    for number, (name, (_, may_go)) in enumerate(SCTP.items(), 1):
        share = connections(d, number * 4000, number * 4000 + 600) / 600
        about(d, f"share that is left of {name}", share, ((1 - 1 / 32) ** 2.5, 0.86, 0.99) if may_go else (1, 1, 1))
    d.quiet(90)
    first = (1 + list(SCTP).index("ESTABLISHED")) * 4000
    d.expect("those that were established are looked at when they have been idle for a minute", 0 < connections(d, first, first + 600) < 600)


@case
def idle_connections_go_by_their_packets(d):
    start(d, method="-g")
    d.control("--set 3600 3600 3600")
    kinds = (1, 2, 4, 8, 9)
    data = packet.udp(CLIENT, 1, VIP, 80, b"x", mode="zero")
    for packets in kinds:
        for _ in range(packets):
            flood(d, data, range(packets * 4000, packets * 4000 + 600))
    d.expect("600 connections of each kind", connections(d) == 600 * len(kinds))
    d.sysctl("drop_entry", 3)
    d.quiet(30)
    d.expect("all stay that are not idle for a minute", connections(d) == 600 * len(kinds))
    d.sysctl("drop_entry", 0)
    d.quiet(45)
    d.sysctl("drop_entry", 3)
    d.quiet(64.5)
    d.sysctl("drop_entry", 0)
    for packets in kinds:
        share = connections(d, packets * 4000, packets * 4000 + 600) / 600
        about(d, f"share of those with {packets} packets", share, after_sweeps(1 if packets > 8 else (1 - 1 / packets / 32) ** 64))


STATES = {"SYN_RECV": ("> S",), "ESTABLISHED": ("> S", "< SA", "> A"), "much used": ("> S", "< SA") + ("> A",) * 9,
          "FIN_WAIT": ("> S", "> A", "< FA"), "CLOSE_WAIT": ("> S", "> A", "> FA"), "SYN_SENT": ("> S", "> A", "> FA", "< S")}


@case(rows=("nat", "dr"))
def which_states_go(d, method):
    start(d, method="-m" if method == "nat" else "-g")
    d.control("--set 3600 3600 3600")
    for number, steps in enumerate(STATES.values()):
        Conversation(d, sport=40000 + number, method=method).play(*(step for step in steps if method == "nat" or step[0] == ">"))
    d.sysctl("drop_entry", 3)
    d.quiet(640)
    d.counts("10 minutes later")
    d.ipvsadm("-Ln")


@case
def used_connections_stay(d):
    start(d)
    d.control("--set 3600 3600 3600")
    d.sysctl("drop_entry", 3)
    Conversation(d).play("> S", "< SA", "> A")
    ask(d, 40000)
    for _ in range(8):
        d.quiet(55)
        syn(d, 40000, ACK)
        d.send("servers", packet.udp(SERVER, 80, CLIENT, 40000, b"y"), "reply")
    d.counts()


@case(rows=("-m", "-g"))
def templates_go_unless_they_are_assured(d, method):
    start(d, options="-p 3000", method=method)
    d.control("--set 3600 3600 3600")
    syn(d, 40000)
    for flags in (SYN, ACK):
        syn(d, 40001, flags, OTHER_CLIENT)
    ask(d, 40002, "10.1.0.4")
    ask(d, 40003, "10.1.0.5")
    if method == "-m":
        d.send("servers", packet.udp(SERVER, 80, "10.1.0.5", 40003, b"y"), "reply")
    for _ in range(10):
        ask(d, 40004, "10.1.0.6")
    d.counts()
    d.sysctl("drop_entry", 3)
    d.quiet(720)
    d.counts("12 minutes later")
    d.ipvsadm("-Ln --persistent-conn")
    syn(d, 40005, client=OTHER_CLIENT)


@case
def templates_of_one_packet_services_go_by_their_packets(d):
    start(d, options="-p 3000 -o")
    kinds = (2, 4, 10)
    for packets in kinds:
        for _ in range(packets):
            for last in range(1, 201):
                data = packet.udp(f"10.1.{packets}.{last}", 4000, VIP, 80, b"x")
                d.ends["client"].send(topology.mac("10.1.0.1"), topology.mac(CLIENT), data)
            forget(d)
    d.quiet(65)
    d.sysctl("drop_entry", 3)
    d.quiet(64.5)
    d.sysctl("drop_entry", 0)
    lines = d.read("/proc/thread-self/net/ip_vs_conn").splitlines()[1:]
    for packets in kinds:
        share = sum(line.split()[1].startswith(f"0A01{packets:02X}") for line in lines) / 200
        about(d, f"share of those with {packets} packets", share, after_sweeps(1 if packets > 8 else (1 - 1 / packets / 32) ** 64))


@case
def tracked_connections_go_as_well(d):
    start(d)
    d.rules("table ip t { chain c { type filter hook forward priority 0; ct state new counter; }; }\n")
    d.sysctl("conntrack", 1)
    for sport in range(40000, 40003):
        syn(d, sport)
    d.sysctl("drop_entry", 3)
    d.quiet(59)
    d.sysctl("drop_entry", 0)
    lines = d.read("/proc/thread-self/net/nf_conntrack").splitlines()
    d.expect("tracking knows what the table knows", len(lines) == connections(d))
