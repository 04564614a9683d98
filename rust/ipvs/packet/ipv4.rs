// SPDX-License-Identifier: GPL-2.0
//! IPv4 headers (RFC 791).

use super::checksum::{replaced, Sum};
use super::{Fragment, Header, Malformed, Packet, Side};
use crate::addr::{ipv4, Addr, Protocol};
use core::net::Ipv4Addr;

/// The shortest header, in bytes.
pub const HEADER: u16 = 20;
/// The first byte of a header of that length: version 4, five words.
const PLAIN: u8 = 0x45;
/// The flag and the offset by which a fragment is known.
const MORE_OR_OFFSET: u16 = 0x3fff;
/// The offset of a fragment, in units of eight bytes.
const OFFSET: u16 = 0x1fff;
/// The flag that forbids fragmenting.
const DONT_FRAGMENT: u16 = 0x4000;

/// The fixed part of a header.
struct Fixed {
    first: u8,
    length: u16,
    fragment: u16,
    ttl: u8,
    protocol: Protocol,
    source: Addr,
    dest: Addr,
}

impl Fixed {
    #[inline]
    fn read(header: &[u8; HEADER as usize]) -> Self {
        let [first, _, l0, l1, _, _, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
            *header;
        Self {
            first,
            length: u16::from_be_bytes([l0, l1]),
            fragment: u16::from_be_bytes([f0, f1]),
            ttl,
            protocol: Protocol(protocol),
            source: ipv4([s0, s1, s2, s3]),
            dest: ipv4([d0, d1, d2, d3]),
        }
    }

    /// Returns what the network header alone says of its packet.
    #[inline]
    fn packet(self, transport_offset: u16, fragment: Fragment) -> Packet {
        Packet {
            protocol: self.protocol,
            source: self.source,
            dest: self.dest,
            transport_offset,
            length: u32::from(self.length),
            fragment,
            hop_limit: self.ttl,
            dont_fragment: self.fragment & DONT_FRAGMENT != 0,
            ports: None,
            header: Header::Missing,
        }
    }
}

/// Reads the header of a whole packet without options, and returns what follows it in `head`.
///
/// `None` if it is another one or does not fit `length`.
#[inline]
pub(super) fn read_plain(head: &[u8], length: u32) -> Option<(Packet, &[u8])> {
    let (header, rest) = head.split_first_chunk()?;
    let fixed = Fixed::read(header);
    let fits = fixed.length >= HEADER && u32::from(fixed.length) <= length;
    if fixed.first != PLAIN || fixed.fragment & MORE_OR_OFFSET != 0 || !fits {
        return None;
    }
    Some((fixed.packet(HEADER, Fragment::Whole), rest))
}

/// Reads a header.
///
/// # Errors
///
/// When it is cut off or its length cannot be.
pub(super) fn read(head: &[u8]) -> Result<Packet, Malformed> {
    let fixed = Fixed::read(head.first_chunk().ok_or(Malformed::Truncated)?);
    let transport_offset = u16::from(fixed.first & 0xf) << 2;
    if transport_offset < HEADER {
        return Err(Malformed::Length);
    }
    if head.len() < usize::from(transport_offset) {
        return Err(Malformed::Truncated);
    }
    let fragment = match (fixed.fragment & OFFSET, fixed.fragment & MORE_OR_OFFSET) {
        (0, 0) => Fragment::Whole,
        (0, _) => Fragment::First,
        _ => Fragment::Later,
    };
    Ok(fixed.packet(transport_offset, fragment))
}

/// Puts an address into a header, all of which is `header`, and makes its checksum good.
///
/// `None` if it is too short.
#[inline(always)]
pub(super) fn put_addr(header: &mut [u8], side: Side, addr: Ipv4Addr) -> Option<()> {
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = header.first_chunk_mut::<20>()?;
    match side {
        Side::Source => [*s0, *s1, *s2, *s3] = addr.octets(),
        Side::Dest => [*d0, *d1, *d2, *d3] = addr.octets(),
    }
    renew_checksum(header)
}

/// Makes the checksum of a header anew; `header` is all of it. `None` if it is too short.
#[inline]
pub fn renew_checksum(header: &mut [u8]) -> Option<()> {
    let (fixed, options) = header.split_first_chunk_mut::<20>()?;
    let [first @ .., _, _, _, _, _, _, _, _, _, _] = &*fixed;
    let [_, _, _, _, _, _, _, _, _, _, _, _, last @ ..] = &*fixed;
    let sum = Sum::ZERO.bytes(first).bytes(last);
    let checksum = match options.is_empty() {
        true => sum.checksum(),
        false => sum.bytes(options).checksum(),
    };
    let [_, _, _, _, _, _, _, _, _, _, high, low, ..] = fixed;
    [*high, *low] = checksum;
    Some(())
}

/// The word of which the TTL is the first half, when that is one.
const HOP: Sum = Sum::ZERO.word([1, 0]);

/// Takes one from the TTL of a header and makes up for it in the checksum (RFC 1141).
///
/// `None` if the header is too short or the TTL is used up; nothing changed then.
#[inline(always)]
pub(super) fn decrement_ttl(header: &mut [u8]) -> Option<()> {
    let [_, _, _, _, _, _, _, _, ttl, protocol, high, low] = header.first_chunk_mut::<12>()?;
    // Both at once: a processor waits where it reads as one word what it has just written in parts,
    // as a new checksum of the header would.
    let word = u16::from_be_bytes([*ttl, *protocol]).checked_sub(0x100)?;
    [*ttl, *protocol] = word.to_be_bytes();
    [*high, *low] = replaced([*high, *low], HOP, Sum::ZERO);
    Some(())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet_ipv4))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn the_header_still_verifies_after_every_step() {
        let mut header = BYTES;
        assert_eq!(renew_checksum(&mut header), Some(()));
        for left in (0..255).rev() {
            assert_eq!(decrement_ttl(&mut header), Some(()));
            assert_eq!(header[8], left);
            assert_eq!(Sum::ZERO.bytes(&header).fold(), 0xffff);
        }
        assert_eq!(decrement_ttl(&mut header), None);
        assert_eq!(header[8], 0);
    }

    #[test]
    fn an_address_is_put_where_it_belongs() {
        for (side, place) in [(Side::Source, 12), (Side::Dest, 16)] {
            let mut header = BYTES;
            let addr = Ipv4Addr::new(192, 0, 2, 7);
            assert_eq!(put_addr(&mut header, side, addr), Some(()));
            assert_eq!(header[place..place + 4], addr.octets());
            assert_eq!(Sum::ZERO.bytes(&header).fold(), 0xffff);
            assert_eq!(put_addr(&mut header[..19], side, addr), None);
        }
    }

    const BYTES: [u8; 20] = [
        0x45, 0, 0, 20, 1, 2, 0, 0, 255, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
}
