# SPDX-License-Identifier: GPL-2.0
"""Raw netlink requests that are refused: the errno of each, and in rvs a sentence with it."""
import struct

import genl
from cases import case
from genl import address, attribute, dest, port, service, u8, u16, u32

V6 = dict(AF=u16(10), ADDR=address("2001:db8::1"), NETMASK=u32(128))


def start(d, with_dest=True):
    d.bare()
    d.request("a service", genl.NEW_SERVICE, service())
    if with_dest:
        d.request("a destination", genl.NEW_DEST, service(), dest())


SERVICE_ROWS = {
    "no SERVICE": b"",
    "empty SERVICE": attribute(genl.SERVICE, b""),
    "AF 5": service(AF=u16(5)),
    "no AF": service(AF=None),
    "no PROTOCOL": service(PROTOCOL=None),
    "no ADDR": service(ADDR=None),
    "no PORT": service(PORT=None),
    "no SCHED_NAME": service(SCHED_NAME=None),
    "no FLAGS": service(FLAGS=None),
    "no TIMEOUT": service(TIMEOUT=None),
    "no NETMASK": service(NETMASK=None),
    "scheduler xyz": service(SCHED_NAME=b"xyz\0"),
    "scheduler none": service(SCHED_NAME=b"none\0"),
    "scheduler empty": service(SCHED_NAME=b"\0"),
    "scheduler without NUL": service(SCHED_NAME=b"rr"),
    "scheduler of no bytes": service(SCHED_NAME=b""),
    "scheduler of 15 characters": service(SCHED_NAME=b"a" * 15 + b"\0"),
    "scheduler of 16 characters": service(SCHED_NAME=b"a" * 16 + b"\0"),
    "scheduler with a tail": service(SCHED_NAME=b"rr\0junk\0"),
    "persistence engine xyz": service(PE_NAME=b"xyz\0"),
    "persistence engine empty": service(PE_NAME=b"\0"),
    "PE_NAME of 17 characters": service(PE_NAME=b"a" * 17 + b"\0"),
    "FLAGS of 4 bytes": service(FLAGS=u32(0)),
    "FLAGS of 9 bytes": service(FLAGS=bytes(9)),
    "FLAGS of no bytes": service(FLAGS=b""),
    "ADDR of 3 bytes": service(ADDR=b"\x0a\x09\x00"),
    "ADDR of 17 bytes": service(ADDR=bytes(17)),
    "PORT of 1 byte": service(PORT=b"\0"),
    "PORT of 4 bytes": service(PORT=port(80) + b"\0\0"),
    "AF of 1 byte": service(AF=b"\x02"),
    "FWMARK 0": service(FWMARK=u32(0)),
    "FWMARK of 2 bytes": service(FWMARK=b"\1\0"),
    "FWMARK beside an address": service(FWMARK=u32(7)),
    "netmask 0": service(NETMASK=u32(0)),
    "netmask with holes": service(NETMASK=u32(0x00FF00FF)),
    "timeout 0xffffffff": service(TIMEOUT=u32(0xFFFFFFFF)),
    "address 0.0.0.0": service(ADDR=address("0.0.0.0")),
    "address 224.0.0.1": service(ADDR=address("224.0.0.1")),
    "PROTOCOL repeated": genl.attribute(genl.SERVICE, [attribute(2, u16(17))] + [service()[4:]]),
    "unknown attribute 40": genl.attribute(genl.SERVICE, [service()[4:], attribute(40, b"x")]),
    "nested flag": struct.pack("=HH", *struct.unpack_from("=HH", service())[:1], 0x8001) + service()[4:],
}


@case(rows=tuple(SERVICE_ROWS))
def new_service(d, row):
    d.bare()
    d.request(row, genl.NEW_SERVICE, SERVICE_ROWS[row])
    d.request("what is there now", genl.GET_SERVICE, dump=True)


@case(rows=(genl.NEW_SERVICE, genl.SET_SERVICE, genl.DEL_SERVICE, genl.GET_SERVICE, genl.ZERO))
def service_that_is_or_is_not_there(d, command):
    d.bare()
    d.request("unknown", command, service())
    d.request("unknown mark", command, service(FWMARK=u32(9)))
    d.request("known", genl.NEW_SERVICE, service())
    d.request("again", command, service())
    d.request("key only", command, service(SCHED_NAME=None, FLAGS=None, TIMEOUT=None, NETMASK=None))
    d.request("without SERVICE", command)
    d.request("AF 5", command, service(AF=u16(5)))


DEST_ROWS = {
    "no DEST": b"",
    "no ADDR": dest(ADDR=None),
    "no PORT": dest(PORT=None),
    "no FWD_METHOD": dest(FWD_METHOD=None),
    "no WEIGHT": dest(WEIGHT=None),
    "no U_THRESH": dest(U_THRESH=None),
    "no L_THRESH": dest(L_THRESH=None),
    "weight 0xffffffff": dest(WEIGHT=u32(0xFFFFFFFF)),
    "weight 0x80000000": dest(WEIGHT=u32(0x80000000)),
    "weight 0x7fffffff": dest(WEIGHT=u32(0x7FFFFFFF)),
    "l 5 u 3": dest(L_THRESH=u32(5), U_THRESH=u32(3)),
    "l 5 u 0": dest(L_THRESH=u32(5)),
    "l 3 u 3": dest(L_THRESH=u32(3), U_THRESH=u32(3)),
    "u 0x80000000": dest(U_THRESH=u32(0x80000000)),
    "u 0x7fffffff": dest(U_THRESH=u32(0x7FFFFFFF)),
    "GUE with port 0": dest(TUN_TYPE=u8(1)),
    "224.0.0.1": dest(ADDR=address("224.0.0.1")),
    "255.255.255.255": dest(ADDR=address("255.255.255.255")),
    "address family 10 by NAT": dest(ADDR=address("2001:db8::2"), ADDR_FAMILY=u16(10)),
    "address family 5": dest(ADDR_FAMILY=u16(5)),
    "address family 0": dest(ADDR_FAMILY=u16(0)),
    "ADDR of 17 bytes": dest(ADDR=bytes(17)),
    "ADDR of 2 bytes": dest(ADDR=b"\x0a\x02"),
    "PORT of 1 byte": dest(PORT=b"\0"),
    "WEIGHT of 2 bytes": dest(WEIGHT=b"\1\0"),
    "FWD_METHOD with high bits": dest(FWD_METHOD=u32(0xFFFFFFF8)),
    "port 0": dest(PORT=port(0)),
}


@case(rows=tuple(DEST_ROWS))
def new_dest(d, row):
    start(d, with_dest=False)
    d.request(row, genl.NEW_DEST, service(), DEST_ROWS[row])
    d.request("what is there now", genl.GET_DEST, service(), dump=True)


@case(rows=tuple(row for row in DEST_ROWS if row not in ("address family 10 by NAT",)))
def set_dest(d, row):
    start(d)
    d.request(row, genl.SET_DEST, service(), DEST_ROWS[row])
    d.request("what is there now", genl.GET_DEST, service(), dump=True)


@case
def dest_that_is_or_is_not_there(d):
    start(d, with_dest=False)
    d.request("set unknown", genl.SET_DEST, service(), dest())
    d.request("delete unknown", genl.DEL_DEST, service(), dest())
    d.request("new", genl.NEW_DEST, service(), dest())
    d.request("new again", genl.NEW_DEST, service(), dest())
    d.request("on an unknown service", genl.NEW_DEST, service(PORT=port(81)), dest())
    d.request("on an unknown service, without DEST", genl.NEW_DEST, service(PORT=port(81)))
    d.request("delete on an unknown service", genl.DEL_DEST, service(PORT=port(81)), dest())
    d.request("delete by key", genl.DEL_DEST, service(SCHED_NAME=None, FLAGS=None, TIMEOUT=None, NETMASK=None),
              dest(FWD_METHOD=None, WEIGHT=None, U_THRESH=None, L_THRESH=None))
    d.request("dests of an unknown service", genl.GET_DEST, service(PORT=port(81)), dump=True)
    d.request("dests of no service", genl.GET_DEST, dump=True)


def daemon(**changes):
    """Returns a DAEMON nest that is refused by both modules: its interface is not there."""
    return genl.nest("DAEMON", **{**dict(STATE=u32(1), MCAST_IFN=b"none\0", SYNC_ID=u32(0)), **changes})


DAEMON_ROWS = {
    "no DAEMON": b"",
    "unknown interface": daemon(),
    "backup on an unknown interface": daemon(STATE=u32(2)),
    "state 3 on an unknown interface": daemon(STATE=u32(3)),
    "state 0": daemon(STATE=u32(0), MCAST_IFN=b"lo\0"),
    "state 3": daemon(STATE=u32(3), MCAST_IFN=b"lo\0"),
    "interface of no bytes": daemon(MCAST_IFN=b""),
    "interface empty": daemon(MCAST_IFN=b"\0"),
    "interface without NUL": daemon(MCAST_IFN=b"lo"),
    "interface of 15 characters": daemon(MCAST_IFN=b"n" * 15 + b"\0"),
    "interface of 16 characters": daemon(MCAST_IFN=b"n" * 16 + b"\0"),
    "group 10.0.0.1": daemon(MCAST_GROUP=address("10.0.0.1"), MCAST_IFN=b"lo\0"),
    "group 239.255.255.255": daemon(MCAST_GROUP=address("239.255.255.255")),
    "group 240.0.0.0": daemon(MCAST_GROUP=address("240.0.0.0")),
    "group fe80::1": daemon(MCAST_GROUP6=address("fe80::1")),
    "group fe80::1 beside 224.0.0.81": daemon(MCAST_GROUP6=address("fe80::1"), MCAST_GROUP=address("224.0.0.81")),
    "group of 15 bytes": daemon(MCAST_GROUP6=bytes(15)),
    "group of 20 bytes": daemon(MCAST_GROUP6=address("ff02::81") + bytes(4)),
}


@case(rows=tuple(DAEMON_ROWS))
def new_daemon(d, row):
    d.bare()
    d.request(row, genl.NEW_DAEMON, DAEMON_ROWS[row])
    d.request("what is there now", genl.GET_DAEMON, dump=True)


@case
def daemon_that_does_not_run(d):
    d.bare()
    for state in (0, 1, 2, 3, 0xFFFFFFFF):
        d.request(f"state {state}", genl.DEL_DAEMON, genl.nest("DAEMON", STATE=u32(state)))
    d.request("without STATE", genl.DEL_DAEMON, genl.nest("DAEMON", SYNC_ID=u32(0)))
    d.request("without DAEMON", genl.DEL_DAEMON)
    d.request("a state of 2 bytes", genl.DEL_DAEMON, genl.nest("DAEMON", STATE=b"\1\0"))
    for arguments in ("--start-daemon master --mcast-interface none", "--stop-daemon master", "--stop-daemon backup", "-L --daemon"):
        d.ipvsadm(arguments)


def timeout(kind, value):
    return attribute(kind, value)


@case(rows=(("all", (900, 120, 300)), ("zero keeps", (0, 0, 0)), ("tcp negative", (0xFFFFFFFF, 1, 1)), ("fin negative", (1, 0x80000000, 1)),
            ("udp negative", (1, 1, 0xFFFFFFFE)), ("tcp at the limit", (8589934, 1, 1)), ("tcp over the limit", (8589935, 1, 1)),
            ("udp over the limit", (5, 5, 8589935))))
def set_config(d, row):
    d.bare()
    kinds = (genl.TIMEOUT_TCP, genl.TIMEOUT_TCP_FIN, genl.TIMEOUT_UDP)
    d.request(row[0], genl.SET_CONFIG, *[attribute(kind, u32(value)) for kind, value in zip(kinds, row[1])])
    d.request("now", genl.GET_CONFIG)


@case
def set_config_of_some(d):
    d.bare()
    d.request("none", genl.SET_CONFIG)
    d.request("udp only", genl.SET_CONFIG, attribute(genl.TIMEOUT_UDP, u32(17)))
    d.request("now", genl.GET_CONFIG)
    d.request("tcp of 2 bytes", genl.SET_CONFIG, attribute(genl.TIMEOUT_TCP, b"\1\0"), handler=False)
    d.request("tcp of 8 bytes", genl.SET_CONFIG, attribute(genl.TIMEOUT_TCP, u32(55) + u32(1)))
    d.request("now", genl.GET_CONFIG)


@case(rows=tuple(range(0, 21)))
def command_in_the_wrong_mode(d, command):
    d.bare()
    d.request("as a request", command, handler=False)
    d.request("as a dump", command, dump=True, handler=False)


@case
def top_level_nests_of_wrong_length(d):
    d.bare()
    d.request("SERVICE of 2 bytes", genl.NEW_SERVICE, attribute(genl.SERVICE, b"ab"), handler=False)
    d.request("SERVICE of 6 bytes", genl.NEW_SERVICE, attribute(genl.SERVICE, b"abcdef"))
    d.request("DEST of 3 bytes", genl.NEW_DEST, service(), attribute(genl.DEST, b"abc"), handler=False)
