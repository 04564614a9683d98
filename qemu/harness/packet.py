# SPDX-License-Identifier: GPL-2.0
"""Packets byte by byte: builders for what scenarios and the benchmark send, and a text of what is captured, field by field.

The family is the addresses': `tcp("10.1.0.2", …)` is IPv4 and `tcp("fd01::2", …)` IPv6. A field that the caller names is
sent as it is named, even where it is wrong, because wrong packets are half of what a scenario sends.

These are builders of our own and no library's: guests run under QEMU's translator, some thirty times slower than the
machine. Measured outside of it, scapy's `import` takes 0.36 s and each of its packets 1,060 µs, dpkt's 0.05 s and 32 µs,
this file's less than 0.01 s and 7 µs; and a transcript is this file's `show`, which no update of a library may change.
"""
import dataclasses
import functools
import hashlib
import socket
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
HOP_BY_HOP, ICMP, TCP, UDP, ROUTING, FRAGMENT, ICMP6, DESTINATION, SCTP = 0, 1, 6, 17, 43, 44, 58, 60, 132
IPIP, IPV6_IN_IP, GRE = 4, 41, 47
# The UDP port of GUE in scenarios.
GUE_PORT = 6080
# The address from which the director of scenarios sends to servers.
OWN = bytes((10, 2, 0, 1))
EXTENSIONS = {HOP_BY_HOP: "hop-by-hop", ROUTING: "routing", DESTINATION: "destination"}
ETHER_TYPE = {4: 0x0800, 6: 0x86DD}
ARP = 0x0806
CHECKSUM_AT = {TCP: 16, UDP: 6, SCTP: 8, ICMP: 2, ICMP6: 2}
# The bytes of each IP header before its options or extensions.
HEADER = {4: 20, 6: 40}
# ICMP messages that quote the packet they are about.
ERRORS = {ICMP: (3, 4, 5, 11, 12), ICMP6: (1, 2, 3, 4)}
MLD = (130, 131, 132, 143)


# --- addresses and checksums ---

def family(text):
    """Returns 4 or 6, the family of an address."""
    return 6 if ":" in text else 4


@functools.cache
def packed(text):
    """Returns the bytes of an address."""
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


@functools.lru_cache(4096)
def unpacked(data):
    """Returns the text of an address."""
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


@functools.cache
def hardware(text):
    """Returns the bytes of a hardware address."""
    return bytes.fromhex(text.replace(":", ""))


def checksum(data, start=0):
    """Returns the Internet checksum's folded sum, not yet complemented."""
    # 2**16 is 1 in the ring of these sums, so that one division folds all words.
    total = start + (int.from_bytes(data) << 8 * (len(data) % 2))
    return total % 0xFFFF or 0xFFFF * (total > 0)


def complement(total):
    """Returns the one's complement of a folded sum."""
    return ~total & 0xFFFF


@functools.lru_cache(4096)
def pseudo(source, target, protocol, length):
    """Returns the folded sum of the pseudo header for two packed addresses of one family."""
    return checksum(source + target + struct.pack("!HH" if len(source) == 4 else "!II", protocol, length))


@functools.cache
def crc_table():
    """Returns the table of CRC-32C, the checksum of SCTP (RFC 9260, appendix A)."""
    made = list(range(256))
    for _ in range(8):
        made = [value >> 1 ^ (0x82F63B78 if value & 1 else 0) for value in made]
    return made


def crc_bytes(crc, data):
    """Returns the register of CRC-32C after more bytes."""
    table = crc_table()
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc


def crc_through(columns, crc):
    """Returns what becomes of a register by a linear map, which is given by what becomes of each bit."""
    found = 0
    for column in columns:
        if crc & 1:
            found ^= column
        crc >>= 1
    return found


@functools.cache
def crc_zeros(count):
    """Returns the linear map that so many zero bytes are."""
    if count < 2:
        return [crc_bytes(1 << bit, bytes(count)) for bit in range(32)]
    half, rest = crc_zeros(count // 2), crc_zeros(count - count // 2)
    return [crc_through(rest, column) for column in half]


@functools.lru_cache(256)
def crc_load(data):
    """Returns the register after data, from zero."""
    return crc_bytes(0, data)


def crc32c(data):
    """Returns the CRC-32C of data. Payload repeats: what it adds, whatever is before it, is known after the first time."""
    head, load = data[:16], data[16:]
    return crc_through(crc_zeros(len(load)), crc_bytes(0xFFFFFFFF, head)) ^ crc_load(load) ^ 0xFFFFFFFF


def seal(ends, protocol, segment, mode="full"):
    """Fills the checksum of what follows the IP header between two addresses: full, zero, bad, or partial (what offload leaves to do)."""
    at = CHECKSUM_AT[protocol]
    if protocol == SCTP:
        return seal_sctp(segment, mode)
    start = 0 if protocol == ICMP else pseudo(*map(packed, ends), protocol, len(segment))
    value = {"zero": 0, "partial": start}.get(mode, complement(checksum(segment, start)))
    if protocol == UDP and mode == "full" and value == 0:
        value = 0xFFFF
    if mode == "bad":
        value ^= 0x1234
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def seal_sctp(segment, mode="full"):
    """Fills the checksum of an SCTP packet; its offload leaves all of it to do."""
    value = 0 if mode in ("zero", "partial") else crc32c(segment[:8] + bytes(4) + segment[12:])
    if mode == "bad":
        value ^= 0x12345678
    return segment[:8] + struct.pack("<I", value) + segment[12:]


# --- headers ---

@dataclasses.dataclass(slots=True)
class Header:
    """The fields of an IP header of either family that need not be named; `bad` is added to IPv4's checksum.

    extensions: what `hop_by_hop`, `destination`, `routing` and `fragment` return, in their order.
    """

    ttl: int = 64
    tos: int = 0
    ident: int = 1
    frag: int = 0
    options: bytes = b""
    bad: int = 0
    flow: int = 0
    extensions: tuple = ()


@dataclasses.dataclass(slots=True)
class Segment:
    """The fields of a TCP segment that need not be named; mode: see `seal`."""

    seq: int = 1000
    ack: int = 0
    data: bytes = b""
    mode: str = "full"
    window: int = 8192
    options: bytes = b""


PLAIN, SEGMENT = Header(), frozenset(Segment.__slots__)


def ip(source, target, protocol, payload, **fields):
    """Returns an IP packet of the addresses' family; fields: those of `Header`."""
    header = Header(**fields) if fields else PLAIN
    source, target = packed(source), packed(target)
    if len(source) == 16:
        return ip6(source + target, protocol, payload, header)
    length = 20 + len(header.options)
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | length // 4, header.tos, length + len(payload), header.ident, header.frag, header.ttl,
                       protocol, 0, source, target) + header.options
    sum_ = (complement(checksum(head)) + header.bad) & 0xFFFF
    return head[:10] + struct.pack("!H", sum_) + head[12:] + payload


def ip6(ends, protocol, payload, header):
    """Returns an IPv6 packet between two packed addresses."""
    for number, rest in reversed(header.extensions):
        payload, protocol = bytes([protocol]) + rest + payload, number
    return struct.pack("!IHBB", 6 << 28 | header.tos << 20 | header.flow, len(payload), protocol, header.ttl) + ends + payload


def options_header(number, options):
    """Returns an extension header of options, filled up to eight bytes with PadN."""
    short = -(2 + len(options)) % 8
    options += b"\0" if short == 1 else struct.pack("!BB", 1, short - 2) + bytes(short - 2) if short else b""
    return number, bytes([(2 + len(options)) // 8 - 1]) + options


def hop_by_hop(options=b""):
    """Returns a hop-by-hop options header."""
    return options_header(HOP_BY_HOP, options)


def destination(options=b""):
    """Returns a destination options header."""
    return options_header(DESTINATION, options)


def routing(kind, left, data=bytes(4)):
    """Returns a routing header of a type with so many segments left; `data` ends at eight bytes."""
    return ROUTING, struct.pack("!BBB", (4 + len(data)) // 8 - 1, kind, left) + data


def fragment(offset, more, ident=1):
    """Returns a fragment header; the offset is in bytes."""
    return FRAGMENT, struct.pack("!BHI", 0, offset | more, ident)


def tcp(source, sport, target, dport, flags, **fields):
    """Returns a TCP segment in its packet; fields: those of `Segment`, and of `Header`."""
    of = Segment(**{name: fields.pop(name) for name in fields.keys() & SEGMENT})
    ack = of.ack if flags & ACK else 0
    head = struct.pack("!HHIIBBHHH", sport, dport, of.seq, ack, (20 + len(of.options)) // 4 << 4, flags, of.window, 0, 0)
    return ip(source, target, TCP, seal((source, target), TCP, head + of.options + of.data, of.mode), **fields)


def udp(source, sport, target, dport, data=b"hello", mode="full", **fields):
    """Returns a UDP datagram in its packet."""
    segment = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return ip(source, target, UDP, seal((source, target), UDP, segment, mode), **fields)


def sctp(source, sport, target, dport, tag, *chunks, mode="full", **fields):
    """Returns an SCTP packet with its chunks."""
    segment = struct.pack("!HHII", sport, dport, tag, 0) + b"".join(chunks)
    return ip(source, target, SCTP, seal_sctp(segment, mode), **fields)


def chunk(kind, body=b"", flags=0):
    """Returns one chunk of SCTP."""
    return struct.pack("!BBH", kind, flags, 4 + len(body)) + body + bytes(-len(body) % 4)


def icmp(source, target, kind, code, rest, body=b"", bad=0, **fields):
    """Returns an ICMP or ICMPv6 message in its packet; `rest` is the second word of its header, `bad` added to its checksum."""
    protocol = ICMP6 if family(source) == 6 else ICMP
    message = seal((source, target), protocol, struct.pack("!BBHI", kind, code, 0, rest) + body)
    value = (struct.unpack_from("!H", message, 2)[0] + bad) & 0xFFFF
    return ip(source, target, protocol, message[:2] + struct.pack("!H", value) + message[4:], **fields)


def unreachable(source, target, quoted):
    """Returns the ICMP error `host unreachable` (IPv6: `address unreachable`) about a quoted packet."""
    return icmp(source, target, *((1, 3) if family(source) == 6 else (3, 1)), 0, quoted)


def ether(target, source, data, kind=None):
    """Returns a frame between two hardware addresses; its type is that of the IP packet in it unless it is named."""
    return hardware(target) + hardware(source) + struct.pack("!H", ETHER_TYPE[data[0] >> 4] if kind is None else kind) + data


# --- from one packet to others ---

def fragments(packet, size, ident=1):
    """Splits a packet without options or extensions into fragments of at most `size` payload bytes; ident: IPv6 only."""
    body = packet[HEADER[packet[0] >> 4]:]
    six = packet[0] >> 4 == 6
    made = []
    for at in range(0, len(body), size):
        piece, more = body[at:at + size], at + size < len(body)
        made.append(fragment_of_ip6(packet, piece, fragment(at, more, ident)) if six else fragment_of_ip(packet, piece, 0x2000 * more | at // 8))
    return made


def fragment_of_ip(packet, piece, frag):
    """Returns an IPv4 fragment with the fields of the whole packet."""
    _, tos, _, ident, _, ttl, protocol, _, source, target = struct.unpack_from("!BBHHHBBH4s4s", packet)
    return ip(unpacked(source), unpacked(target), protocol, piece, ttl=ttl, ident=ident, frag=frag, tos=tos)


def fragment_of_ip6(packet, piece, extension):
    """Returns an IPv6 fragment with the fields of the whole packet and this fragment header."""
    first, _, protocol, ttl, source, target = struct.unpack_from("!IHBB16s16s", packet)
    return ip(unpacked(source), unpacked(target), protocol, piece, ttl=ttl, tos=first >> 20 & 0xFF, flow=first & 0xFFFFF,
              extensions=(extension,))


def forwarded(packet):
    """Returns a packet as a router sends it on: one hop less, and IPv4's checksum to match."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([packet[7] - 1]) + packet[8:]
    length = (packet[0] & 15) * 4
    header = packet[:8] + bytes([packet[8] - 1, packet[9], 0, 0]) + packet[12:length]
    return header[:10] + struct.pack("!H", complement(checksum(header))) + header[12:] + packet[length:]


def series(first, ports):
    """Returns packets like `first`, one for each source port, with their checksums right.

    `first` has source port 0; only the port and the checksum change, which is much quicker than building each.
    """
    version = first[0] >> 4
    start, protocol = HEADER[version], first[9] if version == 4 else first[6]
    if protocol == SCTP:
        return [first[:start] + seal_sctp(struct.pack("!H", port) + first[start + 2:]) for port in ports]
    at = start + CHECKSUM_AT[protocol]
    base = complement(struct.unpack_from("!H", first, at)[0])
    made = []
    for port in ports:
        total = base + port
        data = bytearray(first)
        struct.pack_into("!H", data, start, port)
        struct.pack_into("!H", data, at, complement((total & 0xFFFF) + (total >> 16)) or 0xFFFF)
        made.append(bytes(data))
    return made


# --- text ---

def digest(data):
    """Returns payload in hexadecimal, a long one as its start, length and hash."""
    if len(data) <= 48:
        return data.hex()
    return f"{data[:8].hex()}…{len(data)} bytes {hashlib.sha1(data).hexdigest()[:12]}"


def flag_names(flags):
    """Returns the names of TCP's flags."""
    names = [name for bit, name in ((SYN, "SYN"), (ACK, "ACK"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (URG, "URG"))
             if flags & bit]
    return "+".join(names) or "none"


def verdict(source, target, protocol, segment):
    """Says what the checksum of a segment between packed addresses is: ok, zero, partial or bad."""
    at = CHECKSUM_AT[protocol]
    stored = struct.unpack_from("!H", segment, at)[0]
    start = pseudo(source, target, protocol, len(segment))
    if protocol == UDP and stored == 0:
        return "zero"
    if checksum(segment, start) == 0xFFFF:
        return "ok"
    return "partial" if stored == start else f"bad({stored:04x})"


def show_tcp(source, target, body, whole):
    """Returns the text of a TCP segment."""
    sport, dport, seq, ack, offset, flags, window, stored, urgent = struct.unpack_from("!HHIIBBHHH", body)
    check = verdict(source, target, TCP, body) if whole else f"{stored:04x}"
    return (f"tcp {sport}>{dport} {flag_names(flags)} seq {seq} ack {ack} window {window} header {offset >> 2} "
            f"urgent {urgent} checksum {check} data {digest(body[20:])}")


def show_udp(source, target, body, whole):
    """Returns the text of a UDP datagram."""
    sport, dport, length, stored = struct.unpack_from("!HHHH", body)
    check = verdict(source, target, UDP, body) if whole else f"{stored:04x}"
    load = show_gue(body[8:]) if dport == GUE_PORT and len(body) > 12 else f"data {digest(body[8:])}"
    return f"udp {sport}>{dport} length {length} checksum {check} {load}"


def show_load(data):
    """Returns the text of a packet inside another one."""
    return f"\n    load: {show(data)}"


def show_gue(body):
    """Returns the text of GUE and of what is in it."""
    first, protocol, flags = struct.unpack_from("!BBH", body)
    end = 4 + (first & 31) * 4
    load = show_load(body[end:]) if protocol in (IPIP, IPV6_IN_IP) else f" data {digest(body[end:])}"
    return f"gue first {first:#x} protocol {protocol} flags {flags:#x} fields {body[4:end].hex() or 'none'}{load}"


def show_gre(_source, _target, body, whole):
    """Returns the text of GRE and of what is in it."""
    flags, kind = struct.unpack_from("!HH", body)
    summed = flags & 0x8000 and len(body) >= 8
    # What is to be cut into segments, longer than a wire takes, may hold anything there: each segment gets its own.
    stored = "of each segment" if len(body) > 1500 else "ok" if whole and checksum(body) == 0xFFFF else body[4:8].hex()
    check = f" checksum {stored}" if summed else ""
    rest = body[8 if summed else 4:]
    load = show_load(rest) if kind in ETHER_TYPE.values() and rest else f" data {digest(rest)}"
    return f"gre flags {flags:#x} type {kind:#06x}{check}{load}"


def show_inner(_source, _target, body, _whole):
    """Returns the text of a packet directly inside another one."""
    return f"tunnel{show_load(body)}"


def show_icmp(source, target, body, whole):
    """Returns the text of an ICMP or ICMPv6 message."""
    six = len(source) == 16
    kind, code, _, rest = struct.unpack_from("!BBHI", body)
    start = pseudo(source, target, ICMP6, len(body)) if six else 0
    check = ("ok" if checksum(body, start) == 0xFFFF else "bad") if whole else "-"
    quotes = kind in ERRORS[ICMP6 if six else ICMP]
    inner = f"\n    inside: {show(body[8:], quoted=True)}" if quotes else f" data {digest(body[8:])}"
    return f"{'icmp6' if six else 'icmp'} {kind}/{code} rest {rest:08x} checksum {check}{inner}"


def show_sctp(_source, _target, body, whole):
    """Returns the text of an SCTP packet with its chunks."""
    sport, dport, tag, stored = struct.unpack_from("!HHII", body)
    right = not whole or body == seal_sctp(body)
    check = "ok" if whole and right else "zero" if not stored else f"bad({stored:08x})" if whole else f"{stored:08x}"
    chunks, at = [], 12
    while at + 4 <= len(body):
        kind, flags, length = struct.unpack_from("!BBH", body, at)
        chunks.append(f"{kind}/{flags} {digest(body[at + 4:at + length])}".rstrip())
        at += max(4, length + 3 & ~3)
    return f"sctp {sport}>{dport} tag {tag:08x} checksum {check} chunks {', '.join(chunks) or 'none'}"


# How many bytes of each protocol are enough to show it, and what does.
TRANSPORTS = {TCP: (20, show_tcp), UDP: (8, show_udp), ICMP: (8, show_icmp), ICMP6: (8, show_icmp), SCTP: (12, show_sctp),
              IPIP: (20, show_inner), IPV6_IN_IP: (40, show_inner), GRE: (8, show_gre)}


def show_transport(ends, protocol, body, whole):
    """Returns the text of what follows the IP header between two packed addresses."""
    enough, shower = TRANSPORTS.get(protocol, (0, None))
    foreign = protocol == (ICMP if len(ends[0]) == 16 else ICMP6)
    if not shower or foreign or len(body) < enough:
        return f"protocol {protocol} data {digest(body)}"
    return shower(*ends, body, whole)


def show(packet, quoted=False):
    """Returns an IP packet as text, every field of it; quoted: it is the payload of an ICMP error."""
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        return show_ip6(packet)
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return f"not IPv4: {packet.hex()}"
    vihl, tos, length, ident, frag, ttl, protocol, _, source, target = struct.unpack_from("!BBHHHBBH4s4s", packet)
    header = (vihl & 15) * 4
    body = packet[header:length]
    whole = not frag & 0x3FFF and len(body) == length - header
    # What the kernel itself makes (ICMP errors) has an identification from a random sequence.
    generated = protocol == ICMP and not quoted and len(body) > 0 and body[0] in (0, 3, 4, 11) and ttl in (63, 64)
    # So has what the director sends itself, as the packets around others, where those may be cut; 0 may be drawn as well.
    generated |= source == OWN and (ident > 0 or not frag & 0x4000)
    check = "ok" if checksum(packet[:header]) == 0xFFFF else "bad"
    text = (f"ip {unpacked(source)}>{unpacked(target)} tos {tos:#x} length {length} "
            f"id {'*' if generated else ident} frag {frag:#x} ttl {ttl} header {header} checksum {check}")
    if header > 20:
        text += f" options {packet[20:header].hex()}"
    if frag & 0x1FFF:
        return f"{text} fragment {digest(body)}"
    return f"{text} {show_transport((source, target), protocol, body, whole)}"


def show_ip6(packet):
    """Returns an IPv6 packet as text, extension headers in their order."""
    first, length, protocol, ttl, source, target = struct.unpack_from("!IHBB16s16s", packet)
    text = (f"ip6 {unpacked(source)}>{unpacked(target)} tos {first >> 20 & 0xFF:#x} flow {first & 0xFFFFF:#x} length {length} "
            f"ttl {ttl}")
    end, at, whole, later = 40 + length, 40, len(packet) >= 40 + length, False
    while protocol in (*EXTENSIONS, FRAGMENT) and at + 8 <= min(end, len(packet)) and not later:
        following, size = packet[at], 8 if protocol == FRAGMENT else 8 * (1 + packet[at + 1])
        if protocol == FRAGMENT:
            field, ident = struct.unpack_from("!HI", packet, at + 2)
            later, whole = field & ~7, whole and not field & ~6
            text += f" fragment offset {field & ~7} more {field & 1} id {shown_ident(ident)}"
        else:
            data = packet[at + 1:at + size]
            text += f" {EXTENSIONS[protocol]} {digest(data) if size > 300 else data.hex()}"
        protocol, at = following, at + size
    if later:
        return f"{text} fragment {digest(packet[at:end])}"
    return f"{text} {show_transport((source, target), protocol, packet[at:end], whole)}"


def shown_ident(ident):
    """Returns an IPv6 fragment's identification; what the kernel splits gets a random one, scenarios give small ones."""
    return "*" if ident > 0x3FF else ident


def show_frame(frame):
    """Returns a frame without its addresses as text: an IP packet, or the type and the bytes of anything else."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind in ETHER_TYPE.values():
        return show(frame[14:])
    return f"ethertype {kind:#06x} data {digest(frame[14:])}"


def noise(frame):
    """Returns the name of what the kernel says unasked in this frame: arp, mld, nd; empty for anything else."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == ARP:
        return "arp"
    data = frame[14:]
    if kind != ETHER_TYPE[6] or len(data) < 41:
        return ""
    at, protocol = 40, data[6]
    if protocol == HOP_BY_HOP and len(data) > 42:
        protocol, at = data[40], 40 + 8 * (1 + data[41])
    message = data[at] if protocol == ICMP6 and len(data) > at else None
    return "mld" if message in MLD else "nd" if message in range(133, 138) else ""
