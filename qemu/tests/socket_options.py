# SPDX-License-Identifier: GPL-2.0
"""The old socket options: every option with every defect, on both modules."""
import contextlib
import os
import platform
import struct

import genl
import packet
import sockopt
import topology
from cases import case
from sockopt import FIRST, GET, LAST_GET, LAST_SET, SET, daemon, dest, dests_question, error_name, service, shown, timeouts

ADD, EDIT, DEL, FLUSH, ADD_DEST, DEL_DEST, EDIT_DEST, TIMEOUT, START, STOP, ZERO = (
    FIRST + SET.index(name) for name in "ADD EDIT DEL FLUSH ADDDEST DELDEST EDITDEST TIMEOUT STARTDAEMON STOPDAEMON ZERO".split())
# The system calls of a program of 32 bits.
GETSOCKOPT, SETSOCKOPT = 365, 366
VERSION, INFO, SERVICES, SERVICE, DESTS, DEST, GET_TIMEOUT, DAEMON = (FIRST + number for number in range(8))
RIGHT = {**dict.fromkeys((ADD, EDIT, DEL, ZERO), service()), **dict.fromkeys((ADD_DEST, DEL_DEST, EDIT_DEST), service() + dest()),
         TIMEOUT: timeouts(900, 120, 300), START: daemon(interface=b"none"), STOP: daemon()}
QUESTIONS = {VERSION: bytes(64), INFO: bytes(12), SERVICES: struct.pack("=II", 1, 0) + bytes(104), SERVICE: service() + bytes(60),
             DESTS: dests_question(1) + bytes(96), DEST: b"", GET_TIMEOUT: bytes(12), DAEMON: bytes(48)}


class Used:
    """The options of a socket in the director, written down."""

    def __init__(self, d):
        self.d = d
        with topology.inside("director"):
            self.client = sockopt.Client()

    def set(self, title, option, data=b"", **more):
        error = self.client.set(option, data, **more)
        self.d.say(f"set {name(SET, option)} {title}: {error_name(error)}")
        return error

    def get(self, title, option, question=b"", length=None, **more):
        answer = self.client.get(option, question, length, **more)
        self.d.say(f"get {name(GET, option)} {title}: {error_name(answer.error)} length {answer.length}: {shown(answer.data)}")
        return answer

    def add(self, **key):
        self.set("a service", ADD, service(**key))


def name(names, option):
    at = option - FIRST
    return names[at] if 0 <= at < len(names) else f"#{option}"


def director(d, with_service=True, with_dest=False):
    d.bare()
    used = Used(d)
    if with_service:
        used.add()
    if with_dest:
        used.set("a server", ADD_DEST, service() + dest())
    return used


@case(rows=tuple(range(FIRST - 1, LAST_SET + 2)))
def lengths_to_set(d, option):
    used = director(d, option != ADD)
    right = RIGHT.get(option, b"")
    for title, length in (("no byte", 0), ("one byte", 1), ("one byte less", len(right) - 1), ("one byte more", len(right) + 1),
                          ("more than any", 4096), ("less than none", -1)):
        used.set(title, option, right.ljust(4096, b"\0"), length=length)
    used.set("memory that is not there", option, right, pointer=8)
    used.set("no memory", option, right, pointer=0)
    used.set("right", option, right)
    used.set("again", option, right)
    d.proc("ip_vs")


@case(rows=tuple(range(FIRST - 1, LAST_GET + 2)))
def lengths_to_get(d, option):
    used = director(d, with_dest=True)
    question = QUESTIONS.get(option, b"")
    least = {SERVICES: 8, DESTS: 24}.get(option, len(question))
    for title, length in (("no byte", 0), ("one byte", 1), ("one byte less", least - 1), ("the least", least), ("one byte more", least + 1),
                          ("more than any", 4096), ("less than none", -1)):
        used.get(title, option, question[:max(length, 0)], length=length)
    used.get("memory that is not there", option, question, pointer=8)
    file, address = sockopt.read_only(question)
    used.get("memory that cannot be written", option, question, pointer=address)
    file.close()
    used.get("right", option, question)


@case
def services_in_lists_of_any_length(d):
    used = director(d, False)
    for count in (0, 1, 3):
        used.get(f"{count} of none", SERVICES, struct.pack("=II", count, 7), 8 + 104 * count)
    used.add(port=80, timeout=300, flags=1, netmask=0x00FFFFFF)
    used.get("room for three, one there", SERVICES, struct.pack("=II", 3, 7), 8 + 3 * 104)
    used.add(protocol=17, port=53, scheduler=b"wlc")
    for count in (0, 1, 2, 3):
        answer = used.client.get(SERVICES, struct.pack("=II", count, 7), 8 + 104 * count)
        entries = [answer.data[at:at + 104] for at in range(8, len(answer.data) - 16, 104)]
        d.say(f"{count}: {error_name(answer.error)} {answer.length} {shown(answer.data[:8])}")
        if count != 1:
            d.lines += sorted(shown(entry) for entry in entries)
    for title, count, length in (("a count too large", 3, 8 + 2 * 104), ("a count too small", 1, 8 + 2 * 104), ("a count of 2^32-1", 2**32 - 1, 8),
                                 ("wrapping round", 0xFFFFFFFF, 8 - 104), ("a count of 41297763, whose bytes wrap", 41297763, 8 + 41297763 * 104 - 2**32)):
        used.get(title, SERVICES, struct.pack("=II", count & 0xFFFFFFFF, 0), length)


@case
def servers_in_lists_of_any_length(d):
    used = director(d)
    for count in (0, 2):
        used.get(f"{count} of none", DESTS, dests_question(count), 24 + 96 * count)
    used.set("one", ADD_DEST, service() + dest(flags=3, weight=5, upper=9, lower=2))
    used.set("another", ADD_DEST, service() + dest(address="10.2.0.12", port=8080, weight=0))
    for count in range(4):
        used.get(f"room for {count}", DESTS, dests_question(count), 24 + 96 * count)
    used.get("a count too large", DESTS, dests_question(3), 24 + 2 * 96)
    used.get("a count too small", DESTS, dests_question(1), 24 + 2 * 96)
    used.get("a count of 2^32-1", DESTS, dests_question(2**32 - 1), 24)
    used.get("an unknown service", DESTS, dests_question(1, port=81), 24 + 96)
    used.get("an unknown protocol", DESTS, dests_question(1, protocol=99), 24 + 96)
    used.get("an unknown mark", DESTS, dests_question(1, mark=5), 24 + 96)


SERVICE_ROWS = {
    "plain": {}, "scheduler unknown": dict(scheduler=b"xyz"), "scheduler none": dict(scheduler=b"none"), "scheduler empty": dict(scheduler=b""),
    "scheduler without end": dict(scheduler=b"a" * 16), "scheduler of 15": dict(scheduler=b"a" * 15),
    "protocol 0": dict(protocol=0), "protocol 1": dict(protocol=1), "protocol 99": dict(protocol=99), "protocol 262": dict(protocol=262), "UDP": dict(protocol=17),
    "port 0": dict(port=0), "address 0": dict(address="0.0.0.0"), "multicast": dict(address="224.0.0.1"),
    "mark": dict(mark=7), "mark without address": dict(mark=7, address="0.0.0.0", port=0), "mark of UDP": dict(mark=7, protocol=17),
    "mark of protocol 0": dict(mark=7, protocol=0), "persistent": dict(flags=1, timeout=300), "timeout too long": dict(flags=1, timeout=0xFFFFFFFF),
    "all other flags": dict(flags=0xFFFFFFF8), "hashed": dict(flags=2), "netmask 0": dict(netmask=0), "netmask with holes": dict(netmask=0x00FF00FF),
    "nothing at all": dict(protocol=0, address="0.0.0.0", port=0, scheduler=b"", netmask=0),
}


@case(rows=tuple(SERVICE_ROWS))
def services(d, row):
    used = director(d, False)
    data = service(**SERVICE_ROWS[row])
    for option in (EDIT, DEL, ZERO):
        used.set("unknown", option, data)
    used.get("unknown", SERVICE, data + bytes(60))
    used.set(row, ADD, data)
    used.get(row, SERVICE, data + sockopt.FILLING * 60)
    used.set("again", ADD, data)
    used.set("edit", EDIT, data[:16] + service(scheduler=b"wrr", flags=9, timeout=60)[16:])
    used.get("edited", SERVICE, data + sockopt.FILLING * 60)
    used.set("zero", ZERO, data)
    used.set("a server", ADD_DEST, data + dest())
    d.proc("ip_vs")
    d.request("by netlink", 4, dump=True)
    used.set("delete", DEL, data)
    d.proc("ip_vs")


@case
def questions_stay_where_answers_have_gaps(d):
    used = director(d, with_dest=True)
    key = service()
    # Behind a name ip_vs leaves the rest byte by byte, as rvs does, or with zeros up to eight bytes, where the kernel does not
    # check the lengths of strings (CONFIG_FORTIFY_SOURCE, which Debian's kernels have).
    behind = sockopt.FILLING if "__fortify_panic" in d.read("/proc/kallsyms") else b"\0"
    gaps = key[:2] + sockopt.FILLING * 2 + key[4:10] + sockopt.FILLING * 2 + key[12:16]
    used.get("a service", SERVICE, gaps.ljust(32, behind).ljust(104, sockopt.FILLING))
    used.get("services", SERVICES, struct.pack("=I", 1).ljust(8 + 104, sockopt.FILLING))
    used.get("servers", DESTS, (gaps + struct.pack("=I", 1)).ljust(24 + 96, sockopt.FILLING))
    for option, length in ((VERSION, 64), (VERSION, 80), (INFO, 12), (GET_TIMEOUT, 12), (DAEMON, 48)):
        used.get("the rest", option, sockopt.FILLING * length)
    used.set("with gaps", ADD, (gaps + key[16:]).replace(b"\0\x50", b"\0\x51"))
    used.get("a service", SERVICE, gaps.replace(b"\0\x50", b"\0\x51").ljust(32, behind).ljust(104, sockopt.FILLING))


@case
def edits_that_are_refused_change_nothing(d):
    used = director(d)
    for row in ("scheduler unknown", "scheduler empty", "scheduler without end"):
        used.set(row, EDIT, service(**SERVICE_ROWS[row]))
        used.get("now", SERVICE, service() + bytes(60))


@case
def a_mark_has_the_protocol_with_which_it_was_made(d):
    used = director(d, False)
    used.set("of UDP", ADD, service(mark=7, protocol=17))
    used.set("of TCP", ADD, service(mark=7, protocol=6, port=81))
    for option in (EDIT, ZERO, DEL):
        used.set("of TCP", option, service(mark=7, protocol=6))
    used.set("a server, of TCP", ADD_DEST, service(mark=7) + dest())
    used.set("a server, of UDP", ADD_DEST, service(mark=7, protocol=17, address="10.9.0.2", port=9) + dest())
    used.get("of TCP", SERVICE, service(mark=7) + bytes(60))
    used.get("of TCP", DESTS, dests_question(1, mark=7), 24 + 96)
    d.ipvsadm("-Ln")
    d.ipvsadm("-E -f 7 -s wlc")
    used.get("after an edit by netlink", SERVICE, service(mark=7) + bytes(60))
    d.ipvsadm("-d -f 7 -r 10.2.0.11:80")
    used.set("the server again", ADD_DEST, service(mark=7, protocol=17) + dest())
    used.set("of UDP", DEL, service(mark=7, protocol=17))
    d.ipvsadm("-A -f 7 -s rr")
    used.get("made by netlink", SERVICE, service(mark=7) + bytes(60))
    used.set("of UDP", DEL, service(mark=7, protocol=17))
    used.set("of TCP", DEL, service(mark=7))


DEST_ROWS = {
    "plain": {}, "weight -1": dict(weight=-1), "weight 0x80000000": dict(weight=0x80000000), "greatest weight": dict(weight=0x7FFFFFFF), "weight 0": dict(weight=0),
    "l 5 u 3": dict(lower=5, upper=3), "l 5 u 0": dict(lower=5), "l 3 u 3": dict(lower=3, upper=3), "u 0x80000000": dict(upper=0x80000000),
    "u 0x7fffffff": dict(upper=0x7FFFFFFF), "224.0.0.1": dict(address="224.0.0.1"), "255.255.255.255": dict(address="255.255.255.255"),
    "0.0.0.0": dict(address="0.0.0.0"), "port 0": dict(port=0), "local": dict(address="10.9.0.1", flags=1), "direct": dict(flags=3),
    "method 5": dict(flags=5), "method 7": dict(flags=7), "flags that do not stay": dict(flags=0xFFFEDFF8), "as shown": dict(flags=0x183),
    "one-packet": dict(flags=0x2000), "tracked": dict(flags=0x10000), "all flags": dict(flags=0xFFFFFFF8),
}


@case(rows=tuple(DEST_ROWS))
def servers(d, row):
    used = director(d)
    data = service() + dest(**DEST_ROWS[row])
    used.set("of an unknown service", ADD_DEST, service(port=81) + data[44:])
    used.set("unknown", EDIT_DEST, data)
    used.set("unknown", DEL_DEST, data)
    used.set(row, ADD_DEST, data)
    used.get("now", DESTS, dests_question(1), 24 + 96)
    used.set("again", ADD_DEST, data)
    used.set("plain", ADD_DEST, service() + dest(address="10.2.0.12"))
    used.set("edit", EDIT_DEST, service() + dest(**{**DEST_ROWS[row], "address": "10.2.0.12"}))
    used.get("now", DESTS, dests_question(2), 24 + 2 * 96)
    used.set("of another protocol", EDIT_DEST, service(protocol=17) + data[44:])
    used.set("of protocol 99", EDIT_DEST, service(protocol=99) + data[44:])
    d.proc("ip_vs")
    used.set("delete", DEL_DEST, data)
    used.set("delete", DEL_DEST, service() + dest(address="10.2.0.12"))
    used.get("now", DESTS, dests_question(2), 24 + 2 * 96)


@case(rows=(("plain", 0), ("one-packet", 0x2000), ("tracked", 0x10000), ("both", 0x12000)))
def connections_inherit_flags_of_their_server(d, row):
    d.wires()
    d.rules("add table ip t; add chain ip t forward { type filter hook forward priority 0; }; "
            + "; ".join(f"add rule ip t forward ct state {state} counter" for state in ("new", "established", "untracked")))
    used = Used(d)
    for protocol in (6, 17):
        key = service(protocol=protocol)
        used.set("service", ADD, key)
        used.set("server", ADD_DEST, key + dest(port=8080, flags=row[1]))
    for make in (lambda *ends: packet.udp(*ends, b"query"), lambda *ends: packet.tcp(*ends, packet.SYN, seq=1000)):
        for again in range(2):
            d.send("client", make("10.1.0.2", 40000, "10.9.0.1", 80))
    d.send("servers", packet.udp("10.2.0.11", 8080, "10.1.0.2", 40000, b"answer"))
    d.send("servers", packet.tcp("10.2.0.11", 8080, "10.1.0.2", 40000, packet.SYN | packet.ACK, seq=5000, ack=1001))
    d.run("nft list ruleset")
    d.counts()
    for change in ("-e -u 10.9.0.1:80 -r 10.2.0.11:8080 -m -w 2", "-e -t 10.9.0.1:80 -r 10.2.0.11:8080 -m -w 2"):
        d.ipvsadm(change)
    for protocol in (6, 17):
        answer = used.client.get(DESTS, dests_question(1, protocol=protocol), 24 + 96)
        d.say(f"flags after an edit by netlink: {answer.data[32:36].hex()}")


@case
def timeouts_in_range(d):
    used = director(d, False)
    used.get("defaults", GET_TIMEOUT, bytes(12))
    for title, wanted in (("all", (900, 120, 300)), ("zero keeps", (0, 0, 0)), ("tcp negative", (-1, 1, 1)), ("fin negative", (1, -1, 1)),
                          ("udp negative", (1, 1, -2**31)), ("at the limit", (8589934, 8589934, 8589934)), ("over the limit", (8589935, 1, 1))):
        used.set(title, TIMEOUT, timeouts(*wanted))
        used.get("now", GET_TIMEOUT, bytes(12))


@case
def zero_of_one_and_of_all(d):
    used = director(d, with_dest=True)
    used.set("all", ZERO, bytes(44))
    used.set("all, with a protocol", ZERO, service(protocol=99, address="0.0.0.0", port=0))
    used.set("all, with a scheduler without end", ZERO, service(address="0.0.0.0", port=0, scheduler=b"a" * 16))
    used.set("one", ZERO, service())
    used.set("one that is not there", ZERO, service(port=81))
    used.set("flush", FLUSH)
    used.get("info", INFO, bytes(12))
    used.get("version", VERSION, bytes(64))


@case
def counts_are_of_ipv4_services(d):
    used = director(d, False)
    used.get("before", INFO, bytes(12))
    used.add()
    used.add(mark=7)
    used.add(protocol=17)
    used.get("three", INFO, bytes(12))
    used.get("version", VERSION, bytes(64))
    used.set("flush", FLUSH)
    used.get("none", INFO, bytes(12))


DAEMON_ROWS = {"no name": dict(interface=b""), "name without end": dict(interface=b"l" * 16), "unknown": dict(interface=b"none"),
               "longest name": dict(interface=b"n" * 15), "state 0": dict(state=0), "state 3": dict(state=3), "state -1": dict(state=0xFFFFFFFF),
               "state 3 on nothing": dict(state=3, interface=b"none")}


@case(rows=tuple(DAEMON_ROWS))
def daemons_that_cannot_be(d, row):
    used = director(d, False)
    used.set(row, START, daemon(**DAEMON_ROWS[row]))
    for state in (0, 1, 2, 3, 0xFFFFFFFF):
        used.set(f"state {state}", STOP, daemon(state=state))
    used.get("none", DAEMON, bytes(48))


@case
def a_server_of_another_family_keeps_daemons_out(d):
    used = director(d)
    other = genl.dest(ADDR=genl.address("2001:db8::1"), ADDR_FAMILY=genl.u16(10), FWD_METHOD=genl.u32(2))
    wanted = genl.nest("DAEMON", STATE=genl.u32(1), MCAST_IFN=b"none\0", SYNC_ID=genl.u32(0))
    d.execute("ip address add 2001:db8::1/128 dev lo nodad", "director")
    used.add(port=81)
    for title, command in (("new", genl.NEW_DEST), ("delete", genl.DEL_DEST), ("new again", genl.NEW_DEST)):
        d.request(title, command, genl.service(), other)
        d.request("by netlink", genl.NEW_DAEMON, wanted)
        used.set("by socket option", START, daemon(interface=b"none"))
        used.get("what is shown", DESTS, dests_question(1), 24 + 96)
        used.get("what is counted", SERVICE, service() + bytes(60))
    d.request("without the service", genl.DEL_SERVICE, genl.service())
    d.request("by netlink", genl.NEW_DAEMON, wanted)


@case
def namespaces_with_an_owner_of_their_own(d):
    d.run(["unshare", "-Urn", "python3", sockopt.__file__], where=None)
    d.run(["unshare", "-Urn", "ipvsadm", "-Ln"], where=None)


@case
def programs_without_the_right(d):
    used = director(d, with_dest=True)
    os.seteuid(65534)
    try:
        for option in range(FIRST, LAST_SET + 1):
            used.set("right", option, RIGHT.get(option, b""))
            used.set("too long", option, RIGHT.get(option, b"") + b"\0")
        for option in range(FIRST, LAST_GET + 1):
            used.get("right", option, QUESTIONS[option])
            used.get("no byte", option)
    finally:
        os.seteuid(0)
    d.proc("ip_vs")


@contextlib.contextmanager
def director_for_32_bits(d):
    """Has a director, and the body run in it where the kernel runs programs of 32 bits; then writes down what came of it."""
    used = director(d, with_dest=True)
    with topology.inside("director"):
        d.expect("the kernel runs programs of 32 bits", sockopt.by_32_bits(GETSOCKOPT, INFO, bytes(12)))
        yield
    d.proc("ip_vs")
    used.get("now", GET_TIMEOUT, bytes(12))
    used.get("none", DAEMON, bytes(48))


@case
def programs_of_32_bits(d):
    if platform.machine() != "x86_64":
        return
    with director_for_32_bits(d):
        for title, call, option, data in (
                ("info", GETSOCKOPT, INFO, bytes(12)), ("version", GETSOCKOPT, VERSION, bytes(64)), ("timeouts", GETSOCKOPT, GET_TIMEOUT, bytes(12)),
                ("daemons", GETSOCKOPT, DAEMON, bytes(48)), ("a service, as long as there", GETSOCKOPT, SERVICE, service() + bytes(52)),
                ("a service, as long as here", GETSOCKOPT, SERVICE, service() + bytes(60)),
                ("services, as long as there", GETSOCKOPT, SERVICES, struct.pack("=I", 1) + bytes(96)),
                ("services, as long as here", GETSOCKOPT, SERVICES, struct.pack("=I", 1) + bytes(108)),
                ("servers, as long as there", GETSOCKOPT, DESTS, dests_question(1)[:20] + bytes(84)),
                ("servers, as long as here", GETSOCKOPT, DESTS, dests_question(1) + bytes(96)),
                ("add", SETSOCKOPT, ADD, service(port=81)), ("add a server", SETSOCKOPT, ADD_DEST, service(port=81) + dest()),
                ("set timeouts", SETSOCKOPT, TIMEOUT, timeouts(7, 8, 9))):
            answer = sockopt.by_32_bits(call, option, data)
            d.say(f"32 bits: {title}: {error_name(answer.error)} length {answer.length}: {shown(answer.data)}")


@case
def every_option_of_a_program_of_32_bits(d):
    if platform.machine() != "x86_64":
        return
    with director_for_32_bits(d):
        for call, names, rights in ((SETSOCKOPT, SET, RIGHT), (GETSOCKOPT, GET, QUESTIONS)):
            for option in range(FIRST - 1, FIRST + len(names) + 1):
                right = rights.get(option, b"")
                for length in sorted({0, 1, max(len(right) - 1, 0), len(right), len(right) + 1, 4096}):
                    answer = sockopt.by_32_bits(call, option, right.ljust(4096, b"\0"), length)
                    d.say(f"{'set' if call == SETSOCKOPT else 'get'} {name(names, option)} of {length}: {error_name(answer.error)} "
                          f"length {answer.length}: {shown(answer.data.rstrip(bytes(1)))}")
