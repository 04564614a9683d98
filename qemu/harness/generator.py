# SPDX-License-Identifier: GPL-2.0
"""Packets from a seeded generator: rows of values along axes, every pair of values often enough, and the packets they say.

A row names one value of every axis. The first two axes say how the director is set up; the others say what one packet is.
What cannot be together (`exists`) is in no row, and a pair of values that no row can have is not asked for.
"""
import collections
import functools
import itertools
import random

import packet
import topology
from packet import ACK, FIN, PSH, RST, SYN, TCP, UDP

AXES = {
    # Of the client and of the server.
    "families": ("4", "6", "4 over 6", "6 over 4"),
    "method": ("nat", "direct", "ipip", "gue", "gre"),
    "protocol": ("tcp", "udp", "sctp", "icmp", "ah", "esp"),
    # A client's request, a server's reply, or an ICMP error of either about a packet of the other.
    "direction": ("request", "reply", "client's error", "server's error"),
    # How far the connection is when the packet comes.
    "state": ("none", "opened", "established", "closing", "over"),
    # What is the matter with its headers. In an error most of it is the matter with the packet that is quoted.
    "field": ("good", "cut off", "too long", "too short", "options", "fragments", "first fragment", "last hop", "wrong header",
              "marked", "too big"),
    "checksum": ("full", "bad", "zero", "partial"),
    "buffer": ("linear", "paged", "cloned"),
}
NAMES = tuple(AXES)
SETUP = NAMES[:2]
TUNNELS = ("ipip", "gue", "gre")
STATES = {"tcp": AXES["state"], "sctp": AXES["state"], "udp": AXES["state"][:3], "icmp": ("none",), "ah": ("none", "opened"),
          "esp": ("none", "opened")}
PARTIAL_FIELDS = ("good", "options", "marked", "too big", "last hop")
AH, ESP = 51, 50
VIRTUAL, REAL, ISAKMP = 80, 8080, 500
# The wires' MTU, and that of all routes: long packets are in pages, and longer ones do not fit.
WIRE, ROUTE, LONG, LONGER = 9000, 6000, 4300, 7000


def exists(row):
    """Tells whether a row can be."""
    families, method, protocol, direction, state, field, check, buffer = (row[name] for name in NAMES)
    is_error = direction.endswith("error")
    return not (
        ("over" in families and method not in TUNNELS)
        or state not in STATES[protocol]
        or (direction == "reply" and (method != "nat" or protocol == "icmp"))
        # The answer is in pieces with an identification that the kernel draws.
        or (protocol == "icmp" and (is_error or field == "too big"))
        or (protocol in ("icmp", "ah", "esp") and field == "wrong header")
        or (check != "full" and protocol in ("ah", "esp") and not is_error)
        or (check in ("zero", "partial") and (is_error or protocol not in ("tcp", "udp")))
        or (check == "partial" and field not in PARTIAL_FIELDS)
        or (buffer == "paged" and field in ("cut off", "fragments", "first fragment"))
        or (field == "too big" and is_error))


def pairs(row):
    """Returns the pairs of values of a row."""
    return tuple(itertools.combinations(((name, row[name]) for name in NAMES), 2))


def setups():
    """Returns the setups that exist."""
    every = itertools.product(*(AXES[name] for name in SETUP))
    return [setup for setup in every if "over" not in setup[0] or setup[1] in TUNNELS]


# Values that `exists` does not tell from another one: what is possible with that is possible with them.
LIKE = {"6": "4", "6 over 4": "4 over 6", "gue": "ipip", "gre": "ipip", "too short": "too long", "first fragment": "fragments",
        "marked": "good", "options": "good", "last hop": "good", "cloned": "linear", "closing": "over", "esp": "ah"}


@functools.cache
def possible():
    """Returns the pairs of values that some row has."""
    short = [[value for value in values if value not in LIKE] for values in AXES.values()]
    rows = (dict(zip(NAMES, values)) for values in itertools.product(*short))
    found = {pair for row in rows if exists(row) for pair in pairs(row)}
    every = (pair for one, other in itertools.combinations(NAMES, 2)
             for pair in itertools.product(((one, value) for value in AXES[one]), ((other, value) for value in AXES[other])))
    return {pair for pair in every if tuple((name, LIKE.get(value, value)) for name, value in pair) in found}


def combinations(seed, times):
    """Returns all rows that exist, so many times each, by setup, in a random order."""
    rows = collections.defaultdict(list)
    for values in itertools.product(*AXES.values()):
        row = dict(zip(NAMES, values))
        if exists(row):
            rows[row["families"], row["method"]] += [row] * times
    chance = random.Random(seed)
    for some in rows.values():
        chance.shuffle(some)
    return rows


class Plan:
    """Rows in which every pair of values is often enough, by setup."""

    def __init__(self, seed, wanted):
        self.random, self.wanted = random.Random(seed), wanted
        self.missing = {pair: wanted for pair in sorted(possible())}
        self.counts = collections.Counter()
        self.rows = collections.defaultdict(list)
        while self.missing:
            self.add()

    def add(self):
        """Adds a row with the pair that is the farthest from being there often enough."""
        most = max(self.missing.values())
        pair = self.random.choice([pair for pair, left in self.missing.items() if left == most])
        row = self.row(dict(pair))
        self.rows[row["families"], row["method"]].append(row)
        for pair in pairs(row):
            self.counts[pair] += 1
            if self.missing.get(pair, 0) > 1:
                self.missing[pair] -= 1
            else:
                self.missing.pop(pair, None)

    def row(self, fixed):
        """Returns a row with some values, the others at random, most fields good: at least a quarter of the packets has to go on."""
        while True:
            row = {name: fixed.get(name) or self.random.choice(AXES[name]) for name in NAMES}
            if "field" not in fixed and self.random.random() < 0.6:
                row["field"] = "good"
            if "checksum" not in fixed and self.random.random() < 0.6:
                row["checksum"] = "full"
            if exists(row):
                return row


class Flow:
    """One client's end towards the virtual service, and the packets of either side."""

    def __init__(self, world, client, port, ident=1):
        self.world, self.client, self.port, self.ident = world, client, port, ident

    def ends(self, direction):
        """Returns source and destination of a packet as its sender sees it: (address, port, address, port)."""
        world = self.world
        if direction == "request":
            return self.client, self.port, world.vip, VIRTUAL
        if direction == "reply":
            return world.server, world.server_port, self.client, self.port
        # As they are quoted: what the client got, and what the server got.
        if direction == "client's error":
            return world.vip, VIRTUAL, self.client, self.port
        target = (world.server, world.server_port) if world.method == "nat" else (world.vip, VIRTUAL)
        return self.client, self.port, *target


class World:
    """The addresses of a setup."""

    def __init__(self, families, method):
        inner, outer = families.split(" over ") if " over " in families else (families, families)
        plans = {"4": topology.IPV4, "6": topology.IPV6}
        self.near, self.far, self.method = plans[inner], plans[outer], method
        self.plans = (self.near,) if inner == outer else (self.near, self.far)
        self.vip, self.server = self.near.vips[0], self.far.servers[0]
        self.server_port = REAL if method == "nat" else VIRTUAL
        self.ports, self.idents = itertools.count(20000), itertools.count(2)

    def flow(self, row):
        """Returns the flow that a packet is of: one of its own, but that of IPsec, which has no ports."""
        # A first fragment that waits for the others must not meet those of another packet.
        ident = next(self.idents) if "fragment" in row.get("field", "") else 1
        if row["protocol"] in ("ah", "esp"):
            # The last client has no connection of ISAKMP.
            client = self.near.clients[-1] if row["state"] == "none" else self.near.clients[next(self.ports) % 6 + 1]
            return Flow(self, client, ISAKMP, ident)
        return Flow(self, self.near.clients[0], next(self.ports), ident)


# --- from rows to packets ---

TCP_STEPS = {"none": (), "opened": ((">", SYN),), "established": ((">", SYN), ("<", SYN | ACK), (">", ACK))}
TCP_STEPS["closing"] = (*TCP_STEPS["established"], (">", FIN | ACK))
TCP_STEPS["over"] = (*TCP_STEPS["closing"], (">", RST))
INIT, INIT_ACK, ABORT, SHUTDOWN, COOKIE_ECHO, COOKIE_ACK, DATA = 1, 2, 6, 7, 10, 11, 0
SCTP_STEPS = {"none": (), "opened": ((">", INIT),),
              "established": ((">", INIT), ("<", INIT_ACK), (">", COOKIE_ECHO), ("<", COOKIE_ACK))}
SCTP_STEPS["closing"] = (*SCTP_STEPS["established"], (">", SHUTDOWN))
SCTP_STEPS["over"] = (*SCTP_STEPS["closing"], (">", ABORT))
UDP_STEPS = {"none": (), "opened": ((">", None),), "established": ((">", None), ("<", None))}


def steps(row, flow):
    """Returns the packets that bring a flow to its state: (side, packet)."""
    protocol, state = row["protocol"], row["state"]
    table = {"tcp": TCP_STEPS, "sctp": SCTP_STEPS, "udp": UDP_STEPS, "ah": UDP_STEPS, "esp": UDP_STEPS}.get(protocol)
    made = []
    for arrow, what in table[state] if table else ():
        if arrow == "<" and flow.world.method != "nat":
            continue
        side, direction = (("client", "request") if arrow == ">" else ("servers", "reply"))
        made.append((side, plain(protocol, flow.ends(direction), what)))
    return made


def plain(protocol, ends, what, data=b"data", **rest):
    """Returns a packet of a protocol; `what` are its flags or its chunk; rest: the mode of its checksum, and fields of its IP header."""
    source, sport, target, dport = ends
    if protocol == "tcp":
        return packet.tcp(source, sport, target, dport, what, ack=1, data=data, **rest)
    if protocol == "sctp":
        return packet.sctp(source, sport, target, dport, 7, packet.chunk(what, data), **rest)
    if protocol == "udp":
        return packet.udp(source, sport, target, dport, data, **rest)
    if protocol in ("ah", "esp") and what is None:
        return packet.udp(source, ISAKMP, target, ISAKMP, data, **rest)
    number = AH if protocol == "ah" else ESP
    # Security parameters and a sequence number; AH's first bytes are the next header and its length.
    start = bytes([59, 4, 0, 0]) if protocol == "ah" else b""
    return packet.ip(source, target, number, start + b"\0\0\1\0\0\0\0\1" + data, **rest)


def ready(row, flow, chance):
    """Returns the side that sends a row's packet, and the packet or its pieces."""
    direction, field = row["direction"], row["field"]
    side = "client" if direction in ("request", "client's error") else "servers"
    if row["protocol"] == "icmp":
        bad = 0x101 * (row["checksum"] == "bad")
        made = packet.icmp(flow.client, flow.world.vip, *echo(flow), 7, data_of(row), bad=bad, **header_of(row, flow))
    elif direction.endswith("error"):
        made = error(row, flow, chance)
    else:
        made = transport(row, flow.ends(direction), chance, **header_of(row, flow))
    return side, spoilt(made, field, flow.ident) if not direction.endswith("error") else pieces(made, field, flow.ident)


def echo(flow):
    """Returns type and code of an echo request."""
    return (128, 0) if packet.family(flow.client) == 6 else (8, 0)


def data_of(row):
    """Returns the payload of a packet: long if it is to lie in pages."""
    size = LONGER if row["field"] == "too big" else LONG if row["buffer"] == "paged" else 100
    return bytes(range(100)) * (size // 100)


def header_of(row, flow):
    """Returns the fields of the IP header that a row asks for."""
    field, six = row["field"], packet.family(flow.client) == 6
    more = {} if six else dict(ident=flow.ident)
    if field == "options":
        more |= dict(extensions=(packet.hop_by_hop(), packet.destination())) if six else dict(options=b"\1" * 8)
    if field == "last hop":
        more |= dict(ttl=1)
    if field == "marked":
        more |= dict(tos=0xBB, **({} if six else dict(frag=0x4000)))
    if field == "too big" and not six:
        more |= dict(frag=0x4000)
    return more


def transport(row, ends, chance, **rest):
    """Returns a packet of the row's protocol."""
    protocol = row["protocol"]
    flags = {"tcp": (SYN, ACK, ACK | PSH, FIN | ACK, RST, SYN | ACK), "sctp": (INIT, INIT_ACK, COOKIE_ECHO, DATA, ABORT, SHUTDOWN),
             "udp": (None,)}.get(protocol, (0,))
    mode = {} if protocol in ("ah", "esp") else {"mode": row["checksum"]}
    return plain(protocol, ends, chance.choice(flags), data_of(row), **mode, **rest)


def error(row, flow, chance):
    """Returns an ICMP error about a packet of a flow."""
    six = packet.family(flow.client) == 6
    kind, code, rest = chance.choice(((1, 0, 0), (1, 4, 0), (2, 0, 5000), (3, 0, 0), (4, 0, 0)) if six
                                     else ((3, 1, 0), (3, 3, 0), (3, 4, 5000), (11, 0, 0), (4, 0, 0), (5, 1, 0)))
    quoted = transport({**row, "checksum": "full", "buffer": "linear"}, flow.ends(row["direction"]), chance)
    if row["field"] in ("cut off", "too short", "wrong header", "too long"):
        quoted = spoilt(quoted, row["field"], flow.ident)
    quoted = quoted[:packet.HEADER[6 if six else 4] + chance.choice((8, 20, 200))] if row["field"] != "cut off" else quoted
    source = flow.client if row["direction"] == "client's error" else flow.world.near.near if six else "192.0.2.77"
    target = flow.world.vip if row["direction"] == "client's error" else flow.client
    body = quoted + (bytes(LONG) if row["buffer"] == "paged" else b"")
    return packet.icmp(source, target, kind, code, rest, body, bad=0x101 * (row["checksum"] == "bad"), **header_of(row, flow))


def spoilt(data, field, ident):
    """Returns a packet with something the matter with its lengths or its transport header, or its pieces."""
    version = data[0] >> 4
    start = packet.HEADER[version]
    if field == "cut off":
        return with_length(data[:start + 6], 0)
    if field in ("too long", "too short"):
        return with_length(data, 8 if field == "too long" else -90)
    if field == "wrong header":
        protocol = data[9] if version == 4 else data[6]
        at, value = {TCP: (12, b"\x40"), UDP: (4, b"\0\7")}.get(protocol, (14, b"\0\3"))
        return data[:start + at] + value + data[start + at + len(value):]
    return pieces(data, field, ident)


def pieces(data, field, ident):
    """Returns a packet, or its fragments."""
    if field == "fragments":
        return packet.fragments(data, 64, ident)
    if field == "first fragment":
        return packet.fragments(data, 64, ident)[:1]
    return data


def with_length(data, more):
    """Returns a packet whose header says that it has so many bytes more than it has."""
    if data[0] >> 4 == 6:
        return data[:4] + (len(data) - 40 + more).to_bytes(2, "big") + data[6:]
    header = data[:2] + (len(data) + more).to_bytes(2, "big") + data[4:10] + b"\0\0" + data[12:20]
    return header[:10] + packet.complement(packet.checksum(header)).to_bytes(2, "big") + header[12:] + data[20:]
