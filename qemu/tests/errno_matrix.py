# SPDX-License-Identifier: GPL-2.0
"""Every command with every defect of every attribute, generated: both modules answer alike, with the same bytes.

A cell is (command, nest, attribute, defect), once with the service there and once without. Replies are compared byte for byte as a
client gets them that asks for no sentences; a request that is refused is made once more by one that does.
"""
import os
import pathlib
import struct

import genl
from cases import case
from genl import NAMES, NUMBERS, address, attribute, command_name, dest, port, service, u8, u16, u32

DAEMON = dict(STATE=u32(1), MCAST_IFN=b"none\0", SYNC_ID=u32(7), SYNC_MAXLEN=u16(1400), MCAST_GROUP=address("224.0.0.81"),
              MCAST_GROUP6=address("ff02::81"), MCAST_PORT=u16(8848), MCAST_TTL=u8(1))
SERVICE = dict(AF=u16(2), PROTOCOL=u16(6), ADDR=address("10.9.0.1"), PORT=port(80), FWMARK=u32(0), SCHED_NAME=b"rr\0",
               FLAGS=struct.pack("=II", 0, 0xFFFFFFFF), TIMEOUT=u32(0), NETMASK=u32(0xFFFFFFFF), STATS=b"", PE_NAME=b"\0", STATS64=b"")
DEST = dict(ADDR=address("10.2.0.11"), PORT=port(80), FWD_METHOD=u32(0), WEIGHT=u32(1), U_THRESH=u32(0), L_THRESH=u32(0),
            ACTIVE_CONNS=u32(0), INACT_CONNS=u32(0), PERSIST_CONNS=u32(0), STATS=b"", ADDR_FAMILY=u16(2), STATS64=b"",
            TUN_TYPE=u8(0), TUN_PORT=port(0), TUN_FLAGS=u16(0))
RIGHT = {"SERVICE": SERVICE, "DEST": DEST, "DAEMON": DAEMON}
# What is only there in a request that names it: with it the request would be another.
RARE = {"FWMARK", "STATS", "STATS64", "ACTIVE_CONNS", "INACT_CONNS", "PERSIST_CONNS", "MCAST_GROUP6", "PE_NAME"}

NESTS = {genl.NEW_SERVICE: ("SERVICE",), genl.SET_SERVICE: ("SERVICE",), genl.DEL_SERVICE: ("SERVICE",), genl.GET_SERVICE: ("SERVICE",),
         genl.NEW_DEST: ("SERVICE", "DEST"), genl.SET_DEST: ("SERVICE", "DEST"), genl.DEL_DEST: ("SERVICE", "DEST"), genl.GET_DEST: ("SERVICE",),
         genl.NEW_DAEMON: ("DAEMON",), genl.DEL_DAEMON: ("DAEMON",), genl.GET_DAEMON: ("DAEMON",), genl.SET_CONFIG: ("SERVICE",),
         genl.GET_CONFIG: ("SERVICE",), genl.GET_INFO: ("SERVICE",), genl.ZERO: ("SERVICE",), genl.FLUSH: ("SERVICE",)}
DUMPS = (genl.GET_DEST, genl.GET_DAEMON)


def defects(nest, name):
    """Yields the name of each defect of an attribute and what is written for it."""
    kind, right = NUMBERS[nest][name], RIGHT[nest][name]
    one = lambda payload: attribute(kind, payload)
    yield "missing", b""
    yield "there", one(right)
    yield "empty", one(b"")
    yield "short", one(right[:-1])
    yield "long", one(right + b"\0")
    yield "very long", one(right + bytes(64))
    yield "zero", one(bytes(len(right)))
    yield "ones", one(b"\xff" * len(right))
    yield "ones, longer", one(b"\xff" * (len(right) + 20))
    yield "high bit", one(right[:-1] + bytes([right[-1] | 0x80])) if right else one(b"\x80")
    yield "twice, first short", one(right[:-1]) + one(right)
    yield "twice, first right", one(right) + one(b"\xff" * len(right))
    yield "twice, both right", one(right) + one(right)
    yield "with the flag of a nest", attribute(kind | 0x8000, right)
    yield "with the flag of network order", attribute(kind | 0x4000, right)
    if name in ("AF", "ADDR_FAMILY"):
        for family in (0, 1, 5, 10, 17):
            yield f"family {family}", one(u16(family))
    if name == "STATE":
        for state in (0, 2, 3):
            yield f"state {state}", one(u32(state))
    if name.startswith("MCAST_GROUP"):
        yield "not multicast", one(right[:0] + b"\x0a" + right[1:])


def body(nest, name, written):
    """Returns a nest in which one attribute is written so; all others are right."""
    parts = [written if other == name else attribute(NUMBERS[nest][other], value)
             for other, value in RIGHT[nest].items() if other == name or other not in RARE]
    return attribute(NUMBERS["top"][nest], parts)


def cells(nest):
    """Yields the name of each cell of a nest and the nest of its request."""
    for name in RIGHT[nest]:
        for defect, written in defects(nest, name):
            yield f"{name} {defect}", body(nest, name, written)
    whole = [attribute(NUMBERS[nest][name], value) for name, value in RIGHT[nest].items() if name not in RARE]
    yield "unknown attribute", attribute(NUMBERS["top"][nest], whole + [attribute(40, b"x"), attribute(0, b"y")])
    yield "broken tail", attribute(NUMBERS["top"][nest], whole + [b"\x03\0\1\0"])
    yield "half a header at the end", attribute(NUMBERS["top"][nest], whole + [b"\x08\0"])
    yield "broken head", attribute(NUMBERS["top"][nest], [b"\x03\0\1\0"] + whole)
    yield "length beyond the end", attribute(NUMBERS["top"][nest], whole + [b"\xff\0\1\0"])
    yield "nest empty", attribute(NUMBERS["top"][nest], b"")
    yield "nest of 2 bytes", attribute(NUMBERS["top"][nest], b"ab")
    yield "nest missing", b""
    yield "nest twice, first empty", attribute(NUMBERS["top"][nest], b"") + attribute(NUMBERS["top"][nest], whole)
    yield "nest twice, then empty", attribute(NUMBERS["top"][nest], whole) + attribute(NUMBERS["top"][nest], b"")
    yield "nest of another number", attribute(40, whole)


def around(command, nest, middle):
    """Returns a whole request: the other nest of the command is right."""
    return b"".join(middle if other == nest else {"SERVICE": service(), "DEST": dest()}[other] for other in NESTS[command])


class Cells:
    """One client that sends cells and puts the state back after each."""

    def __init__(self, d, command, is_known):
        self.d, self.command, self.is_known = d, command, is_known
        self.client, self.explained = d.client(explained=False), d.client()

    def close(self):
        self.client.close()
        self.explained.close()

    def prepare(self):
        self.client.request(genl.FLUSH)
        if self.is_known:
            self.client.request(genl.NEW_SERVICE, service())
            if self.command != genl.NEW_DEST:
                self.client.request(genl.NEW_DEST, service() + dest())

    def send(self, title, payload):
        """Sends one request; writes errno and replies down, and what the module says of it afterwards."""
        self.prepare()
        flags = genl.F_DUMP if self.command in DUMPS else genl.F_ACK
        answer = self.client.request(self.command, payload, flags)
        self.d.say(f"{title}: " + "; ".join(genl.text(answer) + self.client.raw(answer)))
        if answer.error and not title.startswith("nest of 2"):
            again = self.explained.request(self.command, payload, flags)
            self.d.expect(f"refused alike with {title}", again.error == answer.error)
            self.d.only_rvs(f"a sentence with {title}", again.extack)


ROWS = tuple((command_name(command), nest, known) for command, nests in NESTS.items() for nest in nests for known in ("known", "unknown"))


@case(rows=ROWS)
def matrix(d, row):
    command, nest, known = genl.COMMANDS.index(row[0]), row[1], row[2] == "known"
    d.bare()
    cell = Cells(d, command, known)
    for title, middle in cells(nest):
        cell.send(title, around(command, nest, middle))
    cell.close()
    d.proc("ip_vs")


TIMEOUTS = ("TIMEOUT_TCP", "TIMEOUT_TCP_FIN", "TIMEOUT_UDP")


@case(rows=TIMEOUTS)
def timeouts(d, name):
    kind = NUMBERS["top"][name]
    d.bare()
    client = d.client()
    one = lambda payload: attribute(kind, payload)
    for title, written in (("empty", one(b"")), ("short", one(b"\1\0\0")), ("long", one(u32(7) + b"\0")), ("zero", one(u32(0))),
                           ("ones", one(u32(0xFFFFFFFF))), ("at the limit", one(u32(8589934))), ("over the limit", one(u32(8589935))),
                           ("high bit", one(u32(0x80000001))), ("twice", one(u32(70)) + one(u32(80))), ("twice, first short", one(b"\1") + one(u32(90))),
                           ("beside an unknown one", attribute(40, b"x") + one(u32(75)))):
        for extra, others in (("alone", b""), ("beside others", b"".join(attribute(NUMBERS["top"][other], u32(60)) for other in TIMEOUTS))):
            answer = client.request(genl.SET_CONFIG, others + written)
            d.say(f"{title} {extra}: {genl.text(answer)}")
            d.say(genl.text(client.request(genl.GET_CONFIG)))
    client.close()


def whole(command):
    """Returns a right request of a command."""
    return b"".join({"SERVICE": service(), "DEST": dest(), "DAEMON": genl.nest("DAEMON", **DAEMON)}[nest] for nest in NESTS.get(command, ()))


def without_rights(say):
    """Sends every command without the right to: whole, without anything, and as a dump.

    The kernel refuses each before it looks at what is in it, so that defects make no difference."""
    client = genl.Client()
    for command in range(20):
        for title, payload, flags in (("whole", whole(command), genl.F_ACK), ("bare", b"", genl.F_ACK), ("dump", whole(command), genl.F_DUMP)):
            say(f"{command_name(command)} {title}: {genl.text(client.request(command, payload, flags))}")
    client.close()


@case
def unprivileged(d):
    d.bare()
    d.request("a service", genl.NEW_SERVICE, service())
    os.seteuid(65534)
    try:
        without_rights(d.say)
    finally:
        os.seteuid(0)
    d.proc("ip_vs")


@case
def in_a_user_namespace(d):
    here = pathlib.Path(__file__).parent
    script = (f"import sys; sys.path[:0] = ['{here.parent / 'harness'}', '{here}']; import errno_matrix; errno_matrix.without_rights(print)")
    d.run(["unshare", "-Urn", "python3", "-c", script], where=None)


@case
def numbers_of_cells(d):
    """So that a change of the generator that drops cells is seen."""
    counted = {nest: sum(1 for _ in cells(nest)) for nest in RIGHT}
    total = sum(counted[row[1]] for row in ROWS)
    d.expect(f"{total} cells, at least 4,000", total >= 4000)
    d.expect("every attribute of every nest", all(set(NAMES[nest].values()) == set(RIGHT[nest]) for nest in RIGHT))
