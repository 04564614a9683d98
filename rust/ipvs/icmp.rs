// SPDX-License-Identifier: GPL-2.0
//! Finds the packet inside an ICMP error and rewrites it.
//!
//! An error quotes the packet it is about. What a router or a real server quotes went through the
//! director, so addresses in it must be put back before the other side understands it.

use crate::addr::{IpAddr, Port, Protocol};
use crate::checksum::Sum;
use crate::packet::{self, Fragment, Packet, Transport};
use crate::xmit::{self, Side};

/// The bytes of an ICMP header before what it quotes.
pub const HEADER: u16 = 8;

/// The packet that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Where it begins, in bytes after the beginning of the outer network header.
    pub offset: u16,
    /// What its headers say. Its own offsets count from [`Quoted::offset`].
    pub packet: Packet,
}

impl Quoted {
    /// Returns how many bytes from the outer network header on a rewrite may touch.
    pub fn reach(&self) -> usize {
        // Of the transport header the ports only: four bytes.
        usize::from(self.offset)
            .saturating_add(usize::from(self.packet.transport_offset))
            .saturating_add(4)
    }
}

/// Returns whether an ICMP message of version 4 is an error about another packet (RFC 792).
pub const fn is_error(kind: u8) -> bool {
    // Destination unreachable, source quench, time exceeded.
    matches!(kind, 3 | 4 | 11)
}

/// Returns whether a packet is an ICMP error, whose quoted packet decides its fate.
pub const fn is_error_packet(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Icmp { kind, .. } => is_error(kind),
        _ => false,
    }
}

/// Returns the packet that the ICMP error `outer` quotes, if it can belong to a connection.
///
/// `head` are the first bytes of the error. Of the quoted packet the ports must be there; it must
/// be the first part of its datagram, and of a protocol that has connections.
pub fn quoted(head: &[u8], outer: &Packet) -> Option<Quoted> {
    let offset = outer.transport_offset.checked_add(HEADER)?;
    let packet = packet::parse_quoted(head.get(usize::from(offset)..)?).ok()?;
    let fits = packet.family() == outer.family()
        && packet.fragment != Fragment::Later
        && packet.ports.is_some()
        && matches!(
            packet.protocol,
            Protocol::TCP | Protocol::UDP | Protocol::SCTP
        );
    fits.then_some(Quoted { offset, packet })
}

/// Puts an address and a port into an IPv4 error and into what it quotes.
///
/// An error that goes to the client ([`Side::Source`]) gets `addr` as its source, and the quoted
/// packet, which went the other way, as its destination; an error to the real server
/// ([`Side::Dest`]) the other way round. Both IPv4 checksums are made good. The ICMP checksum is
/// set to zero: the caller sums what follows, paged data included, and stores
/// [`Sum::checksum`] with [`store_checksum`].
///
/// `bytes` must reach as far as [`Quoted::reach`]. `None` when they do not; nothing is of use
/// then.
pub fn rewrite(
    bytes: &mut [u8],
    outer: &Packet,
    quoted: &Quoted,
    side: Side,
    addr: IpAddr,
    port: Port,
) -> Option<()> {
    let IpAddr::V4(addr) = addr else {
        return None;
    };
    let (ip, rest) = bytes.split_at_mut_checked(usize::from(outer.transport_offset))?;
    xmit::put_addr(ip, side, addr)?;
    xmit::renew_header_checksum(ip)?;
    let (icmp, rest) = rest.split_at_mut_checked(usize::from(HEADER))?;
    put_checksum(icmp, [0, 0])?;
    let (inner, transport) =
        rest.split_at_mut_checked(usize::from(quoted.packet.transport_offset))?;
    xmit::put_addr(inner, side.other(), addr)?;
    xmit::renew_header_checksum(inner)?;
    xmit::put_port(transport, side.other(), port)
}

/// Returns whether an ICMP message of version 4 is as it was sent: `sum` is that of all its bytes.
pub const fn is_good(sum: Sum) -> bool {
    sum.fold() == 0xffff
}

/// Stores the ICMP checksum for the sum of the header, with zero in the field, and all that
/// follows it.
pub fn store_checksum(bytes: &mut [u8], outer: &Packet, sum: Sum) -> Option<()> {
    put_checksum(
        bytes.get_mut(usize::from(outer.transport_offset)..)?,
        sum.checksum(),
    )
}

fn put_checksum(icmp: &mut [u8], field: [u8; 2]) -> Option<()> {
    let [_, _, high, low, ..] = icmp.first_chunk_mut::<4>()?;
    [*high, *low] = field;
    Some(())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_icmp))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, Family};

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
        assert_eq!(quoted.reach(), 52);
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

    #[test]
    fn only_three_kinds_are_errors() {
        let errors = (0..=255).filter(|kind| is_error(*kind)).count();
        assert_eq!(errors, 3);
        assert!(is_error(3) && is_error(4) && is_error(11) && !is_error(8));
    }

    #[test]
    fn a_rewritten_error_verifies_and_names_the_other_address() {
        for side in [Side::Source, Side::Dest] {
            let Some((outer, quoted)) = read(&ERROR) else {
                return assert!(false);
            };
            let mut bytes = ERROR;
            let (addr, port) = (ipv4([172, 16, 0, 9]), Port::from_host(8080));
            assert_eq!(
                rewrite(&mut bytes, &outer, &quoted, side, addr, port),
                Some(())
            );
            let sum = Sum::ZERO.bytes(&bytes[20..]);
            assert_eq!(store_checksum(&mut bytes, &outer, sum), Some(()));
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
        for len in 0..quoted.reach() {
            let mut bytes = ERROR;
            let done = rewrite(
                &mut bytes[..len],
                &outer,
                &quoted,
                Side::Source,
                Family::V4.unspecified(),
                Port::ANY,
            );
            assert_eq!(done, None);
        }
    }

    fn read(bytes: &[u8]) -> Option<(Packet, Quoted)> {
        let outer = packet::parse(bytes, 56).ok()?;
        Some((outer, quoted(bytes, &outer)?))
    }

    fn with(place: usize, byte: u8) -> [u8; 56] {
        let mut bytes = ERROR;
        bytes[place] = byte;
        bytes
    }
}
