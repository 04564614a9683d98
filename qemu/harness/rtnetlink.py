# SPDX-License-Identifier: GPL-2.0
"""Devices, addresses, neighbours and routes over rtnetlink, from lines as `ip -batch` takes them.

A process of `ip` costs a guest more than all that it is asked for. What a topology is made of is therefore known here;
a line of any other form is for `ip`, and `Unknown` says so before anything is done.
"""
import contextlib
import errno
import ipaddress
import os
import socket
import struct

import genl

NEWLINK, NEWADDR, NEWROUTE, DELROUTE, NEWNEIGH = 16, 20, 24, 25, 28
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400
UP, NOARP = 1, 0x80
# Attributes of links, addresses, neighbours and routes.
LINK_ADDRESS, LINK_NAME, LINK_MTU, LINK_MASTER, LINK_INFO, LINK_NETNS = 1, 3, 4, 10, 18, 28
INFO_KIND, INFO_DATA, VETH_PEER = 1, 2, 1
ADDRESS, ADDRESS_LOCAL, NODAD = 1, 2, 2
NEIGH_DST, NEIGH_LLADDR, PERMANENT = 1, 2, 0x80
ROUTE_DST, ROUTE_OIF, ROUTE_GATEWAY, ROUTE_METRICS = 1, 4, 5, 8
METRIC_LOCK, METRIC_MTU = 1, 2
UNICAST, LOCAL, BOOT, TABLE_MAIN, TABLE_LOCAL = 1, 2, 3, 254, 255
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_HOST, SCOPE_NOWHERE = 0, 253, 254, 255
# So many bytes of requests are sent at once; four times as many have more answers than find room to wait in.
ROOM = 4096


class Unknown(Exception):
    """A line that `ip` has to be asked for."""


def options(words, known, flags=()):
    """Returns the words after a command as {option: value}; the value of a flag is True."""
    found, rest = {}, iter(words)
    for word in rest:
        if word in flags:
            found[word] = True
        elif word in known:
            found[word] = next(rest, None)
        if not found.get(word):
            raise Unknown(word)
    return found


def text(name):
    """Returns a name as an attribute holds it."""
    return name.encode() + b"\0"


def packed(rows):
    """Returns attributes one after the other: [(number, value)]."""
    return b"".join(genl.attribute(*row) for row in rows)


def link(up=0, change=0):
    """Returns the head of a link's request, which names the device by an attribute."""
    return struct.pack("=BxHiII", 0, 0, 0, up, change)


def found(name):
    """Returns the number of a device that has to be there."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise RuntimeError(f"no device {name}") from None


class Batch:
    """Requests to the kernel's routing, in the namespace the caller is in, of which the first that fails is raised."""

    def __init__(self, netns):
        self.netns, self.socket = netns, socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.waiting, self.lines, self.files, self.devices = bytearray(), [], {}, {}

    def close(self):
        """Closes what is open."""
        self.socket.close()
        for file in self.files.values():
            os.close(file)

    def put(self, line, kind, flags, body):
        """Adds one request."""
        if len(self.waiting) + len(body) > ROOM:
            self.flush()
        self.lines.append(line)
        self.waiting += struct.pack("=IHHII", 16 + len(body), kind, genl.F_REQUEST | genl.F_ACK | flags, len(self.lines), 0) + body

    def flush(self):
        """Sends what waits and looks at every answer."""
        if not self.lines:
            return
        self.socket.send(self.waiting)
        lines, self.lines, left, failed = self.lines, [], len(self.lines), []
        self.waiting = bytearray()
        while left:
            data = self.socket.recv(1 << 16)
            while len(data) >= 16:
                length, kind, _, sequence, _ = struct.unpack_from("=IHHII", data)
                error = -struct.unpack_from("=i", data, 16)[0] if kind == genl.NLMSG_ERROR else errno.EPROTO
                failed += [f"ip {lines[sequence - 1]}: {os.strerror(error)}"] if error else []
                data, left = data[(length + 3) & ~3:], left - 1
        if failed:
            raise RuntimeError(failed[0])

    def device(self, name):
        """Returns the number of a device, which a request that waits may be about to make."""
        if name not in self.devices:
            try:
                self.devices[name] = socket.if_nametoindex(name)
            except OSError:
                self.flush()
                self.devices[name] = found(name)
        return self.devices[name]

    def placed(self, given):
        """Returns the attributes that a new device has from `address` and `netns`."""
        found = []
        if "address" in given:
            found.append((LINK_ADDRESS, bytes.fromhex(given["address"].replace(":", ""))))
        if "netns" in given:
            if given["netns"] not in self.files:
                self.files[given["netns"]] = os.open(f"{self.netns}/{given['netns']}", os.O_RDONLY)
            found.append((LINK_NETNS, genl.u32(self.files[given["netns"]])))
        return found

    # --- one command each: the line, and its words after the command ---

    def link_add(self, line, words):
        """link add NAME [address MAC] [netns NAME] type veth peer name NAME [address MAC] [netns NAME], or type dummy or bridge."""
        if "type" not in words:
            raise Unknown(line)
        at = words.index("type")
        kind, more = words[at + 1], words[at + 2:]
        info = [genl.attribute(INFO_KIND, kind.encode())]
        if kind == "veth" and more[:2] == ["peer", "name"]:
            peer = [(LINK_NAME, text(more[2])), *self.placed(options(more[3:], ("address", "netns")))]
            info.append(genl.attribute(INFO_DATA, [genl.attribute(VETH_PEER, link() + packed(peer))]))
        elif kind not in ("dummy", "bridge") or more:
            raise Unknown(line)
        own = [(LINK_NAME, text(words[0])), *self.placed(options(words[1:at], ("address", "netns"))), (LINK_INFO, info)]
        self.put(line, NEWLINK, CREATE | EXCL, link() + packed(own))

    def link_set(self, line, words):
        """link set NAME [up] [arp off] [mtu BYTES] [address MAC] [master NAME]."""
        given = options(words[1:], ("mtu", "master", "address", "arp"), ("up",))
        if given.get("arp", "off") != "off":
            raise Unknown(line)
        change = UP * ("up" in given) | NOARP * ("arp" in given)
        more = self.placed(given)
        if "mtu" in given:
            more.append((LINK_MTU, genl.u32(int(given["mtu"]))))
        if "master" in given:
            more.append((LINK_MASTER, genl.u32(self.device(given["master"]))))
        self.put(line, NEWLINK, 0, link(change, change) + packed([(LINK_NAME, text(words[0])), *more]))

    def address_add(self, line, words):
        """address add ADDRESS/PREFIX dev NAME [nodad]."""
        own = ipaddress.ip_interface(words[0])
        given = options(words[1:], ("dev",), ("nodad",))
        # What is not seen beyond the host has its scope from its value.
        scope = SCOPE_HOST if own.is_loopback else SCOPE_UNIVERSE
        head = struct.pack("=BBBBI", family(own), own.network.prefixlen, NODAD * ("nodad" in given), scope, self.device(given["dev"]))
        self.put(line, NEWADDR, CREATE | EXCL, head + packed([(ADDRESS_LOCAL, own.packed), (ADDRESS, own.packed)]))

    def neigh_replace(self, line, words):
        """neigh replace ADDRESS lladdr MAC dev NAME nud permanent."""
        given = options(words[1:], ("lladdr", "dev", "nud"))
        if given.get("nud") != "permanent":
            raise Unknown(line)
        other = ipaddress.ip_address(words[0])
        head = struct.pack("=BxxxiHBB", family(other), self.device(given["dev"]), PERMANENT, 0, 0)
        self.put(line, NEWNEIGH, CREATE | REPLACE, head + packed([(NEIGH_DST, other.packed),
                                                                  (NEIGH_LLADDR, bytes.fromhex(given["lladdr"].replace(":", "")))]))

    def route(self, line, words, kind=NEWROUTE, flags=CREATE | EXCL):
        """route add [local] NETWORK|default [via ADDRESS] [dev NAME] [mtu lock BYTES]."""
        local = words[0] == "local"
        target, *rest = words[local:]
        lock = "lock" in rest
        given = options([word for word in rest if word != "lock"], ("via", "dev", "mtu"))
        hop = ipaddress.ip_address(given["via"]) if "via" in given else None
        if lock != ("mtu" in given) or (target == "default" and not hop):
            raise Unknown(line)
        network = ipaddress.ip_network(target if target != "default" else "0.0.0.0/0" if hop.version == 4 else "::/0")
        more = [(ROUTE_DST, network.network_address.packed)] * (target != "default")
        more += [(ROUTE_GATEWAY, hop.packed)] if hop else []
        more += [(ROUTE_OIF, genl.u32(self.device(given["dev"])))] if "dev" in given else []
        more += [(ROUTE_METRICS, [genl.attribute(METRIC_LOCK, genl.u32(1 << METRIC_MTU)),
                                  genl.attribute(METRIC_MTU, genl.u32(int(given["mtu"])))])] if lock else []
        scope = (SCOPE_UNIVERSE if hop or network.version == 6 else SCOPE_HOST if local else
                 SCOPE_NOWHERE if kind == DELROUTE else SCOPE_LINK)
        made = (BOOT, scope, LOCAL if local else UNICAST) if kind == NEWROUTE else (0, scope, LOCAL if local else 0)
        head = struct.pack("=BBBBBBBBI", family(network), network.prefixlen, 0, 0, TABLE_LOCAL if local else TABLE_MAIN, *made, 0)
        self.put(line, kind, flags, head + packed(more))

    def route_replace(self, line, words):
        """The same for a route that may be there."""
        self.route(line, words, flags=CREATE | REPLACE)

    def route_del(self, line, words):
        """The same for a route that has to go."""
        self.route(line, words, DELROUTE, 0)


COMMANDS = {("link", "add"): Batch.link_add, ("link", "set"): Batch.link_set, ("address", "add"): Batch.address_add,
            ("neigh", "replace"): Batch.neigh_replace, ("route", "add"): Batch.route, ("route", "replace"): Batch.route_replace,
            ("route", "del"): Batch.route_del}


def family(value):
    """Returns the family of an address or a network."""
    return socket.AF_INET if value.version == 4 else socket.AF_INET6


def batch(lines, netns):
    """Does what the lines say in the namespace the caller is in; netns: the folder that names namespaces."""
    rows = [(line, line.split()) for line in lines]
    unknown = [line for line, words in rows if tuple(words[:2]) not in COMMANDS]
    if unknown:
        raise Unknown(unknown[0])
    with contextlib.closing(Batch(netns)) as made:
        for line, words in rows:
            COMMANDS[tuple(words[:2])](made, line, words[2:])
        made.flush()
