// SPDX-License-Identifier: GPL-2.0
//! ICMP errors and the packets that they quote (RFC 792, RFC 4443).
//!
//! An error quotes the packet it is about. What a router or a real server quotes went through the
//! director, so addresses in it must be put back before the other side understands it.

use super::checksum::{pseudo_header, Sum};
use super::{parse_quoted, put_port, Fragment, Header, Malformed, Packet, Side};
use crate::addr::{Addr, Endpoint, Family};
use crate::flow::Flow;
use crate::proto::Transport;

/// The header before what is quoted, in bytes.
pub const HEADER: usize = 8;
/// [`HEADER`] as the type of an offset.
const OFFSET: u16 = 8;
/// Where the checksum is in the header, in bytes.
pub const CHECKSUM: u16 = 2;

/// The packet that an ICMP error quotes, which belongs to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Where it begins, in bytes after the beginning of the outer network header.
    pub offset: u16,
    /// What its headers say. Its own offsets count from [`Quoted::offset`].
    pub packet: Packet,
    /// The flow that it belongs to.
    pub flow: Flow,
}

impl Quoted {
    /// Returns how many bytes from the outer network header on a rewrite may touch.
    pub fn headers_end(&self) -> usize {
        // Of the transport header the ports only, if it has any: four bytes.
        let ports = self.packet.ports.map_or(0, |_| 4);
        usize::from(self.offset)
            .saturating_add(usize::from(self.packet.transport_offset))
            .saturating_add(ports)
    }
}

/// Reads a header.
#[inline]
pub(super) fn read(transport: &[u8]) -> Header {
    match transport.first_chunk::<HEADER>() {
        Some([kind, code, ..]) => Header::Icmp {
            kind: *kind,
            code: *code,
        },
        None => Header::Missing,
    }
}

/// Returns whether an ICMP message is an error about another packet (RFC 792, RFC 4443 2.1).
pub const fn is_error(family: Family, kind: u8) -> bool {
    match family {
        // Destination unreachable, source quench, time exceeded.
        Family::V4 => matches!(kind, 3 | 4 | 11),
        // All others are for information.
        Family::V6 => kind < 128,
    }
}

/// Returns whether a packet is an ICMP error, whose connection is that of the quoted packet.
#[inline]
pub const fn is_error_packet(packet: &Packet) -> bool {
    match packet.header {
        Header::Icmp { kind, .. } => is_error(packet.family(), kind),
        Header::Tcp(_) | Header::Udp { .. } | Header::Sctp(_) | Header::Missing | Header::Other => {
            false
        }
    }
}

/// Returns the packet that the ICMP error `outer` quotes, if it can belong to a connection.
///
/// `head` are the first bytes of the error. Of the quoted packet the ports must be there, and it must
/// be the first part of its datagram, unless its protocol has no ports.
pub fn quoted(head: &[u8], outer: &Packet) -> Option<Quoted> {
    let offset = outer.transport_offset.checked_add(OFFSET)?;
    let packet = parse_quoted(head.get(usize::from(offset)..)?).ok()?;
    let flow = packet.conn_flow()?;
    let has_ports = Transport::of(packet.protocol).is_some();
    let lacks_ports = has_ports && packet.fragment == Fragment::Later;
    (packet.family() == outer.family() && !lacks_ports).then_some(Quoted {
        offset,
        packet,
        flow,
    })
}

/// Returns whether `head`, the first bytes of the ICMP error `outer`, ends before the headers of the
/// quoted packet do: then more bytes may tell more.
pub fn ends_early(head: &[u8], outer: &Packet) -> bool {
    let offset = usize::from(outer.transport_offset).saturating_add(HEADER);
    match head.get(offset..).map(parse_quoted) {
        Some(Ok(packet)) => packet.header == Header::Missing,
        Some(Err(error)) => error == Malformed::Truncated,
        None => true,
    }
}

impl Quoted {
    /// Puts an end into an error, whose header is `outer`, and into the packet that it quotes.
    ///
    /// An error that goes to the client ([`Side::Source`]) gets the address as its source, and the quoted
    /// packet, which went the other way, as its destination; an error to the real server
    /// ([`Side::Dest`]) the other way round. Checksums of IPv4 headers are made good. The ICMP checksum
    /// is set to zero: the caller sums what [`start`] does, the header and what follows it, paged data
    /// included, and stores it with [`Packet::store_checksum`].
    ///
    /// `bytes` must reach as far as [`Quoted::headers_end`]. `None` when they do not, or the address is of
    /// the other family; nothing is of use then.
    pub fn rewrite(
        &self,
        bytes: &mut [u8],
        outer: &Packet,
        side: Side,
        to: Endpoint,
    ) -> Option<()> {
        let (network, rest) = bytes.split_at_mut_checked(usize::from(outer.transport_offset))?;
        outer.put_addr(network, side, to.addr)?;
        let (icmp, rest) = rest.split_at_mut_checked(HEADER)?;
        put_checksum(icmp, [0, 0])?;
        let inner = &self.packet;
        let (network, transport) =
            rest.split_at_mut_checked(usize::from(inner.transport_offset))?;
        inner.put_addr(network, side.other(), to.addr)?;
        match inner.ports {
            Some(_) => put_port(transport, side.other(), to.port),
            None => Some(()),
        }
    }
}

/// Returns the sum of what the checksum covers besides the message: in version 6 the pseudo header
/// (RFC 4443 2.3). `outer` is sent from `source` to `dest`.
pub fn start(outer: &Packet, (source, dest): (Addr, Addr)) -> Sum {
    match outer.family() {
        Family::V4 => Sum::ZERO,
        Family::V6 => pseudo_header(source, dest, outer.protocol, outer.transport_length()),
    }
}

/// Returns whether an ICMP message is as it was sent: `sum` is that of all its bytes, added to what
/// it starts with.
pub const fn is_good(sum: Sum) -> bool {
    sum.fold() == 0xffff
}

/// Stores the checksum for the sum of the header, with zero in the field, and all that follows it.
/// `None` if the header is too short.
pub(super) fn store_checksum(icmp: &mut [u8], sum: Sum) -> Option<()> {
    put_checksum(icmp, sum.checksum())
}

/// Stores the sum of what the checksum covers besides the message, for the hardware to complete. `None`
/// if the header is too short.
pub(super) fn store_start(icmp: &mut [u8], start: Sum) -> Option<()> {
    put_checksum(icmp, start.partial())
}

fn put_checksum(icmp: &mut [u8], field: [u8; 2]) -> Option<()> {
    let [_, _, high, low, ..] = icmp.first_chunk_mut::<4>()?;
    [*high, *low] = field;
    Some(())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet_icmp))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, ipv6, Port};
    use crate::packet;

    /// 198.51.100.1 tells 10.0.0.2 that its UDP packet 10.0.0.2:40000 -> 192.0.2.1:53 found no port.
    const ERROR: [u8; 56] = [
        0x45, 0, 0, 56, 0, 1, 0, 0, 64, 1, 0, 0, 198, 51, 100, 1, 10, 0, 0, 2, // outer
        3, 3, 0, 0, 0, 0, 0, 0, // ICMP
        0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 192, 0, 2, 1, // quoted
        0x9c, 0x40, 0, 53, 0, 8, 0, 0,
    ];

    #[test]
    fn finds_the_quoted_packet() {
        let Some((outer, quoted)) = read(&ERROR) else {
            return assert!(false);
        };
        assert!(is_error_packet(&outer));
        assert_eq!(quoted.offset, 28);
        assert_eq!(quoted.packet.dest, ipv4([192, 0, 2, 1]));
        assert_eq!(
            quoted.packet.ports,
            Some((Port::from_host(40000), Port::from_host(53)))
        );
        assert_eq!(quoted.headers_end(), 52);
    }

    #[test]
    fn what_cannot_belong_to_a_connection_is_no_quoted_packet() {
        assert!(read(&with(28, 0x55)).is_none());
        assert!(read(&with(28, 0x44)).is_none());
        assert!(read(&with(35, 1)).is_none());
        assert!(read(&with(37, 1)).is_none());
        assert!(read(&ERROR[..51]).is_none());
        assert!(read(&ERROR[..52]).is_some());
    }

    /// Its ports are not looked for: in the quoted packet, nor in a later fragment.
    #[test]
    fn what_follows_a_connection_is_quoted_without_ports() {
        for fragment in [0, 5] {
            let mut bytes = with(37, 50);
            bytes[35] = fragment;
            let Some((outer, quoted)) = read(&bytes[..48]) else {
                return assert!(false);
            };
            assert_eq!(quoted.flow.dest.port.host(), 500);
            assert_eq!(quoted.headers_end(), 48);
            let (addr, port) = (ipv4([172, 16, 0, 9]), Port::from_host(8080));
            let to = Endpoint { addr, port };
            let mut rewritten = bytes;
            let done = quoted.rewrite(&mut rewritten[..48], &outer, Side::Source, to);
            assert_eq!(done, Some(()));
            assert_eq!(
                (&rewritten[44..48], &rewritten[48..]),
                (&[172, 16, 0, 9][..], &bytes[48..])
            );
        }
    }

    #[test]
    fn only_three_kinds_are_errors() {
        let is_error = |kind| is_error(Family::V4, kind);
        let errors = (0..=255).filter(|kind| is_error(*kind)).count();
        assert_eq!(errors, 3);
        assert!(is_error(3) && is_error(4) && is_error(11) && !is_error(8));
    }

    #[test]
    fn the_lower_half_of_kinds_of_version_6_are_errors() {
        let errors = (0..=255).filter(|kind| is_error(Family::V6, *kind));
        assert!(errors.eq(0..128));
    }

    #[test]
    fn an_error_of_version_6_is_summed_with_its_pseudo_header() {
        let addr = |last| ipv6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        let mut bytes = [0; 40 + 8 + 40 + 8];
        for (place, next, length) in [(0, 58, 56), (48, 17, 8)] {
            [bytes[place], bytes[place + 5], bytes[place + 6]] = [0x60, length, next];
        }
        bytes[8..24].copy_from_slice(&addr(3).octets());
        bytes[24..40].copy_from_slice(&addr(2).octets());
        [bytes[40], bytes[41]] = [1, 4];
        let Some((outer, quoted)) = read(&bytes) else {
            return assert!(false);
        };
        let (addr, port) = (addr(9), Port::from_host(8080));
        let to = Endpoint { addr, port };
        assert!(quoted
            .rewrite(&mut bytes, &outer, Side::Source, to)
            .is_some());
        let covered = start(&outer, (addr, outer.dest));
        let sum = covered.bytes(&bytes[40..]);
        assert_eq!(outer.store_checksum(&mut bytes, sum), Some(()));
        let message: [&[u8]; 3] = [&bytes[8..40], &[0, 56, 0, 58], &bytes[40..]];
        let sum = message.iter().fold(Sum::ZERO, |sum, part| sum.bytes(part));
        assert!(is_good(sum) && is_good(covered.bytes(&bytes[40..])));
        assert!(!is_good(Sum::ZERO.bytes(&bytes[40..])));
        let told = read(&bytes).map(|(outer, quoted)| (outer.source, quoted.packet.dest));
        assert_eq!(told, Some((addr, addr)));
    }

    #[test]
    fn a_rewritten_error_verifies_and_names_the_other_address() {
        for side in [Side::Source, Side::Dest] {
            let Some((outer, quoted)) = read(&ERROR) else {
                return assert!(false);
            };
            let mut bytes = ERROR;
            let (addr, port) = (ipv4([172, 16, 0, 9]), Port::from_host(8080));
            let to = Endpoint { addr, port };
            assert_eq!(quoted.rewrite(&mut bytes, &outer, side, to), Some(()));
            let sum = Sum::ZERO.bytes(&bytes[20..]);
            assert_eq!(outer.store_checksum(&mut bytes, sum), Some(()));
            assert!(is_good(Sum::ZERO.bytes(&bytes[20..])));
            for part in [&bytes[..20], &bytes[28..48]] {
                assert_eq!(Sum::ZERO.bytes(part).fold(), 0xffff);
            }
            bytes[24] ^= 1;
            assert!(!is_good(Sum::ZERO.bytes(&bytes[20..])));
            bytes[24] ^= 1;
            let Some((outer, quoted)) = read(&bytes) else {
                return assert!(false);
            };
            let ports = quoted.packet.ports;
            let told = match side {
                Side::Source => (outer.source, quoted.packet.dest, ports.map(|ports| ports.1)),
                Side::Dest => (outer.dest, quoted.packet.source, ports.map(|ports| ports.0)),
            };
            assert_eq!(told, (addr, addr, Some(port)));
        }
    }

    #[test]
    fn a_rewrite_of_too_few_bytes_says_so() {
        let Some((outer, quoted)) = read(&ERROR) else {
            return assert!(false);
        };
        for len in 0..quoted.headers_end() {
            let mut bytes = ERROR;
            let done = quoted.rewrite(
                &mut bytes[..len],
                &outer,
                Side::Source,
                Endpoint {
                    addr: Family::V4.unspecified(),
                    port: Port::ANY,
                },
            );
            assert_eq!(done, None);
        }
    }

    fn read(bytes: &[u8]) -> Option<(Packet, Quoted)> {
        let outer = packet::parse(bytes, bytes.len().max(56) as u32).ok()?;
        Some((outer, quoted(bytes, &outer)?))
    }

    fn with(place: usize, byte: u8) -> [u8; 56] {
        let mut bytes = ERROR;
        bytes[place] = byte;
        bytes
    }
}
