// SPDX-License-Identifier: GPL-2.0
//! The headers of a packet: what they say, with every length checked, and edits to them.
//!
//! Each header has a file that reads and edits it. What was read is a value of its own: it borrows
//! nothing, so it stays true until the headers are written, wherever the buffer moves.

use crate::addr::{Addr, Endpoint, Family, Port, Protocol};
use crate::flow::Flow;
use crate::proto::{self, Role, Transport};
use checksum::{Change, Field, Sum, Update};
pub use sctp::{Seal, Sealing};

pub mod checksum;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod outer;
pub mod sctp;
pub mod tcp;
pub mod udp;

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes end inside the network header.
    Truncated,
    /// Neither version 4 nor 6.
    Version,
    /// A header length or total length that cannot be.
    Length,
    /// More extension headers than are looked at.
    Headers,
}

/// What part of a datagram a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// All of it.
    Whole,
    /// The beginning, which has the transport header; of IPv6 it may be the only one.
    First,
    /// A part without transport header.
    Later,
}

/// What was read of the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Nothing: it is not there, or not all of it.
    Missing,
    /// TCP, with its flags.
    Tcp(tcp::Flags),
    /// UDP; whether it carries a checksum.
    Udp {
        /// The checksum field is not zero.
        summed: bool,
    },
    /// SCTP, with what its chunks say.
    Sctp(sctp::Chunks),
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

impl Header {
    /// Returns whether all is there that makes up the state of a connection and begins a new one.
    #[inline]
    pub const fn is_complete(self) -> bool {
        match self {
            Header::Tcp(_) | Header::Udp { .. } | Header::Icmp { .. } | Header::Other => true,
            Header::Sctp(chunks) => chunks.are_there(),
            Header::Missing => false,
        }
    }
}

/// Which end of a packet is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The source address and port.
    Source,
    /// The destination address and port.
    Dest,
}

impl Side {
    /// Returns the other end.
    pub const fn other(self) -> Side {
        match self {
            Side::Source => Side::Dest,
            Side::Dest => Side::Source,
        }
    }
}

/// What is known about one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The source address.
    pub source: Addr,
    /// The destination address, of the same family.
    pub dest: Addr,
    /// Where the transport header begins, in bytes after the network header's beginning.
    pub transport_offset: u16,
    /// The length of the whole packet by its network header, in bytes.
    pub length: u32,
    /// What part of a datagram it is.
    pub fragment: Fragment,
    /// How many times it may still be forwarded: IPv4's TTL, IPv6's hop limit.
    pub hop_limit: u8,
    /// It must not be fragmented; always so for IPv6.
    pub dont_fragment: bool,
    /// Source and destination port, if the transport protocol has any and they are there.
    pub ports: Option<(Port, Port)>,
    /// What was read of the transport header.
    pub header: Header,
}

impl Packet {
    /// Returns the version of its network header.
    #[inline]
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// Returns the flow that the packet belongs to, if its protocol has flows and its ports are
    /// known.
    #[inline]
    pub fn flow(&self) -> Option<Flow> {
        let (source, dest) = self.ports?;
        Some(Flow {
            transport: Transport::of(self.protocol)?,
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

    /// Returns the flow of the connection that the packet may belong to: its own, or that which packets
    /// of its protocol follow.
    pub fn conn_flow(&self) -> Option<Flow> {
        match Role::of(self.family(), self.protocol) {
            Role::Transport(_) => self.flow(),
            Role::Follower => Some(proto::leader(self.source, self.dest)),
            Role::Icmp | Role::Other => None,
        }
    }

    /// Returns the length of the transport header and all that follows it, in bytes.
    pub fn transport_length(&self) -> u32 {
        self.length.saturating_sub(u32::from(self.transport_offset))
    }

    /// Returns one end.
    #[inline]
    pub const fn addr(&self, side: Side) -> Addr {
        match side {
            Side::Source => self.source,
            Side::Dest => self.dest,
        }
    }

    /// Returns the port of one end.
    #[inline]
    pub fn port(&self, side: Side) -> Option<Port> {
        let (source, dest) = self.ports?;
        match side {
            Side::Source => Some(source),
            Side::Dest => Some(dest),
        }
    }

    /// Returns where the transport header ends that [`Packet::update_checksum`] needs, in bytes
    /// after the network header's beginning; `None` if the header is not there. Of one that is not
    /// looked into nothing is needed.
    #[inline(always)]
    pub fn headers_end(&self) -> Option<usize> {
        let header = match self.header {
            Header::Tcp(_) => tcp::HEADER,
            Header::Udp { .. } => udp::HEADER,
            Header::Sctp(_) => sctp::HEADER,
            Header::Icmp { .. } => icmp::HEADER,
            Header::Other => 0,
            Header::Missing => return None,
        };
        usize::from(self.transport_offset).checked_add(header)
    }

    /// Puts an address into `network`, all of the packet's network header, whose own checksum, if it
    /// has one, is made good.
    ///
    /// `None` if the header is too short or the address of the other family.
    #[inline(always)]
    pub fn put_addr(&self, network: &mut [u8], side: Side, addr: Addr) -> Option<()> {
        match self.family() {
            Family::V4 => ipv4::put_addr(network, side, addr.v4()?),
            Family::V6 => ipv6::put_addr(network, side, addr.v6()?),
        }
    }

    /// Takes one from the TTL or hop limit in `network`, the beginning of the packet's network
    /// header.
    ///
    /// `None` if the header is too short or the limit is used up; nothing changed then.
    #[inline(always)]
    pub fn decrement_hop_limit(&self, network: &mut [u8]) -> Option<()> {
        match self.family() {
            Family::V4 => ipv4::decrement_ttl(network),
            Family::V6 => ipv6::decrement_hop_limit(network),
        }
    }

    /// Makes up in the checksum of `transport`, the packet's transport header, for a change of
    /// addresses and ports.
    ///
    /// `None` if the header is too short or has no such checksum.
    #[inline(always)]
    pub fn update_checksum(
        &self,
        transport: &mut [u8],
        field: Field,
        change: Change,
    ) -> Option<Update> {
        match self.header {
            Header::Tcp(_) => tcp::update_checksum(transport, field, change),
            Header::Udp { summed } => udp::update_checksum(transport, field, change, summed),
            Header::Sctp(_) => Some(Update::Sealed),
            Header::Icmp { .. } | Header::Missing | Header::Other => None,
        }
    }

    /// Stores the transport checksum for `sum`: that of the transport header, with zero in the
    /// field, all that follows it, and what else the protocol adds.
    ///
    /// `bytes` begin with the network header. `None` if they are too few or the protocol has no such
    /// checksum.
    pub fn store_checksum(&self, bytes: &mut [u8], sum: Sum) -> Option<()> {
        let transport = bytes.get_mut(usize::from(self.transport_offset)..)?;
        match self.header {
            Header::Udp { .. } => udp::store_checksum(transport, sum),
            Header::Icmp { .. } => icmp::store_checksum(transport, sum),
            Header::Tcp(_) | Header::Sctp(_) | Header::Missing | Header::Other => None,
        }
    }

    /// Stores the sum of what the checksum of an ICMP message covers besides it, for the hardware to
    /// complete.
    ///
    /// `bytes` begin with the network header. `None` if they are too few or of another protocol.
    pub fn store_checksum_start(&self, bytes: &mut [u8], start: Sum) -> Option<()> {
        let transport = bytes.get_mut(usize::from(self.transport_offset)..)?;
        match self.header {
            Header::Icmp { .. } => icmp::store_start(transport, start),
            Header::Tcp(_)
            | Header::Udp { .. }
            | Header::Sctp(_)
            | Header::Missing
            | Header::Other => None,
        }
    }

    /// Stores the checksum of a protocol whose checksum is a CRC32c: `crc` is that of the transport
    /// header, with zero in the field, and all that follows it.
    ///
    /// `bytes` begin with the network header. `None` if they are too few or the protocol is another
    /// one.
    pub fn store_crc(&self, bytes: &mut [u8], crc: u32) -> Option<()> {
        let transport = bytes.get_mut(usize::from(self.transport_offset)..)?;
        match self.header {
            Header::Sctp(_) => sctp::store_checksum(transport, crc),
            Header::Tcp(_)
            | Header::Udp { .. }
            | Header::Icmp { .. }
            | Header::Missing
            | Header::Other => None,
        }
    }

    /// Returns the packet with what the transport header says, as far as it is there; one without such a
    /// header stays as it is.
    pub fn with_transport(self, transport: &[u8]) -> Packet {
        match self.fragment {
            Fragment::Later => self,
            Fragment::Whole | Fragment::First => with_transport(self, transport),
        }
    }

    /// Returns where four bytes are that have a say as well and were not among those read, in bytes
    /// after the network header's beginning.
    pub fn unread(&self) -> Option<u32> {
        match self.header {
            Header::Sctp(chunks) => {
                Some(u32::from(self.transport_offset).saturating_add(chunks.unread()?.into()))
            }
            Header::Tcp(_)
            | Header::Udp { .. }
            | Header::Icmp { .. }
            | Header::Missing
            | Header::Other => None,
        }
    }

    /// Returns the packet with the four bytes read that [`Packet::unread`] told of.
    pub fn with_unread(self, bytes: [u8; 4]) -> Packet {
        let header = match self.header {
            Header::Sctp(chunks) => Header::Sctp(chunks.with_unread(&bytes)),
            other @ (Header::Tcp(_)
            | Header::Udp { .. }
            | Header::Icmp { .. }
            | Header::Missing
            | Header::Other) => other,
        };
        Packet { header, ..self }
    }
}

/// Puts a port into a transport header that has ports; its checksum is left as it was. `None` if it
/// is too short.
#[inline]
pub fn put_port(transport: &mut [u8], side: Side, port: Port) -> Option<()> {
    let [s0, s1, d0, d1] = transport.first_chunk_mut::<4>()?;
    match side {
        Side::Source => [*s0, *s1] = port.bytes(),
        Side::Dest => [*d0, *d1] = port.bytes(),
    }
    Some(())
}

/// Reads the ports of a transport header that has them.
#[inline]
pub(crate) fn read_ports(transport: &[u8]) -> Option<(Port, Port)> {
    let [a, b, c, d] = *transport.first_chunk()?;
    Some((Port::from_bytes([a, b]), Port::from_bytes([c, d])))
}

/// Reads a packet as [`parse`] does, if it is what most packets are: IPv4 without options, whole, of
/// TCP or UDP, with all of its headers in `head`.
///
/// `None` says nothing about a packet, but that [`parse`] must be asked.
#[inline]
pub fn parse_plain(head: &[u8], length: u32) -> Option<Packet> {
    let (packet, rest) = ipv4::read_plain(head, length)?;
    let header = match Transport::of(packet.protocol)? {
        Transport::Tcp => tcp::read(rest),
        Transport::Udp => udp::read(rest),
        Transport::Sctp => return None,
    };
    let ports = read_ports(rest)?;
    (header != Header::Missing).then_some(Packet {
        ports: Some(ports),
        header,
        ..packet
    })
}

/// Reads a packet as [`parse`] does, if it is whole, has no options or extension headers, and all that is
/// read of it is in `head`.
///
/// `None` says nothing about a packet, as with [`parse_plain`].
#[inline]
pub fn parse_simple(head: &[u8], length: u32) -> Option<Packet> {
    let (packet, rest) = match head.first()? >> 4 {
        4 => ipv4::read_plain(head, length)?,
        6 => ipv6::read_plain(head, length)?,
        _ => return None,
    };
    let packet = with_transport(packet, rest);
    (packet.header.is_complete() && packet.unread().is_none()).then_some(packet)
}

/// Reads a packet of `length` bytes of which `head` are the first.
///
/// # Errors
///
/// When the network header cannot be trusted: see [`Malformed`]. A transport header that is not there
/// is no error but [`Header::Missing`].
pub fn parse(head: &[u8], length: u32) -> Result<Packet, Malformed> {
    let packet = parse_quoted(head)?;
    let declared = match has_no_length(&packet) && length > u32::from(u16::MAX) {
        true => length,
        false => packet.length,
    };
    if declared < u32::from(packet.transport_offset) || declared > length {
        return Err(Malformed::Length);
    }
    Ok(Packet {
        length: declared,
        ..packet
    })
}

/// Returns whether the length field is zero.
///
/// So it is in a packet that is many on the wire and is longer than the field can say.
fn has_no_length(packet: &Packet) -> bool {
    match packet.family() {
        Family::V4 => packet.length == 0,
        Family::V6 => packet.length == u32::from(ipv6::HEADER),
    }
}

/// Reads a packet that an ICMP error quotes: the bytes may end before the packet does, and its
/// length is whatever it says, as some hosts quote it changed.
///
/// # Errors
///
/// As [`parse`], but for the total length.
pub fn parse_quoted(head: &[u8]) -> Result<Packet, Malformed> {
    let packet = match head.first().ok_or(Malformed::Truncated)? >> 4 {
        4 => ipv4::read(head)?,
        6 => ipv6::read(head)?,
        _ => return Err(Malformed::Version),
    };
    let transport = head.get(usize::from(packet.transport_offset)..);
    Ok(packet.with_transport(transport.unwrap_or(&[])))
}

/// Adds what the transport header says, as far as it is there.
#[inline]
fn with_transport(packet: Packet, bytes: &[u8]) -> Packet {
    let (ports, header) = match packet.protocol {
        Protocol::TCP => (read_ports(bytes), tcp::read(bytes)),
        Protocol::UDP => (read_ports(bytes), udp::read(bytes)),
        Protocol::SCTP => (read_ports(bytes), sctp::read(bytes)),
        Protocol::ICMP if packet.family() == Family::V4 => (None, icmp::read(bytes)),
        Protocol::ICMPV6 if packet.family() == Family::V6 => (None, icmp::read(bytes)),
        Protocol(_) => (None, Header::Other),
    };
    Packet {
        ports,
        header,
        ..packet
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::ipv4;

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
        assert_eq!(packet.header, Header::Udp { summed: false });
        assert_eq!((packet.hop_limit, packet.dont_fragment), (64, true));
        assert_eq!(packet.transport_length(), 8);
    }

    /// Every header of one byte changed, and every shorter head.
    #[test]
    fn plain_packets_are_read_alike() {
        let mut tcp = [0; 40];
        tcp[..28].copy_from_slice(&UDP);
        [tcp[3], tcp[9], tcp[33]] = [40, 6, 0x12];
        let mut sctp = tcp;
        [sctp[9], sctp[32], sctp[35]] = [132, 1, 8];
        let mut v6 = [0; 60];
        [v6[0], v6[5], v6[6], v6[7]] = [0x60, 20, 6, 64];
        let originals = [&UDP[..], &tcp[..], &sctp[..], &v6[..]];
        for (parse_fast, served) in [(parse_plain as Fast, 2), (parse_simple, 4)] {
            let counts = originals.map(|original| read_alike(original, parse_fast));
            assert_eq!(counts.map(|(_, wrong)| wrong), [0; 4]);
            for (original, (read, _)) in originals[..served].iter().zip(counts) {
                assert!(read > 256 * original.len() / 2);
            }
            assert!(parse_fast(&UDP, 28).is_some() && parse_fast(&UDP, 27).is_none());
        }
    }

    type Fast = fn(&[u8], u32) -> Option<Packet>;

    /// Returns how many variants of a packet were read, and how many otherwise than [`parse`] does.
    fn read_alike(original: &[u8], parse_fast: Fast) -> (usize, usize) {
        let (mut read, mut wrong) = (0, 0);
        for place in 0..original.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = [0; 60];
                bytes[..original.len()].copy_from_slice(original);
                bytes[place] = byte;
                for head in [original.len(), place] {
                    if let Some(packet) = parse_fast(&bytes[..head], 60) {
                        read += 1;
                        wrong += usize::from(Ok(packet) != parse(&bytes[..head], 60));
                    }
                }
            }
        }
        (read, wrong)
    }

    #[test]
    fn every_shorter_head_is_noticed() {
        for len in 0..20 {
            assert_eq!(parse(&UDP[..len], 28), Err(Malformed::Truncated));
        }
        for len in 20..24 {
            assert_eq!(
                parse(&UDP[..len], 28).map(|p| (p.ports, p.header)),
                Ok((None, Header::Missing))
            );
        }
        for len in 24..28 {
            let read = parse(&UDP[..len], 28).map(|p| (p.ports.is_some(), p.header));
            assert_eq!(read, Ok((true, Header::Missing)));
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        assert_eq!(parse(&UDP, 27), Err(Malformed::Length));
        assert_eq!(parse(&with(0, 0x44), 28), Err(Malformed::Length));
        assert_eq!(parse(&with(0, 0x48), 28), Err(Malformed::Truncated));
        assert_eq!(parse(&with(3, 19), 28), Err(Malformed::Length));
        assert_eq!(parse(&with(0, 0x55), 28), Err(Malformed::Version));
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
        assert_eq!(parse(&bytes, 65535), Err(Malformed::Length));
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
        let later = parse(&with(7, 1), 28).map(|p| (p.fragment, p.ports.is_some(), p.header));
        assert_eq!(later, Ok((Fragment::Later, false, Header::Missing)));
    }

    #[test]
    fn esp_follows_the_exchange_of_keys() {
        let Ok(esp) = parse(&with(9, 50), 28) else {
            return assert!(false);
        };
        assert_eq!(
            (esp.ports, esp.header, esp.flow()),
            (None, Header::Other, None)
        );
        let Some(flow) = esp.conn_flow() else {
            return assert!(false);
        };
        let port = Port::from_host(500);
        assert_eq!((flow.source.port, flow.dest.port), (port, port));
        assert_eq!((flow.source.addr, flow.dest.addr), (esp.source, esp.dest));
        assert_eq!(flow.transport, Transport::Udp);
        assert!(parse(&with(9, 51), 28).is_ok_and(|ah| ah.conn_flow() == Some(flow)));
        let udp = parse(&UDP, 28);
        assert!(udp.is_ok_and(|udp| udp.conn_flow() == udp.flow() && udp.flow().is_some()));
        assert!(parse(&with(9, 47), 28).is_ok_and(|gre| gre.conn_flow().is_none()));
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
        let Header::Tcp(flags) = packet.header else {
            return assert!(false);
        };
        assert_eq!(flags.0, 0x12);
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
