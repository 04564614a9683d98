# SPDX-License-Identifier: GPL-2.0
"""The packet rows: what one packet of each kind costs when it is forwarded plainly, by ip_vs and by rvs."""
import itertools
import struct

import packet
import rows
import sender
import testbed
import topology

BATCHES = {False: 9, True: 33}
PORT = 40000
PAYLOAD = bytes(range(18))
NUMBERS = {"TCP": packet.TCP, "UDP": packet.UDP, "SCTP": packet.SCTP}
ACK_PUSH = packet.ACK | packet.PSH
# The tags that either end of an SCTP association wants to see, and its chunks.
CLIENT_TAG, SERVER_TAG = 0x11111111, 0x22222222
INIT = packet.chunk(1, struct.pack("!IIHHI", CLIENT_TAG, 65536, 1, 1, 1))
INIT_ACK = packet.chunk(2, struct.pack("!IIHHIHHI", SERVER_TAG, 65536, 1, 1, 1, 7, 8, 7))
COOKIE_ECHO, COOKIE_ACK = packet.chunk(10, struct.pack("!I", 7)), packet.chunk(11)
DATA = packet.chunk(0, struct.pack("!IHHI", 1, 0, 0, 0) + PAYLOAD, 3)
# What plays the part of TCP's flags; an ACK alone is a cookie.
DATA_OR_COOKIE = {ACK_PUSH: DATA}


class Packets:
    """The packets of one conversation between the client and a target, as frames for the tap."""

    def __init__(self, family, protocol, target, mac=testbed.TAP):
        self.family, self.protocol, self.target, self.mac = family, NUMBERS[protocol], target, mac
        self.name = protocol
        self.client, self.server = testbed.CLIENT[family], testbed.server(family, 0)

    def ether(self, data):
        """Returns an IP packet as a frame for the tap, or for another machine."""
        return packet.ether(self.mac, testbed.SENDER, data)

    def request(self, port=PORT, flags=ACK_PUSH, source=None, data=PAYLOAD):
        """Returns an IP packet from a client."""
        source = source or self.client
        if self.protocol == packet.UDP:
            return packet.udp(source, port, self.target, 80, PAYLOAD)
        if self.protocol == packet.SCTP:
            chunk = INIT if flags & packet.SYN else DATA_OR_COOKIE.get(flags, COOKIE_ECHO)
            return packet.sctp(source, port, self.target, 80, SERVER_TAG * (chunk != INIT), chunk)
        return packet.tcp(source, port, self.target, 80, flags, seq=1001 - (flags & packet.SYN) // 2, ack=5001, data=data)

    def answer(self, source, flags=ACK_PUSH, data=PAYLOAD):
        """Returns an IP packet to the client."""
        if self.protocol == packet.UDP:
            return packet.udp(source, 80, self.client, PORT, PAYLOAD)
        if self.protocol == packet.SCTP:
            chunk = INIT_ACK if flags & packet.SYN else DATA_OR_COOKIE.get(flags, COOKIE_ACK)
            return packet.sctp(source, 80, self.client, PORT, CLIENT_TAG, chunk)
        return packet.tcp(source, 80, self.client, PORT, flags, seq=5001 - (flags & packet.SYN) // 2, ack=1001, data=data)

    def opening(self, both=True):
        """Returns what makes a conversation an established one; both: the director sees the server's side, too."""
        if self.protocol == packet.UDP:
            made = [self.request()] + [self.answer(self.server)] * both + [self.request()]
        else:
            made = [self.request(flags=packet.SYN, data=b"")]
            made += [self.answer(self.server, packet.SYN | packet.ACK, b"")] * both
            made += [self.request(flags=packet.ACK, data=b"")]
            made += [self.answer(self.server, packet.ACK, b"")] * (both and self.protocol == packet.SCTP)
            made += [self.request()]
        return [self.ether(data) for data in made]

    def fresh(self, ports, source=None):
        """Returns the first packets of new connections, one for each port."""
        first = self.request(0, packet.SYN, source, b"")
        return [self.ether(data) for data in packet.series(first, ports)]

    def kind(self, kind):
        """Returns the one frame that a row repeats."""
        if kind == "established":
            return self.ether(self.request())
        if kind.startswith("reply"):
            return self.ether(self.answer(self.server))
        if kind == "error from client":
            return self.ether(packet.unreachable(self.client, self.target, self.answer(self.target)))
        # What the server received and complains about has its own address as target.
        received = Packets(self.family, self.name, self.server).request()
        return self.ether(packet.unreachable(self.server, self.client, received))

    def batches(self, kind):
        """Returns the frames of a row's batches."""
        if kind != "new":
            return [[self.kind(kind)] * sender.BATCH] * count_of(kind)
        ports = itertools.count(1024)
        return [self.fresh(list(itertools.islice(ports, sender.BATCH))) for _ in range(count_of(kind))]


def count_of(kind):
    """Returns the number of batches: new connections take a while until a table's growth has settled."""
    return BATCHES[kind == "new"]


def sent_through(bed, kind):
    return bed.sent()["out1" if kind in rows.SERVER_KINDS else "out2"]


def costs_of(bed, packets, kind, send):
    """Has the batches of a row sent and makes sure that its packets went where they should; returns what `send` does."""
    before = sent_through(bed, kind)
    costs = send(packets.batches(kind))
    passed = sent_through(bed, kind) - before
    expected = 0 if packets.mac == testbed.FOREIGN else count_of(kind) * sender.BATCH
    if passed != expected:
        raise RuntimeError(f"{passed} of {expected} packets were forwarded")
    return costs


def measure(bed, packets, kind, around=None):
    """Measures one row; returns its figures."""
    return sender.summary(costs_of(bed, packets, kind, lambda batches: bed.sender.measure(batches, around)))


def balanced(bed, packets, kind, measure):
    """Has `measure` measure a row of a balancer; returns what that does."""
    reply = kind.startswith("reply")
    if reply:
        bed.setting("snat_reroute", int(kind == "reply"))
        before = bed.replies()
    row = measure(bed, packets, kind)
    if reply and bed.replies() - before != count_of(kind) * sender.BATCH:
        raise RuntimeError("replies were not translated")
    return row


def row_of(subject, *key, **figures):
    """Returns a row of the results."""
    return {"subject": subject, **dict(zip(rows.KEY, key, strict=True)), **figures}


def module_rows(module, quick, configurations=rows.configurations):
    """Yields the packet rows of a loaded module."""
    warm()
    for family, protocol, method, conntrack, services in configurations():
        if quick and conntrack and services > 1:
            continue
        bed = testbed.Testbed(conntrack)
        same = (conntrack, services)
        try:
            bed.serve(family, protocol, method, services=services)
            packets = Packets(family, protocol, testbed.VIP[family])
            bed.sender.send(*packets.opening(both=method == "NAT"))
            for kind in rows.kinds_of(method):
                yield row_of(module, family, protocol, method, kind, *same, **attempt(balanced, bed, packets, kind, measure))
        except testbed.NotServed as refusal:
            for kind in rows.kinds_of(method):
                yield row_of(module, family, protocol, method, kind, *same, refused=str(refusal))
        finally:
            bed.close()


def warm():
    """Makes connections that no row counts: the first ones of a module pay for memory that later ones find ready."""
    bed = testbed.Testbed()
    bed.serve(4, "TCP", "DR")
    measure(bed, Packets(4, "TCP", testbed.VIP[4]), "new")
    bed.close()


def attempt(function, *arguments):
    """Returns a row's figures, or what went wrong with it."""
    try:
        return function(*arguments)
    except RuntimeError as error:
        return {"failed": str(error)}


def plain_rows(configurations=rows.configurations):
    """Yields the rows without a balancer: the harness, plain forwarding, the flowtable."""
    for family, protocol, conntrack in dict.fromkeys((one[0], one[1], one[3]) for one in configurations()):
        bed = testbed.Testbed(conntrack)
        try:
            packets = Packets(family, protocol, testbed.server(family, 0))
            foreign = Packets(family, protocol, testbed.server(family, 0), testbed.FOREIGN)
            bed.sender.send(*packets.opening())
            for kind in rows.kinds_of("NAT"):
                if kind == "reply without re-route":
                    continue
                yield row_of("forward", family, protocol, "", kind, conntrack, 0, **attempt(measure, bed, packets, kind))
                if not conntrack:
                    yield row_of("harness", family, protocol, "", kind, conntrack, 0, **attempt(measure, bed, foreign, kind))
            # It takes TCP and UDP only.
            if conntrack and protocol != "SCTP":
                yield row_of("flowtable", family, protocol, "", "established", True, 0, **attempt(flowtable, bed, packets))
        finally:
            bed.close()


FLOWTABLE = """table inet flows {
    flowtable fast { hook ingress priority 0; devices = { wire, out2 }; }
    chain forward { type filter hook forward priority 0; meta l4proto { tcp, udp } flow add @fast; }
}"""


def flowtable(bed, packets, around=None):
    """Measures what nftables' flowtable forwards: its flows need the way back through the tap itself."""
    topology.must(["nft", "-f", "-"], bed.name, FLOWTABLE)
    family, client = packets.family, packets.client
    length = 32 if family == 4 else 128
    topology.must(["ip", f"-{family}", "route", "add", f"{client}/{length}", "dev", "wire"], bed.name)
    topology.must(["ip", "neigh", "add", client, "lladdr", testbed.SENDER, "dev", "wire", "nud", "permanent"], bed.name)
    topology.run(["conntrack", "-F"], bed.name)
    bed.sender.send(*packets.opening(), packets.ether(packets.answer(packets.server)), packets.ether(packets.request()))
    bed.sender.drain()
    row = measure(bed, packets, "established", around)
    if "OFFLOAD" not in topology.run(["conntrack", "-L", "-f", f"ipv{family}"], bed.name)[1]:
        raise RuntimeError("the flow is not in the flowtable")
    return row
