// SPDX-License-Identifier: GPL-2.0
//! What becomes of a packet's bytes, as a value, and how it is done to them.

use crate::addr::{Addr, Endpoint, Family};
use crate::packet::checksum::{pseudo_header, Change, Field, Sum, Update};
use crate::packet::icmp::{self, Quoted};
use crate::packet::{put_port, Header, Packet, Sealing, Side};

/// What becomes of a packet's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What becomes of its TTL or hop limit.
    pub hop_limit: HopLimit,
    /// Which end is replaced, if one is.
    pub rewrite: Option<Rewrite>,
}

/// Whether a packet takes a hop here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopLimit {
    /// It does: one less is left.
    Decrement,
    /// It does not.
    Keep,
}

/// One end of a packet and what it becomes.
///
/// Of an ICMP error this is the end of the error; the packet that it quotes went the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Which end.
    pub side: Side,
    /// The new address and port.
    pub to: Endpoint,
}

/// What an edit leaves to do for the transport checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing: no byte of it, or of what it covers, changed.
    Untouched,
    /// Nothing; sums that hardware made of the whole packet hold no longer.
    Updated,
    /// The caller adds the transport header and all that follows it to the sum, and stores it with
    /// [`Packet::store_checksum`].
    Sum(Sum),
    /// The same, but as with C it may be left to the hardware: this sum is stored then, with
    /// [`Packet::store_checksum_start`].
    Start(Sum),
    /// The caller asks what becomes of it, and stores a new one with [`Packet::store_crc`] if that is to
    /// be.
    Seal(Sealing),
}

impl Edit {
    /// Returns how many bytes from the network header on [`Edit::apply`] needs; `None` if the packet
    /// does not have the headers that are to change.
    ///
    /// `quoted` is the packet that is rewritten together with `packet`, an ICMP error.
    #[inline(always)]
    pub fn reach(&self, packet: &Packet, quoted: Option<&Quoted>) -> Option<usize> {
        match (self.rewrite, self.hop_limit, quoted) {
            (Some(_), _, None) => packet.headers_end(),
            (Some(_), _, Some(quoted)) => Some(quoted.headers_end()),
            (None, HopLimit::Decrement, _) => Some(usize::from(packet.transport_offset)),
            (None, HopLimit::Keep, _) => Some(0),
        }
    }

    /// Does it; `bytes` begin with the network header and reach as far as [`Edit::reach`].
    ///
    /// A transport checksum that was wrong stays wrong. `None` when the bytes are too few or do not
    /// fit the edit; the packet is spoilt then.
    #[inline(always)]
    pub fn apply(
        &self,
        bytes: &mut [u8],
        packet: &Packet,
        quoted: Option<&Quoted>,
        field: Field,
    ) -> Option<Checksum> {
        match self.hop_limit {
            HopLimit::Decrement => packet.decrement_hop_limit(bytes)?,
            HopLimit::Keep => {}
        }
        match (self.rewrite, quoted) {
            (None, _) => Some(Checksum::Untouched),
            (Some(rewrite), None) => rewrite.apply(bytes, packet, field),
            (Some(rewrite), Some(quoted)) => {
                quoted.rewrite(bytes, packet, rewrite.side, rewrite.to)?;
                let start = icmp::start(packet, rewrite.ends(packet));
                Some(match packet.family() {
                    Family::V4 => Checksum::Sum(start),
                    Family::V6 => Checksum::Start(start),
                })
            }
        }
    }
}

impl Rewrite {
    /// Replaces the end in the network header and in the transport header.
    #[inline(always)]
    fn apply(&self, bytes: &mut [u8], packet: &Packet, field: Field) -> Option<Checksum> {
        if packet.header == Header::Other {
            return self.apply_to_address(bytes, packet);
        }
        let Self { side, to } = *self;
        let (old_addr, old_port) = (packet.addr(side), packet.port(side)?);
        let (network, transport) =
            bytes.split_at_mut_checked(usize::from(packet.transport_offset))?;
        packet.put_addr(network, side, to.addr)?;
        put_port(transport, side, to.port)?;
        let change = Change {
            addrs: (Sum::ZERO.addr(old_addr), Sum::ZERO.addr(to.addr)),
            ports: (
                Sum::ZERO.word(old_port.bytes()),
                Sum::ZERO.word(to.port.bytes()),
            ),
        };
        match packet.update_checksum(transport, field, change)? {
            Update::Done => Some(Checksum::Updated),
            Update::Missing => Some(Checksum::Sum(self.pseudo_header(packet))),
            Update::Sealed => Some(Checksum::Seal(Sealing {
                side,
                changed: old_port != to.port,
                field,
            })),
        }
    }

    /// Replaces the address alone, of a packet without ports that no sum covers.
    #[inline(never)]
    fn apply_to_address(&self, bytes: &mut [u8], packet: &Packet) -> Option<Checksum> {
        let network = bytes.get_mut(..usize::from(packet.transport_offset))?;
        packet.put_addr(network, self.side, self.to.addr)?;
        Some(Checksum::Untouched)
    }

    /// Returns the sum of the pseudo header of the packet after the change.
    fn pseudo_header(&self, packet: &Packet) -> Sum {
        let (source, dest) = self.ends(packet);
        pseudo_header(source, dest, packet.protocol, packet.transport_length())
    }

    /// Returns the source and the destination of the packet after the change.
    const fn ends(&self, packet: &Packet) -> (Addr, Addr) {
        match self.side {
            Side::Source => (self.to.addr, packet.dest),
            Side::Dest => (packet.source, self.to.addr),
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_xmit_edit))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, ipv6, Port, Protocol};
    use crate::packet::ipv4::renew_checksum;
    use crate::packet::parse;

    #[test]
    fn both_checksums_verify_after_a_rewrite() {
        for protocol in [Protocol::TCP, Protocol::UDP] {
            for change in CHANGES {
                let mut bytes = packet(protocol);
                let Some(after) = apply(&mut bytes, Field::Whole, change) else {
                    return assert!(false);
                };
                assert_eq!(after, Checksum::Updated);
                assert!(verifies(&bytes));
            }
        }
    }

    #[test]
    fn there_and_back_restores_the_packet() {
        for protocol in [Protocol::TCP, Protocol::UDP] {
            let original = packet(protocol);
            let mut bytes = original;
            let back = Rewrite {
                to: end([192, 0, 2, 1], 80),
                ..CHANGES[0]
            };
            assert!(apply(&mut bytes, Field::Whole, CHANGES[0]).is_some());
            assert!(bytes != original);
            assert!(apply(&mut bytes, Field::Whole, back).is_some());
            assert_eq!(bytes, original);
        }
    }

    #[test]
    fn without_ports_only_the_address_changes() {
        let mut bytes = packet(Protocol::ESP);
        let before = bytes;
        assert_eq!(
            apply(&mut bytes, Field::Whole, CHANGES[0]),
            Some(Checksum::Untouched)
        );
        assert!(bytes[..20] != before[..20]);
        assert_eq!(bytes[20..], before[20..]);
        assert_eq!(Sum::ZERO.bytes(&bytes[..20]).fold(), 0xffff);
    }

    #[test]
    fn a_bad_checksum_stays_bad() {
        let mut bytes = packet(Protocol::TCP);
        bytes[36] ^= 0x10;
        assert_eq!(
            apply(&mut bytes, Field::Whole, CHANGES[1]),
            Some(Checksum::Updated)
        );
        assert!(!verifies(&bytes));
    }

    /// The field of a partial packet is the pseudo header's sum before and after.
    #[test]
    fn a_partial_checksum_follows_the_address_only() {
        for change in CHANGES {
            let mut bytes = packet(Protocol::TCP);
            let before = pseudo(&bytes).partial();
            bytes[36..38].copy_from_slice(&before);
            assert_eq!(
                apply(&mut bytes, Field::Partial, change),
                Some(Checksum::Updated)
            );
            let after = pseudo(&bytes).partial();
            assert_eq!(bytes[36..38], after);
        }
    }

    #[test]
    fn udp_without_checksum_gets_one() {
        let mut bytes = packet(Protocol::UDP);
        bytes[26..28].copy_from_slice(&[0, 0]);
        let Some(Checksum::Sum(sum)) = apply(&mut bytes, Field::Whole, CHANGES[0]) else {
            return assert!(false);
        };
        let Ok(read) = parse(&bytes, 44) else {
            return assert!(false);
        };
        let sum = sum.bytes(&bytes[20..]);
        assert_eq!(read.store_checksum(&mut bytes, sum), Some(()));
        assert!(bytes[26..28] != [0, 0]);
        assert!(verifies(&bytes));
    }

    #[test]
    fn partial_udp_with_a_zero_field_is_not_summed() {
        let mut bytes = packet(Protocol::UDP);
        bytes[26..28].copy_from_slice(&[0, 0]);
        assert_eq!(
            apply(&mut bytes, Field::Partial, CHANGES[0]),
            Some(Checksum::Updated)
        );
    }

    #[test]
    fn too_few_bytes_are_noticed() {
        let edit = Edit {
            hop_limit: HopLimit::Decrement,
            rewrite: Some(CHANGES[0]),
        };
        for protocol in [Protocol::TCP, Protocol::UDP] {
            let bytes = packet(protocol);
            let Ok(read) = parse(&bytes, 44) else {
                return assert!(false);
            };
            let Some(reach) = edit.reach(&read, None) else {
                return assert!(false);
            };
            let apply =
                |len: usize| edit.apply(&mut packet(protocol)[..len], &read, None, Field::Whole);
            for len in 0..24 {
                assert_eq!(apply(len), None);
            }
            assert!(apply(reach).is_some());
        }
    }

    #[test]
    fn address_of_the_other_family_is_refused() {
        let other = Rewrite {
            to: Endpoint {
                addr: ipv6([1; 16]),
                ..CHANGES[0].to
            },
            ..CHANGES[0]
        };
        let mut bytes = packet(Protocol::TCP);
        assert_eq!(apply(&mut bytes, Field::Whole, other), None);
    }

    #[test]
    fn hop_alone_changes_nothing_that_the_transport_checksum_covers() {
        let edit = Edit {
            hop_limit: HopLimit::Decrement,
            rewrite: None,
        };
        let mut bytes = packet(Protocol::TCP);
        let Ok(read) = parse(&bytes, 44) else {
            return assert!(false);
        };
        assert_eq!(edit.reach(&read, None), Some(20));
        let done = edit.apply(&mut bytes[..20], &read, None, Field::Whole);
        assert_eq!(done, Some(Checksum::Untouched));
        assert!(verifies(&bytes) && bytes[8] == 63);
    }

    const CHANGES: [Rewrite; 2] = [
        Rewrite {
            side: Side::Dest,
            to: end([172, 16, 255, 2], 8080),
        },
        Rewrite {
            side: Side::Source,
            to: end([192, 0, 2, 99], 65535),
        },
    ];

    const fn end(addr: [u8; 4], port: u16) -> Endpoint {
        Endpoint {
            addr: ipv4(addr),
            port: Port::from_host(port),
        }
    }

    fn apply(bytes: &mut [u8; 44], field: Field, change: Rewrite) -> Option<Checksum> {
        let read = parse(bytes, 44).ok()?;
        change.apply(bytes, &read, field)
    }

    fn pseudo(bytes: &[u8; 44]) -> Sum {
        match parse(bytes, 44) {
            Ok(read) => pseudo_header(read.source, read.dest, read.protocol, 24),
            Err(_) => Sum::ZERO,
        }
    }

    fn verifies(bytes: &[u8; 44]) -> bool {
        Sum::ZERO.bytes(&bytes[..20]).fold() == 0xffff
            && pseudo(bytes).bytes(&bytes[20..]).fold() == 0xffff
    }

    /// 10.0.0.2:40000 -> 192.0.2.1:80 with good checksums.
    fn packet(protocol: Protocol) -> [u8; 44] {
        let mut bytes = [7; 44];
        let head = [
            0x45, 0, 0, 44, 0, 1, 0x40, 0, 64, protocol.0, 0, 0, 10, 0, 0, 2, 192, 0, 2, 1, 0x9c,
            0x40, 0, 80,
        ];
        bytes[..24].copy_from_slice(&head);
        let place = match protocol {
            Protocol::TCP => 36,
            _ => 26,
        };
        bytes[place..place + 2].copy_from_slice(&[0, 0]);
        let sum = pseudo(&bytes).bytes(&bytes[20..]).checksum();
        bytes[place..place + 2].copy_from_slice(&sum);
        renew_checksum(&mut bytes[..20]);
        bytes
    }
}
