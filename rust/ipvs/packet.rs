// SPDX-License-Identifier: GPL-2.0
//! Reads IPv4, IPv6 and transport headers from bytes, checking every length.
//!
//! What was read is a value of its own: it borrows nothing, so it stays true as long as nobody
//! writes the headers, wherever the buffer moves.

use crate::addr::{ipv4, Endpoint, Family, IpAddr, Port, Protocol};
use crate::flow::Flow;

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes end inside the network header.
    Truncated,
    /// Neither version 4 nor 6.
    Version,
    /// A header length or total length that cannot be.
    Length,
}

/// What part of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// All of it.
    Whole,
    /// The beginning, which has the transport header.
    First,
    /// A part without transport header.
    Later,
}

/// What was read of the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Nothing: it is not there, or not all of it.
    Missing,
    /// TCP, with its flags.
    Tcp(TcpFlags),
    /// UDP; whether it carries a checksum.
    Udp {
        /// The checksum field is not zero.
        summed: bool,
    },
    /// ICMP of either version.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
    },
    /// A protocol that is not looked into.
    Other,
}

/// The flags of a TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// Returns whether FIN is set.
    pub const fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// Returns whether SYN is set.
    pub const fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// Returns whether RST is set.
    pub const fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Returns whether ACK is set.
    pub const fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// What is known about one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The source address.
    pub source: IpAddr,
    /// The destination address, of the same family.
    pub dest: IpAddr,
    /// Where the transport header begins, in bytes after the network header's beginning.
    pub transport_offset: u16,
    /// The length of the whole packet by its network header, in bytes.
    pub length: u32,
    /// What part of a datagram it is.
    pub fragment: Fragment,
    /// How many times it may still be forwarded (IPv6: hop limit).
    pub ttl: u8,
    /// It must not be fragmented; always so for IPv6.
    pub dont_fragment: bool,
    /// Source and destination port, if the transport protocol has any and they are there.
    pub ports: Option<(Port, Port)>,
    /// What was read of the transport header.
    pub transport: Transport,
}

/// The shortest IPv4 header, in bytes.
const IPV4: u16 = 20;
/// The IPv6 header, in bytes.
const IPV6: u16 = 40;

impl Packet {
    /// Returns the version of its network header.
    #[inline]
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// Returns the flow that the packet belongs to, if its ports are known.
    #[inline]
    pub fn flow(&self) -> Option<Flow> {
        let (source, dest) = self.ports?;
        Some(Flow {
            protocol: self.protocol,
            source: Endpoint {
                addr: self.source,
                port: source,
            },
            dest: Endpoint {
                addr: self.dest,
                port: dest,
            },
        })
    }

    /// Tells whether the length field is zero.
    ///
    /// So it is in a packet that stands for many on the wire and is longer than the field can say.
    fn has_no_length(&self) -> bool {
        match self.family() {
            Family::V4 => self.length == 0,
            Family::V6 => self.length == u32::from(IPV6),
        }
    }

    /// Returns the length of the transport header and all that follows it, in bytes.
    pub fn transport_length(&self) -> u32 {
        self.length.saturating_sub(u32::from(self.transport_offset))
    }
}

/// Reads a packet as [`parse`] does, if it is what most packets are: TCP or UDP over IPv4 without
/// options, whole, with all of its headers in `head`.
///
/// `None` says nothing about a packet, but that [`parse`] must be asked.
#[inline]
pub fn parse_plain(head: &[u8], length: u32) -> Option<Packet> {
    let (header, rest) = head.split_first_chunk::<{ IPV4 as usize }>()?;
    let [first, _, l0, l1, _, _, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
        *header;
    let told = u32::from(u16::from_be_bytes([l0, l1]));
    let flags = u16::from_be_bytes([f0, f1]);
    // Version 4 and a header of five words; neither more fragments nor an offset.
    if first != 0x45 || flags & 0x3fff != 0 || told < u32::from(IPV4) || told > length {
        return None;
    }
    let protocol = Protocol(protocol);
    let [a, b, c, d, _, _, high, low] = rest.first_chunk::<8>()?;
    let transport = match protocol {
        Protocol::UDP => Transport::Udp {
            summed: [*high, *low] != [0, 0],
        },
        Protocol::TCP => {
            let [.., flags, _, _, _, _, _, _] = rest.first_chunk::<20>()?;
            Transport::Tcp(TcpFlags(*flags))
        }
        _ => return None,
    };
    Some(Packet {
        protocol,
        source: ipv4([s0, s1, s2, s3]),
        dest: ipv4([d0, d1, d2, d3]),
        transport_offset: IPV4,
        length: told,
        fragment: Fragment::Whole,
        ttl,
        dont_fragment: flags & 0x4000 != 0,
        ports: Some((Port::from_bytes([*a, *b]), Port::from_bytes([*c, *d]))),
        transport,
    })
}

/// Reads a packet of `length` bytes of which `head` are the first.
///
/// # Errors
///
/// When the network header cannot be trusted: see [`Error`]. A transport header that is not there
/// is no error but [`Transport::Missing`].
pub fn parse(head: &[u8], length: u32) -> Result<Packet, Error> {
    let packet = parse_quoted(head)?;
    let told = match packet.has_no_length() && length > u32::from(u16::MAX) {
        true => length,
        false => packet.length,
    };
    if told < u32::from(packet.transport_offset) || told > length {
        return Err(Error::Length);
    }
    Ok(Packet {
        length: told,
        ..packet
    })
}

/// Reads a packet that an ICMP error quotes: the bytes may end before the packet does, and its
/// length is whatever it says, as some hosts quote it changed.
///
/// # Errors
///
/// As [`parse`], but for the total length.
pub fn parse_quoted(head: &[u8]) -> Result<Packet, Error> {
    let packet = match head.first().ok_or(Error::Truncated)? >> 4 {
        4 => parse_v4(head)?,
        6 => parse_v6(head)?,
        _ => return Err(Error::Version),
    };
    let offset = usize::from(packet.transport_offset);
    match packet.fragment {
        Fragment::Later => Ok(packet),
        Fragment::Whole | Fragment::First => {
            Ok(with_transport(packet, head.get(offset..).unwrap_or(&[])))
        }
    }
}

fn parse_v4(head: &[u8]) -> Result<Packet, Error> {
    let header: &[u8; IPV4 as usize] = head.first_chunk().ok_or(Error::Truncated)?;
    let [first, _, l0, l1, _, _, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
        *header;
    let transport_offset = u16::from(first & 0xf) << 2;
    if transport_offset < IPV4 {
        return Err(Error::Length);
    }
    if head.len() < usize::from(transport_offset) {
        return Err(Error::Truncated);
    }
    let flags = u16::from_be_bytes([f0, f1]);
    let fragment = match (flags & 0x1fff, flags & 0x2000) {
        (0, 0) => Fragment::Whole,
        (0, _) => Fragment::First,
        _ => Fragment::Later,
    };
    Ok(Packet {
        protocol: Protocol(protocol),
        source: ipv4([s0, s1, s2, s3]),
        dest: ipv4([d0, d1, d2, d3]),
        transport_offset,
        length: u32::from(u16::from_be_bytes([l0, l1])),
        fragment,
        ttl,
        dont_fragment: flags & 0x4000 != 0,
        ports: None,
        transport: Transport::Missing,
    })
}

fn parse_v6(head: &[u8]) -> Result<Packet, Error> {
    let (header, rest) = head
        .split_first_chunk::<{ IPV6 as usize }>()
        .ok_or(Error::Truncated)?;
    let [_, _, _, _, l0, l1, next, hops, addrs @ ..] = header;
    let source = Family::V6.read(addrs).ok_or(Error::Truncated)?;
    let dest = addrs
        .get(16..)
        .and_then(|bytes| Family::V6.read(bytes))
        .ok_or(Error::Truncated)?;
    let mut packet = Packet {
        protocol: Protocol(*next),
        source,
        dest,
        transport_offset: IPV6,
        length: u32::from(IPV6).saturating_add(u32::from(u16::from_be_bytes([*l0, *l1]))),
        fragment: Fragment::Whole,
        ttl: *hops,
        dont_fragment: true,
        ports: None,
        transport: Transport::Missing,
    };
    skip_extensions(&mut packet, rest)?;
    Ok(packet)
}

/// Moves on to the transport header, over the extension headers of RFC 8200.
///
/// Of a later fragment the transport offset stays at the fragment header.
fn skip_extensions(packet: &mut Packet, bytes: &[u8]) -> Result<(), Error> {
    let mut rest = bytes;
    loop {
        let length = match packet.protocol.0 {
            // Hop-by-hop, routing, destination options: eight bytes and eight for each unit.
            0 | 43 | 60 => {
                8_u16.saturating_add(u16::from(*rest.get(1).ok_or(Error::Truncated)?) << 3)
            }
            44 => {
                let [next, _, high, low] = *rest.first_chunk().ok_or(Error::Truncated)?;
                let place = u16::from_be_bytes([high, low]);
                packet.fragment = match (place & 0xfff8, place & 1) {
                    (0, 0) => Fragment::Whole,
                    (0, _) => Fragment::First,
                    _ => Fragment::Later,
                };
                if packet.fragment == Fragment::Later {
                    packet.protocol = Protocol(next);
                    return Ok(());
                }
                8
            }
            _ => return Ok(()),
        };
        packet.protocol = Protocol(*rest.first().ok_or(Error::Truncated)?);
        packet.transport_offset = packet.transport_offset.saturating_add(length);
        rest = rest.get(usize::from(length)..).ok_or(Error::Truncated)?;
    }
}

/// Adds what the transport header says, as far as it is there.
fn with_transport(packet: Packet, bytes: &[u8]) -> Packet {
    let ports = match packet.protocol {
        Protocol::TCP | Protocol::UDP | Protocol::SCTP => bytes
            .first_chunk()
            .map(|[a, b, c, d]| (Port::from_bytes([*a, *b]), Port::from_bytes([*c, *d]))),
        _ => None,
    };
    let transport = match packet.protocol {
        Protocol::TCP => bytes
            .first_chunk::<20>()
            .map_or(Transport::Missing, |[.., flags, _, _, _, _, _, _]| {
                Transport::Tcp(TcpFlags(*flags))
            }),
        Protocol::UDP => bytes
            .first_chunk::<8>()
            .map_or(Transport::Missing, |[.., high, low]| Transport::Udp {
                summed: [*high, *low] != [0, 0],
            }),
        Protocol::ICMP | Protocol(58) => {
            bytes
                .first_chunk::<8>()
                .map_or(Transport::Missing, |[kind, code, ..]| Transport::Icmp {
                    kind: *kind,
                    code: *code,
                })
        }
        _ => Transport::Other,
    };
    Packet {
        ports,
        transport,
        ..packet
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    const UDP: [u8; 28] = [
        0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 2, 192, 0, 2, 1, // IPv4
        0x9c, 0x40, 0, 53, 0, 8, 0, 0, // UDP 40000 -> 53 without checksum
    ];

    #[test]
    fn reads_a_udp_packet() {
        let Ok(packet) = parse(&UDP, 28) else {
            return assert!(false);
        };
        assert_eq!(packet.dest, ipv4([192, 0, 2, 1]));
        assert_eq!(
            packet.ports,
            Some((Port::from_host(40000), Port::from_host(53)))
        );
        assert_eq!(packet.transport, Transport::Udp { summed: false });
        assert_eq!((packet.ttl, packet.dont_fragment), (64, true));
        assert_eq!(packet.transport_length(), 8);
    }

    /// Every header of one byte changed, and every shorter head.
    #[test]
    fn plain_packets_are_read_alike() {
        let mut tcp = [0; 40];
        tcp[..28].copy_from_slice(&UDP);
        [tcp[3], tcp[9], tcp[33]] = [40, 6, 0x12];
        let (mut plain, mut wrong) = (0, 0);
        for original in [&UDP[..], &tcp[..]] {
            for place in 0..original.len() {
                for byte in 0..=u8::MAX {
                    let mut bytes = [0; 40];
                    bytes[..original.len()].copy_from_slice(original);
                    bytes[place] = byte;
                    for head in [original.len(), place] {
                        let Some(read) = parse_plain(&bytes[..head], 40) else {
                            continue;
                        };
                        plain += 1;
                        wrong += i32::from(Ok(read) != parse(&bytes[..head], 40));
                    }
                }
            }
        }
        assert_eq!(wrong, 0);
        assert!(plain > 256 * 40);
        assert!(parse_plain(&UDP, 28).is_some() && parse_plain(&UDP, 27).is_none());
    }

    #[test]
    fn every_shorter_head_is_noticed() {
        for len in 0..20 {
            assert_eq!(parse(&UDP[..len], 28), Err(Error::Truncated));
        }
        for len in 20..24 {
            assert_eq!(
                parse(&UDP[..len], 28).map(|p| (p.ports, p.transport)),
                Ok((None, Transport::Missing))
            );
        }
        for len in 24..28 {
            let read = parse(&UDP[..len], 28).map(|p| (p.ports.is_some(), p.transport));
            assert_eq!(read, Ok((true, Transport::Missing)));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        assert_eq!(parse(&UDP, 27), Err(Error::Length));
        assert_eq!(parse(&with(0, 0x44), 28), Err(Error::Length));
        assert_eq!(parse(&with(0, 0x48), 28), Err(Error::Truncated));
        assert_eq!(parse(&with(3, 19), 28), Err(Error::Length));
        assert_eq!(parse(&with(0, 0x55), 28), Err(Error::Version));
        assert_eq!(parse(&with(3, 20), 28).map(|p| p.transport_length()), Ok(0));
    }

    #[test]
    fn quoted_packet_may_tell_any_length() {
        for length in [0, 19, 28, 200] {
            let read = parse_quoted(&with(3, length)).map(|p| p.length);
            assert_eq!(read, Ok(u32::from(length)));
        }
    }

    #[test]
    fn packet_too_long_for_its_header_is_as_long_as_it_is() {
        let mut bytes = UDP;
        bytes[3] = 0;
        assert_eq!(parse(&bytes, 65535), Err(Error::Length));
        assert_eq!(parse(&bytes, 65536).map(|p| p.length), Ok(65536));
        let mut bytes = [0; 60];
        [bytes[0], bytes[6]] = [0x60, 6];
        assert_eq!(parse(&bytes, 65535).map(|p| p.length), Ok(40));
        assert_eq!(parse(&bytes, 65536).map(|p| p.length), Ok(65536));
    }

    #[test]
    fn only_the_first_fragment_has_ports() {
        let first = parse(&with(6, 0x20), 28).map(|p| (p.fragment, p.ports.is_some()));
        assert_eq!(first, Ok((Fragment::First, true)));
        let later = parse(&with(7, 1), 28).map(|p| (p.fragment, p.ports.is_some(), p.transport));
        assert_eq!(later, Ok((Fragment::Later, false, Transport::Missing)));
    }

    #[test]
    fn reads_tcp_flags_behind_options() {
        let mut bytes = [0; 44];
        bytes[..9].copy_from_slice(&[0x46, 0, 0, 44, 0, 0, 0, 0, 1]);
        bytes[9] = 6;
        bytes[24 + 13] = 0x12;
        let Ok(packet) = parse(&bytes, 44) else {
            return assert!(false);
        };
        assert_eq!(packet.transport_offset, 24);
        let Transport::Tcp(flags) = packet.transport else {
            return assert!(false);
        };
        assert!(flags.syn() && flags.ack() && !flags.fin() && !flags.rst());
    }

    #[test]
    fn skips_ipv6_extension_headers() {
        let mut bytes = [0; 40 + 16 + 8 + 8];
        bytes[0] = 0x60;
        bytes[5] = 32;
        bytes[6] = 0;
        bytes[40] = 44;
        bytes[41] = 1;
        bytes[56] = 17;
        bytes[59] = 1;
        let read = parse(&bytes, 72).map(|p| (p.protocol, p.transport_offset, p.fragment));
        assert_eq!(read, Ok((Protocol::UDP, 64, Fragment::First)));
        bytes[59] = 9;
        let read = parse(&bytes, 72).map(|p| (p.protocol, p.transport_offset, p.fragment));
        assert_eq!(read, Ok((Protocol::UDP, 56, Fragment::Later)));
        for len in 0..64 {
            assert!(parse(&bytes[..len.min(59)], 72).is_err());
        }
    }

    fn with(place: usize, byte: u8) -> [u8; 28] {
        let mut bytes = UDP;
        bytes[place] = byte;
        bytes
    }
}
