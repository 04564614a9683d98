# SPDX-License-Identifier: GPL-2.0
"""Ethernet frames of the packet rows, IPv4 and IPv6, and series of them that differ in their source port."""
import socket
import struct

import packet

TAP, FOREIGN, SENDER = bytes.fromhex("020000000001"), bytes.fromhex("0200000000ee"), bytes.fromhex("020000000002")
ICMP6, SCTP = 58, 132
ETHER_TYPE = {4: 0x0800, 6: 0x86DD}
HEADER = {4: 20, 6: 40}
PAYLOAD = bytes(range(18))


def ether(family, data, target=TAP):
    """Returns a frame for the director's tap, or for somebody else."""
    return target + SENDER + struct.pack("!H", ETHER_TYPE[family]) + data


def ip6(source, target, protocol, payload):
    """Returns an IPv6 packet."""
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + address6(source) + address6(target) + payload


def address6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def seal6(source, target, protocol, segment, at):
    """Fills the checksum of what follows an IPv6 header."""
    pseudo = address6(source) + address6(target) + struct.pack("!II", len(segment), protocol)
    value = packet.complement(packet.checksum(segment, packet.checksum(pseudo))) or 0xFFFF
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def udp(family, source, sport, target, dport, data=PAYLOAD):
    """Returns a UDP packet."""
    if family == 4:
        return packet.udp(source, sport, target, dport, data)
    segment = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return ip6(source, target, packet.UDP, seal6(source, target, packet.UDP, segment, 6))


def tcp(family, source, sport, target, dport, flags, data=b"", seq=1000, ack=0):
    """Returns a TCP segment in its packet."""
    if family == 4:
        return packet.tcp(source, sport, target, dport, flags, seq, ack, data)
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 8192, 0, 0) + data
    return ip6(source, target, packet.TCP, seal6(source, target, packet.TCP, segment, 16))


def crc_table():
    """Returns the table of CRC-32C, the checksum of SCTP (RFC 9260, appendix A)."""
    made = list(range(256))
    for _ in range(8):
        made = [value >> 1 ^ (0x82F63B78 if value & 1 else 0) for value in made]
    return made


CRC = crc_table()
# The tags that either end wants to see, and the chunks of an association.
CLIENT_TAG, SERVER_TAG = 0x11111111, 0x22222222
INIT = struct.pack("!BBHIIHHI", 1, 0, 20, CLIENT_TAG, 65536, 1, 1, 1)
INIT_ACK = struct.pack("!BBHIIHHIHHI", 2, 0, 28, SERVER_TAG, 65536, 1, 1, 1, 7, 8, 7)
COOKIE_ECHO = struct.pack("!BBHI", 10, 0, 8, 7)
COOKIE_ACK = struct.pack("!BBH", 11, 0, 4)
DATA = struct.pack("!BBHIHHI", 0, 3, 16 + len(PAYLOAD), 1, 0, 0, 0) + PAYLOAD + bytes(-len(PAYLOAD) % 4)


def seal_sctp(segment):
    """Fills the checksum of an SCTP packet."""
    crc = 0xFFFFFFFF
    for byte in segment[:8] + bytes(4) + segment[12:]:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 255]
    return segment[:8] + struct.pack("<I", crc ^ 0xFFFFFFFF) + segment[12:]


def sctp(family, source, sport, target, dport, tag, chunk):
    """Returns an SCTP packet with one chunk."""
    segment = seal_sctp(struct.pack("!HHII", sport, dport, tag, 0) + chunk)
    return packet.ip(source, target, SCTP, segment) if family == 4 else ip6(source, target, SCTP, segment)


def unreachable(family, source, target, quoted):
    """Returns the ICMP error `host unreachable` about a quoted packet."""
    if family == 4:
        return packet.icmp(source, target, 3, 1, 0, quoted)
    message = struct.pack("!BBHI", 1, 3, 0, 0) + quoted
    return ip6(source, target, ICMP6, seal6(source, target, ICMP6, message, 2))


def series(family, protocol, first, ports):
    """Returns packets like `first`, one for each source port, with their checksums right.

    `first` has source port 0; only the port and the checksum change, which is much quicker than building each.
    """
    start = HEADER[family]
    if protocol == SCTP:
        return [first[:start] + seal_sctp(struct.pack("!H", port) + first[start + 2:]) for port in ports]
    at = start + packet.CHECKSUM_AT[protocol]
    base = packet.complement(struct.unpack_from("!H", first, at)[0])
    made = []
    for port in ports:
        total = base + port
        data = bytearray(first)
        struct.pack_into("!H", data, start, port)
        struct.pack_into("!H", data, at, packet.complement((total & 0xFFFF) + (total >> 16)) or 0xFFFF)
        made.append(bytes(data))
    return made
