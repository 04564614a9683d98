// SPDX-License-Identifier: GPL-2.0
//! Outer packets of tunnels that ICMP errors quote, and the packets of clients inside of these.
//!
//! Only what came from IPv4 and went to IPv4 is looked into.

use super::{icmp, parse_quoted, Fragment, Packet};
use crate::addr::{Addr, Family, Port, Protocol};
use crate::flow::Flow;
use crate::service::TunnelSettings;

/// The packet of a client in an outer packet that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The server to which the outer packet went.
    pub server: Addr,
    /// The kind of the tunnel, see [`TunnelSettings::kind`].
    pub kind: u8,
    /// The port of the tunnel, if its kind has one.
    pub port: Port,
    /// Where the outer packet begins, in bytes after the beginning of the error.
    pub outer: u32,
    /// Where the client's packet begins, in bytes after the beginning of the outer one.
    pub inner: u32,
    /// The flow of the client's packet.
    pub flow: Flow,
    /// The client's packet must not be fragmented.
    pub dont_fragment: bool,
    /// The header of the error.
    pub error: ErrorHeader,
}

/// What the header of an ICMP error says of the packet that it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorHeader {
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// The second word of the header.
    pub rest: [u8; 4],
}

impl ErrorHeader {
    fn read(header: &[u8]) -> Option<Self> {
        let [kind, code, _, _, rest @ ..] = *header.first_chunk::<{ icmp::HEADER }>()?;
        Some(Self { kind, code, rest })
    }

    /// Returns how many bytes would have fit, if that is what the error is about (RFC 1191).
    pub fn mtu(self) -> Option<u32> {
        let [_, _, high, low] = self.rest;
        let mtu = u32::from(u16::from_be_bytes([high, low]));
        ((self.kind, self.code) == (3, 4)).then_some(mtu)
    }

    /// Returns the same with another number of bytes.
    pub const fn with_mtu(self, mtu: u32) -> Self {
        Self {
            rest: mtu.to_be_bytes(),
            ..self
        }
    }
}

/// The protocol number of GRE.
const GRE: u8 = 47;
/// The protocol number of a packet of IPv4 in another one.
const IPV4: u8 = 4;

/// Returns whether an error that quotes `quoted`, or what belongs to no flow, may be about an outer packet.
pub fn may_be_quoted(quoted: Option<&icmp::Quoted>) -> bool {
    quoted.is_none_or(|quoted| quoted.packet.protocol == Protocol::UDP)
}

/// Returns the packet of a client that the ICMP error `error` quotes inside an outer one.
///
/// `head` are the first bytes of the error.
pub fn inside(head: &[u8], error: &Packet) -> Option<Inside> {
    let start = usize::from(error.transport_offset);
    let offset = start.checked_add(icmp::HEADER)?;
    let quoted = head.get(offset..)?;
    let outer = parse_quoted(quoted).ok()?;
    if outer.family() != Family::V4 || outer.fragment == Fragment::Later {
        return None;
    }
    let network = usize::from(outer.transport_offset);
    let (kind, port, length) = between(&outer, quoted.get(network..)?)?;
    let inner = network.checked_add(length)?;
    let packet = parse_quoted(quoted.get(inner..)?).ok()?;
    if packet.family() != Family::V4 || packet.fragment == Fragment::Later {
        return None;
    }
    Some(Inside {
        server: outer.dest,
        kind,
        port,
        outer: u32::try_from(offset).ok()?,
        inner: u32::try_from(inner).ok()?,
        flow: packet.flow()?,
        dont_fragment: packet.dont_fragment,
        error: ErrorHeader::read(head.get(start..)?)?,
    })
}

/// Returns the kind and the port of a tunnel, and how long its header behind the network header is.
fn between(outer: &Packet, bytes: &[u8]) -> Option<(u8, Port, usize)> {
    match outer.protocol {
        Protocol(IPV4) => Some((TunnelSettings::IPIP, Port::ANY, 0)),
        Protocol(GRE) => Some((TunnelSettings::GRE, Port::ANY, gre(bytes)?)),
        Protocol::UDP => {
            let (_, port) = outer.ports?;
            Some((TunnelSettings::GUE, port, gue(bytes)?))
        }
        _ => None,
    }
}

/// Returns the length of the headers of UDP and of a packet of GUE with a packet of IPv4 in it.
fn gue(bytes: &[u8]) -> Option<usize> {
    let [_, _, _, _, _, _, _, _, first, IPV4, _, _] = *bytes.first_chunk()? else {
        return None;
    };
    // Version 0, not a message for the other end itself, and so many words of fields.
    let words = usize::from(first & 0x1f);
    (first & 0xe0 == 0).then(|| words.saturating_mul(4).saturating_add(12))
}

/// Returns the length of a header of GRE, in front of a packet of IPv4, that may have a checksum and no
/// other field.
fn gre(bytes: &[u8]) -> Option<usize> {
    match *bytes.first_chunk()? {
        [0, 0, 8, 0] => Some(4),
        [0x80, 0, 8, 0] => Some(8),
        _ => None,
    }
}

/// Returns how many bytes a client may send whose packet did not fit, where `mtu` fits outside.
pub const fn mtu_inside(mtu: u32, inside: &Inside) -> u32 {
    const LEAST: u32 = 68;
    match mtu > LEAST.saturating_add(inside.inner) {
        true => mtu.saturating_sub(inside.inner),
        false => mtu,
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet_outer))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::packet::parse;

    #[test]
    fn each_kind_is_looked_into() {
        let gue: [u8; 12] = [0x9c, 0x40, 0x17, 0xc0, 0, 40, 0, 0, 0, 4, 0, 0];
        let with_fields: [u8; 20] = [
            0x9c, 0x40, 0x17, 0xc0, 0, 48, 0, 0, 2, 4, 0, 1, 0x80, 0, 0, 0, 0, 20, 0, 26,
        ];
        let kinds: [(u8, &[u8], u8, u16); 5] = [
            (4, &[], TunnelSettings::IPIP, 0),
            (17, &gue, TunnelSettings::GUE, 6080),
            (17, &with_fields, TunnelSettings::GUE, 6080),
            (47, &[0, 0, 8, 0], TunnelSettings::GRE, 0),
            (47, &[0x80, 0, 8, 0, 1, 2, 3, 4], TunnelSettings::GRE, 0),
        ];
        for (protocol, header, kind, port) in kinds {
            let Some(found) = look(protocol, header, 28) else {
                return assert!(false);
            };
            assert_eq!((found.kind, found.port.host()), (kind, port));
            assert_eq!((found.outer, found.inner), (28, 20 + header.len() as u32));
            assert_eq!(found.server.octets()[..4], [10, 2, 0, 11]);
            assert_eq!(found.flow.dest.port.host(), 80);
            assert!(found.dont_fragment);
        }
    }

    #[test]
    fn what_is_no_tunnel_is_not_looked_into() {
        let others: [(u8, &[u8]); 9] = [
            (6, &[]),
            (41, &[]),
            (17, &[0, 1, 0x17, 0xc0, 0, 40, 0, 0, 0x40, 4, 0, 0]),
            (17, &[0, 1, 0x17, 0xc0, 0, 40, 0, 0, 0x20, 4, 0, 0]),
            (17, &[0, 1, 0x17, 0xc0, 0, 40, 0, 0, 0, 41, 0, 0]),
            (17, &[0, 1, 0x17, 0xc0, 0, 40, 0, 0]),
            (47, &[0x20, 0, 8, 0]),
            (47, &[0, 1, 8, 0]),
            (47, &[0, 0, 0x86, 0xdd]),
        ];
        for (protocol, header) in others {
            assert_eq!(look(protocol, header, 28), None);
        }
    }

    #[test]
    fn a_packet_that_is_cut_off_is_none() {
        for length in 0..24 {
            assert_eq!(look(4, &[], length), None);
        }
        assert!(look(4, &[], 24).is_some());
    }

    #[test]
    fn what_fits_inside_is_less_than_outside() {
        let Some(found) = look(4, &[], 28) else {
            return assert!(false);
        };
        assert_eq!(mtu_inside(1400, &found), 1380);
        assert_eq!(mtu_inside(89, &found), 69);
        assert_eq!(mtu_inside(88, &found), 88);
        assert_eq!(mtu_inside(0, &found), 0);
        assert_eq!(found.error.mtu(), Some(1300));
        assert_eq!(found.error.with_mtu(1280).mtu(), Some(1280));
        assert_eq!(
            ErrorHeader {
                code: 3,
                ..found.error
            }
            .mtu(),
            None
        );
    }

    /// Reads an error about an outer packet with a header behind its network header, and so many bytes of
    /// a packet of UDP inside.
    fn look(protocol: u8, header: &[u8], length: usize) -> Option<Inside> {
        const ERROR: [u8; 28] = [
            0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 10, 2, 0, 15, 10, 2, 0, 1, 3, 4, 0, 0, 0, 0, 5,
            0x14,
        ];
        const INNER: [u8; 28] = [
            0x45, 0, 0, 28, 0, 1, 0x40, 0, 63, 17, 0, 0, 10, 1, 0, 2, 10, 9, 0, 1, 0x9c, 0x40, 0,
            80, 0, 8, 0, 0,
        ];
        let mut bytes = [0; 96];
        bytes[..28].copy_from_slice(&ERROR);
        bytes[28..48].copy_from_slice(&INNER[..20]);
        [bytes[37], bytes[40], bytes[41]] = [protocol, 10, 2];
        bytes[44..48].copy_from_slice(&[10, 2, 0, 11]);
        let (start, end) = (48 + header.len(), 48 + header.len() + length);
        bytes[48..start].copy_from_slice(header);
        bytes[start..end].copy_from_slice(&INNER[..length]);
        bytes[3] = end as u8;
        let error = parse(&bytes[..end], end as u32).ok()?;
        inside(&bytes[..end], &error)
    }
}
