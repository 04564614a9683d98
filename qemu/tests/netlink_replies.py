# SPDX-License-Identifier: GPL-2.0
"""Replies of the netlink family: every attribute, its place, its length, its bytes."""
import struct

import genl
from cases import case
from genl import address, dest, port, service, u16, u32


@case
def info_before_and_after_the_first_service(d):
    d.bare()
    d.request("before", genl.GET_INFO)
    d.request("a service", genl.NEW_SERVICE, service())
    d.request("after", genl.GET_INFO)
    d.request("flush", genl.FLUSH)
    d.request("after the flush", genl.GET_INFO)


@case
def config_defaults(d):
    d.bare()
    d.request("defaults", genl.GET_CONFIG)


@case
def one_service(d):
    d.bare()
    d.request("new", genl.NEW_SERVICE, service(TIMEOUT=u32(360), NETMASK=u32(0x00FFFFFF)))
    d.request("get", genl.GET_SERVICE, service())
    d.request("edit", genl.SET_SERVICE, service(SCHED_NAME=b"wlc\0", TIMEOUT=u32(7), NETMASK=u32(1)))
    d.request("get", genl.GET_SERVICE, service())
    d.request("new mark", genl.NEW_SERVICE, service(FWMARK=u32(0x12345678)))
    d.request("get mark", genl.GET_SERVICE, service(FWMARK=u32(0x12345678)))


@case
def flags_are_masked(d):
    d.bare()
    for title, flags, mask in (("set sched bits", 0x38, 0xFFFFFFFF), ("mask 0", 0xFF00, 0), ("clear one", 0, 0x08),
                               ("high bits", 0xABCD0000, 0xFFFF0000), ("hashed bit cleared", 0, 2)):
        command = genl.NEW_SERVICE if title == "set sched bits" else genl.SET_SERVICE
        d.request(title, command, service(FLAGS=struct.pack("=II", flags, mask)))
        d.request("get", genl.GET_SERVICE, service())
    d.proc("ip_vs")


@case
def dump_of_services_and_dests(d):
    d.bare()
    for number in range(5):
        d.request("service", genl.NEW_SERVICE, service(PORT=port(80 + number)))
        d.request("dest", genl.NEW_DEST, service(PORT=port(80 + number)),
                  dest(ADDR=address(f"10.2.0.{11 + number}"), WEIGHT=u32(number), U_THRESH=u32(9), L_THRESH=u32(number)))
        d.request("another", genl.NEW_DEST, service(PORT=port(80 + number)), dest(ADDR=address("10.2.0.19"), FWD_METHOD=u32(3)))
    d.request("udp", genl.NEW_SERVICE, service(PROTOCOL=u16(17)))
    d.request("all", genl.GET_SERVICE, dump=True)
    for number in range(5):
        d.request("dests", genl.GET_DEST, service(PORT=port(80 + number)), dump=True)


@case
def long_dumps_come_in_many_messages(d):
    d.bare()
    rules = "".join(f"-A -t 10.9.0.1:{number} -s rr\n" for number in range(1000, 1400))
    rules += "".join(f"-a -t 10.9.0.1:1000 -r 10.2.{number // 200}.{number % 200 + 2}:80 -m\n" for number in range(400))
    d.ipvsadm("-R", stdin=rules)
    answer = d.request("services", genl.GET_SERVICE, dump=True)
    d.expect("400 services", len(answer.messages) == 400)
    answer = d.request("dests", genl.GET_DEST, service(PORT=port(1000)), dump=True)
    d.expect("400 dests", len(answer.messages) == 400)


@case
def dump_with_attributes_that_are_ignored(d):
    d.bare()
    d.request("a service", genl.NEW_SERVICE, service())
    d.request("with a key", genl.GET_SERVICE, service(PORT=port(1)), dump=True)
    d.request("with rubbish", genl.GET_SERVICE, genl.attribute(1, b"ab"), dump=True)
    d.request("dests of rubbish", genl.GET_DEST, genl.attribute(1, b"abcdefgh"), dump=True)
    d.request("daemons", genl.GET_DAEMON, dump=True)


@case
def flush_and_zero_always_succeed(d):
    d.bare()
    for title, command in (("flush nothing", genl.FLUSH), ("zero nothing", genl.ZERO)):
        d.request(title, command)
    d.request("a service", genl.NEW_SERVICE, service())
    d.request("a dest", genl.NEW_DEST, service(), dest())
    d.request("zero it", genl.ZERO, service())
    d.request("zero all", genl.ZERO)
    d.request("flush", genl.FLUSH)
    d.request("nothing left", genl.GET_SERVICE, dump=True)


@case
def version_and_reserved_are_not_looked_at(d):
    d.bare()
    client = d.client()
    for version in (0, 1, 2, 255):
        d.say(f"version {version}")
        d.lines += genl.text(client.request(genl.GET_INFO, version=version))
    client.close()


@case
def mark_zero_is_the_service_without_address(d):
    d.bare()
    d.request("new", genl.NEW_SERVICE, service(FWMARK=u32(0)))
    d.request("the same by address", genl.NEW_SERVICE, service(ADDR=address("0.0.0.0"), PORT=port(0)))
    d.request("all", genl.GET_SERVICE, dump=True)
    d.ipvsadm("-Ln")


@case(rows=("0", "1", "47", "58", "99", "255", "262", "65535"))
def service_of_a_protocol_that_matches_no_packet(d, number):
    d.bare()
    d.request("new", genl.NEW_SERVICE, service(PROTOCOL=u16(int(number))))
    d.request("get", genl.GET_SERVICE, service(PROTOCOL=u16(int(number))))
    d.proc("ip_vs")
    d.request("of its low byte", genl.DEL_SERVICE, service(PROTOCOL=u16(int(number) & 255)))
    d.request("itself", genl.DEL_SERVICE, service(PROTOCOL=u16(int(number))))


class Interrupted:
    """A netlink socket between whose answers something happens."""

    def __init__(self, inner, happens):
        self.inner, self.happens, self.answers = inner, happens, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def recv(self, size):
        if self.answers:
            self.happens(self.answers)
        self.answers += 1
        return self.inner.recv(size)


def ports(answer, nest):
    """Returns the ports of the services or servers that a dump showed, in its order."""
    number = genl.NUMBERS[nest]["PORT"]
    return [struct.unpack("!H", value)[0] for message in answer.messages for _, body in genl.parse(message.payload)
            for kind, value in genl.parse(body) if kind == number]


@case(rows=("SERVICE", "DEST"))
def dump_while_what_it_shows_comes_and_goes(d, nest):
    d.bare()
    changer, reader = d.client(), d.client()
    if nest == "SERVICE":
        new, delete, get, named = genl.NEW_SERVICE, genl.DEL_SERVICE, genl.GET_SERVICE, lambda number: service(PORT=port(number))
        of = b""
    else:
        new, delete, get, of = genl.NEW_DEST, genl.DEL_DEST, genl.GET_DEST, service()
        named = lambda number: of + dest(PORT=port(number))
        changer.request(genl.NEW_SERVICE, of)
    errors = [changer.request(new, named(number)).error for number in range(1, 1001)]
    gone = set()

    def change(answers):
        """Two go that may have been shown or not, and one comes."""
        for number in (10 * answers, 1001 - 10 * answers):
            errors.append(changer.request(delete, named(number)).error)
            gone.add(number)
        errors.append(changer.request(new, named(2000 + answers)).error)

    reader.socket = Interrupted(reader.socket, change)
    answer = reader.dump(get, of)
    d.expect("every request succeeds", not any(errors))
    d.expect("the dump ends well", answer.error == 0)
    d.expect("it has many parts", reader.socket.answers > 5)
    shown = ports(answer, nest)
    d.only_rvs("nothing is shown twice", len(shown) == len(set(shown)))
    d.only_rvs("what was there all the time is shown", set(range(1, 1001)) - gone <= set(shown))
    reader.close()
    again = d.client()
    d.expect("the next dump shows what is left", len(ports(again.dump(get, of), nest)) == 1000 - len(gone) + len(gone) // 2)
    for one in (again, changer):
        one.close()
