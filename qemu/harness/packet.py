# SPDX-License-Identifier: GPL-2.0
"""Packets byte by byte: builders for what scenarios send, and a field-by-field text of what they capture."""
import hashlib
import socket
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
ICMP, TCP, UDP = 1, 6, 17
CHECKSUM_AT = {TCP: 16, UDP: 6}


def checksum(data, start=0):
    """Returns the Internet checksum's folded sum, not yet complemented."""
    data += b"\0" * (len(data) % 2)
    total = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def complement(total):
    return ~total & 0xFFFF


def pseudo(source, target, protocol, length):
    """Returns the folded sum of the IPv4 pseudo header."""
    return checksum(source + target + struct.pack("!HH", protocol, length))


def ip(source, target, protocol, payload, ttl=64, ident=1, frag=0, tos=0, options=b"", bad=0):
    """Returns an IPv4 packet; `bad` is added to its header checksum."""
    source, target = socket.inet_aton(source), socket.inet_aton(target)
    length = 20 + len(options)
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | length // 4, tos, length + len(payload), ident, frag, ttl, protocol, 0,
                         source, target) + options
    sum_ = (complement(checksum(header)) + bad) & 0xFFFF
    return header[:10] + struct.pack("!H", sum_) + header[12:] + payload


def seal(source, target, protocol, segment, mode="full"):
    """Fills the checksum of a TCP or UDP segment: full, zero, bad, or partial (what offload leaves to do)."""
    at = CHECKSUM_AT[protocol]
    start = pseudo(socket.inet_aton(source), socket.inet_aton(target), protocol, len(segment))
    value = {"zero": 0, "partial": start}.get(mode, complement(checksum(segment, start)))
    if protocol == UDP and mode == "full" and value == 0:
        value = 0xFFFF
    if mode == "bad":
        value ^= 0x1234
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def tcp(source, sport, target, dport, flags, seq=1000, ack=0, data=b"", mode="full", window=8192, options=b"", **rest):
    """Returns an IPv4 TCP packet."""
    ack = ack if flags & ACK else 0
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, (20 + len(options)) // 4 << 4, flags, window, 0, 0)
    return ip(source, target, TCP, seal(source, target, TCP, segment + options + data, mode), **rest)


def udp(source, sport, target, dport, data=b"hello", mode="full", **rest):
    """Returns an IPv4 UDP packet."""
    segment = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return ip(source, target, UDP, seal(source, target, UDP, segment, mode), **rest)


def icmp(source, target, kind, code, rest, body=b"", bad=0, **more):
    """Returns an IPv4 ICMP packet; `rest` is the second word of its header."""
    message = struct.pack("!BBHI", kind, code, 0, rest) + body
    value = (complement(checksum(message)) + bad) & 0xFFFF
    return ip(source, target, ICMP, message[:2] + struct.pack("!H", value) + message[4:], **more)


def fragments(packet, size):
    """Splits an IPv4 packet without options into fragments of at most `size` payload bytes."""
    header, body = packet[:20], packet[20:]
    pieces = []
    for at in range(0, len(body), size):
        piece = body[at:at + size]
        more = 0x2000 if at + size < len(body) else 0
        fields = struct.unpack("!BBHHHBBH4s4s", header)
        pieces.append(ip(socket.inet_ntoa(fields[8]), socket.inet_ntoa(fields[9]), fields[6], piece, ttl=fields[5],
                         ident=fields[3], frag=more | at // 8, tos=fields[1]))
    return pieces


def digest(data):
    """Returns payload in hexadecimal, a long one as its start, length and hash."""
    if len(data) <= 48:
        return data.hex()
    return f"{data[:8].hex()}…{len(data)} bytes {hashlib.sha1(data).hexdigest()[:12]}"


def flag_names(flags):
    names = [name for bit, name in ((SYN, "SYN"), (ACK, "ACK"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (URG, "URG"))
             if flags & bit]
    return "+".join(names) or "none"


def verdict(source, target, protocol, segment):
    """Says what a TCP or UDP checksum is: ok, zero, partial or bad."""
    at = CHECKSUM_AT[protocol]
    stored = struct.unpack_from("!H", segment, at)[0]
    start = pseudo(source, target, protocol, len(segment))
    if protocol == UDP and stored == 0:
        return "zero"
    if checksum(segment, start) == 0xFFFF:
        return "ok"
    return "partial" if stored == start else f"bad({stored:04x})"


def show_transport(source, target, protocol, body, whole):
    """Returns the text of what follows an IP header."""
    if protocol == TCP and len(body) >= 20:
        sport, dport, seq, ack, offset, flags, window, _, urgent = struct.unpack_from("!HHIIBBHHH", body)
        check = verdict(source, target, TCP, body) if whole else f"{struct.unpack_from('!H', body, 16)[0]:04x}"
        return (f"tcp {sport}>{dport} {flag_names(flags)} seq {seq} ack {ack} window {window} header {offset >> 2} "
                f"urgent {urgent} checksum {check} data {digest(body[20:])}")
    if protocol == UDP and len(body) >= 8:
        sport, dport, length, stored = struct.unpack_from("!HHHH", body)
        check = verdict(source, target, UDP, body) if whole else f"{stored:04x}"
        return f"udp {sport}>{dport} length {length} checksum {check} data {digest(body[8:])}"
    if protocol == ICMP and len(body) >= 8:
        kind, code, _, rest = struct.unpack_from("!BBHI", body)
        check = ("ok" if checksum(body) == 0xFFFF else "bad") if whole else "-"
        inner = f"\n    inside: {show(body[8:], quoted=True)}" if kind in (3, 4, 5, 11, 12) else f" data {digest(body[8:])}"
        return f"icmp {kind}/{code} rest {rest:08x} checksum {check}{inner}"
    return f"protocol {protocol} data {digest(body)}"


def show(packet, quoted=False):
    """Returns an IPv4 packet as text, every field of it; quoted: it is the payload of an ICMP error."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return f"not IPv4: {packet.hex()}"
    vihl, tos, length, ident, frag, ttl, protocol, _, source, target = struct.unpack_from("!BBHHHBBH4s4s", packet)
    header = (vihl & 15) * 4
    body = packet[header:length]
    whole = not frag & 0x3FFF and len(body) == length - header
    # What the kernel itself makes (ICMP errors) has an identification from a random sequence.
    generated = protocol == ICMP and not quoted and len(body) > 0 and body[0] in (0, 3, 11) and ttl in (63, 64)
    check = "ok" if checksum(packet[:header]) == 0xFFFF else "bad"
    text = (f"ip {socket.inet_ntoa(source)}>{socket.inet_ntoa(target)} tos {tos:#x} length {length} "
            f"id {'*' if generated else ident} frag {frag:#x} ttl {ttl} header {header} checksum {check}")
    if header > 20:
        text += f" options {packet[20:header].hex()}"
    if frag & 0x1FFF:
        return f"{text} fragment {digest(body)}"
    return f"{text} {show_transport(source, target, protocol, body, whole)}"
