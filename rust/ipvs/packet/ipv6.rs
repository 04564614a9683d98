// SPDX-License-Identifier: GPL-2.0
//! IPv6 headers and the extension headers behind them (RFC 8200).

use super::{Fragment, Header, Malformed, Packet, Side};
use crate::addr::{ipv6, Family, Protocol};
use crate::proto::Role;
use core::net::Ipv6Addr;

/// The header without extensions, in bytes.
pub const HEADER: u16 = 40;

/// Hop-by-hop options.
const HOP_BY_HOP: u8 = 0;
/// The routing header.
const ROUTING: u8 = 43;
/// The fragment header, which has eight bytes.
const FRAGMENT: u8 = 44;
/// Authentication (RFC 4302), an extension header here although it is a protocol of IPv4.
const AUTHENTICATION: u8 = 51;
/// Destination options.
const DESTINATION: u8 = 60;
/// The most extension headers that are skipped, as in the kernel.
const HEADERS_MAX: usize = 12;

/// Reads a header and the extension headers.
///
/// # Errors
///
/// When one of them is cut off, or there are more than [`HEADERS_MAX`].
pub(super) fn read(head: &[u8]) -> Result<Packet, Malformed> {
    let (mut packet, rest) = read_fixed(head).ok_or(Malformed::Truncated)?;
    skip_extensions(&mut packet, rest)?;
    Ok(packet)
}

/// Reads the header of a packet without extension headers, and returns what follows it in `head`.
///
/// `None` if it is another one, or has no length, or does not fit `length`.
#[inline]
pub(super) fn read_plain(head: &[u8], length: u32) -> Option<(Packet, &[u8])> {
    let (packet, rest) = read_fixed(head)?;
    let is_plain = match Role::of(Family::V6, packet.protocol) {
        Role::Transport(_) | Role::Icmp => true,
        Role::Follower | Role::Other => false,
    };
    let fits = packet.length > u32::from(HEADER) && packet.length <= length;
    (is_plain && fits).then_some((packet, rest))
}

/// Reads the header as if no extension header followed. `None` if it is cut off.
#[inline]
fn read_fixed(head: &[u8]) -> Option<(Packet, &[u8])> {
    let (header, rest) = head.split_first_chunk::<{ HEADER as usize }>()?;
    let [_, _, _, _, l0, l1, next, hop_limit, addrs @ ..] = header;
    let (source, dest) = addrs.split_first_chunk::<16>()?;
    let packet = Packet {
        protocol: Protocol(*next),
        source: ipv6(*source),
        dest: ipv6(*dest.first_chunk()?),
        transport_offset: HEADER,
        length: u32::from(HEADER).saturating_add(u32::from(u16::from_be_bytes([*l0, *l1]))),
        fragment: Fragment::Whole,
        hop_limit: *hop_limit,
        dont_fragment: true,
        ports: None,
        header: Header::Missing,
    };
    Some((packet, rest))
}

/// Moves on to the transport header, over the extension headers.
///
/// Of a later fragment the transport offset stays at the fragment header.
fn skip_extensions(packet: &mut Packet, bytes: &[u8]) -> Result<(), Malformed> {
    let mut rest = bytes;
    for _ in 0..=HEADERS_MAX {
        let length = match packet.protocol.0 {
            // Eight bytes and eight for each unit.
            HOP_BY_HOP | ROUTING | DESTINATION => {
                8_u16.saturating_add(u16::from(*rest.get(1).ok_or(Malformed::Truncated)?) << 3)
            }
            // Eight bytes and four for each unit.
            AUTHENTICATION => {
                8_u16.saturating_add(u16::from(*rest.get(1).ok_or(Malformed::Truncated)?) << 2)
            }
            FRAGMENT => {
                let [next, _, high, low] = *rest.first_chunk().ok_or(Malformed::Truncated)?;
                packet.fragment = fragment(u16::from_be_bytes([high, low]));
                if packet.fragment == Fragment::Later {
                    packet.protocol = Protocol(next);
                    return Ok(());
                }
                8
            }
            _ => return Ok(()),
        };
        packet.protocol = Protocol(*rest.first().ok_or(Malformed::Truncated)?);
        packet.transport_offset = packet.transport_offset.saturating_add(length);
        rest = rest
            .get(usize::from(length)..)
            .ok_or(Malformed::Truncated)?;
    }
    Err(Malformed::Headers)
}

/// Returns what the offset of a fragment header says.
fn fragment(field: u16) -> Fragment {
    match field & 0xfff8 {
        0 => Fragment::First,
        _ => Fragment::Later,
    }
}

/// Puts an address into a header. `None` if it is too short.
#[inline]
pub(super) fn put_addr(header: &mut [u8], side: Side, addr: Ipv6Addr) -> Option<()> {
    let (_, addrs) = header.split_first_chunk_mut::<8>()?;
    let (source, rest) = addrs.split_first_chunk_mut::<16>()?;
    let dest = rest.first_chunk_mut::<16>()?;
    match side {
        Side::Source => *source = addr.octets(),
        Side::Dest => *dest = addr.octets(),
    }
    Some(())
}

/// Takes one from the hop limit of a header.
///
/// `None` if the header is too short or the limit is used up; nothing changed then.
#[inline]
pub(super) fn decrement_hop_limit(header: &mut [u8]) -> Option<()> {
    let hop_limit = header.get_mut(7)?;
    *hop_limit = hop_limit.checked_sub(1)?;
    Some(())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet_ipv6))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_put_where_it_belongs() {
        let addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6);
        for (side, place) in [(Side::Source, 8), (Side::Dest, 24)] {
            let mut header = [7; 40];
            assert_eq!(put_addr(&mut header, side, addr), Some(()));
            assert_eq!(header[place..place + 16], addr.octets());
            assert_eq!(header.iter().filter(|byte| **byte == 7).count(), 24);
            assert_eq!(put_addr(&mut header[..39], side, addr), None);
        }
    }

    #[test]
    fn twelve_extension_headers_are_skipped() {
        let chain = |count: usize| {
            let mut bytes = [0; 40 + 8 * 13];
            [bytes[0], bytes[6]] = [0x60, DESTINATION];
            for header in bytes[40..].chunks_mut(8) {
                header[0] = DESTINATION;
            }
            bytes[40 + 8 * (count - 1)] = 17;
            read(&bytes).map(|packet| (packet.protocol, packet.transport_offset))
        };
        assert_eq!(chain(1), Ok((Protocol::UDP, 48)));
        assert_eq!(chain(12), Ok((Protocol::UDP, 136)));
        assert_eq!(chain(13), Err(Malformed::Headers));
    }

    #[test]
    fn authentication_is_counted_in_words() {
        let mut bytes = [0; 40 + 24];
        [bytes[0], bytes[6]] = [0x60, AUTHENTICATION];
        [bytes[40], bytes[41]] = [6, 4];
        let read = |bytes: &[u8]| read(bytes).map(|packet| packet.transport_offset);
        assert_eq!(read(&bytes), Ok(64));
        assert_eq!(read(&bytes[..63]), Err(Malformed::Truncated));
    }

    #[test]
    fn the_only_fragment_is_known_as_one() {
        let mut bytes = [0; 48];
        [bytes[0], bytes[6], bytes[40]] = [0x60, FRAGMENT, 17];
        let read = |bytes: &[u8]| read(bytes).map(|packet| packet.fragment);
        assert_eq!(read(&bytes), Ok(Fragment::First));
        bytes[43] = 9;
        assert_eq!(read(&bytes), Ok(Fragment::Later));
    }

    #[test]
    fn the_hop_limit_ends_at_zero() {
        let mut header = [0; 40];
        header[7] = 1;
        assert_eq!(decrement_hop_limit(&mut header), Some(()));
        assert_eq!(header, [0; 40]);
        assert_eq!(decrement_hop_limit(&mut header), None);
        assert_eq!(decrement_hop_limit(&mut header[..7]), None);
    }
}
