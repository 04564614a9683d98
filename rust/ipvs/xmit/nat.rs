// SPDX-License-Identifier: GPL-2.0
//! VS/NAT: one end's address and port are replaced, and the checksums made up for it.

use crate::addr::{IpAddr, Port, Protocol};
use crate::checksum::{never_zero, pseudo_header, replaced, replaced_partial, Sum};
use crate::packet::{Packet, Transport};
use crate::xmit::{put_addr, put_port, renew_header_checksum, Side};

/// What is in the transport checksum field of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The whole checksum, good or bad.
    Whole,
    /// The sum of the pseudo header; somebody else adds the rest on output.
    Partial,
}

/// What is left to do after a rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing; sums that hardware made of the whole packet hold no longer.
    Done,
    /// UDP had no checksum and gets one, as with C: the caller adds the transport header and all
    /// that follows it to the sum, and stores it with [`store_udp_checksum`].
    Sum(Sum),
}

/// One end of a packet and what it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which end.
    pub side: Side,
    /// The new address.
    pub addr: IpAddr,
    /// The new port.
    pub port: Port,
}

/// The bytes of a packet that a rewrite needs: the network header and the transport header.
///
/// `None` for a packet that has no whole transport header of TCP or UDP.
#[inline]
pub fn reach(packet: &Packet) -> Option<usize> {
    let header = match packet.transport {
        Transport::Tcp(_) => 20,
        Transport::Udp { .. } => 8,
        _ => return None,
    };
    usize::from(packet.transport_offset).checked_add(header)
}

/// Replaces one end of an IPv4 packet of TCP or UDP and makes up for it in both checksums.
///
/// `bytes` begin with the network header and reach as far as [`reach`]. A transport checksum that
/// was wrong stays wrong. `None` when the bytes are too few; the packet is spoilt then.
#[inline(always)]
pub fn rewrite(bytes: &mut [u8], packet: &Packet, field: Field, change: Change) -> Option<After> {
    let old_port = match (packet.ports?, change.side) {
        ((source, _), Side::Source) => source,
        ((_, dest), Side::Dest) => dest,
    };
    let old_addr = match change.side {
        Side::Source => packet.source,
        Side::Dest => packet.dest,
    };
    let (ip, transport) = bytes.split_at_mut_checked(usize::from(packet.transport_offset))?;
    match change.addr {
        IpAddr::V4(addr) => put_addr(ip, change.side, addr)?,
        IpAddr::V6(_) => return None,
    }
    renew_header_checksum(ip)?;
    put_port(transport, change.side, change.port)?;
    let place = checksum_place(transport, packet.protocol)?;
    let addrs = (Sum::ZERO.addr(old_addr), Sum::ZERO.addr(change.addr));
    match (field, packet.transport) {
        (Field::Partial, _) => {
            // The port is not in the pseudo header; whoever completes the sum reads it anew.
            *place = replaced_partial(*place, addrs.0, addrs.1);
            Some(After::Done)
        }
        (Field::Whole, Transport::Udp { summed: false }) => {
            Some(After::Sum(whole_sum(packet, change)))
        }
        (Field::Whole, transport) => {
            let old = addrs.0.word(old_port.bytes());
            let new = addrs.1.word(change.port.bytes());
            *place = replaced(*place, old, new);
            if matches!(transport, Transport::Udp { .. }) {
                *place = never_zero(*place);
            }
            Some(After::Done)
        }
    }
}

/// Stores the checksum for the sum of a UDP packet with its pseudo header.
pub fn store_udp_checksum(bytes: &mut [u8], packet: &Packet, sum: Sum) -> Option<()> {
    let transport = bytes.get_mut(usize::from(packet.transport_offset)..)?;
    *checksum_place(transport, Protocol::UDP)? = never_zero(sum.checksum());
    Some(())
}

/// Returns the sum of the pseudo header of a packet after a change.
fn whole_sum(packet: &Packet, change: Change) -> Sum {
    let (source, dest) = match change.side {
        Side::Source => (change.addr, packet.dest),
        Side::Dest => (packet.source, change.addr),
    };
    pseudo_header(source, dest, packet.protocol, packet.transport_length())
}

/// Returns the checksum field of a transport header.
#[inline]
fn checksum_place(transport: &mut [u8], protocol: Protocol) -> Option<&mut [u8; 2]> {
    let offset = match protocol {
        Protocol::TCP => 16,
        Protocol::UDP => 6,
        _ => return None,
    };
    transport.get_mut(offset..)?.first_chunk_mut()
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_xmit_nat))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::ipv4;
    use crate::packet::parse;

    #[test]
    fn both_checksums_verify_after_a_rewrite() {
        for protocol in [Protocol::TCP, Protocol::UDP] {
            for change in CHANGES {
                let mut bytes = packet(protocol);
                let Some(after) = apply(&mut bytes, Field::Whole, change) else {
                    return assert!(false);
                };
                assert_eq!(after, After::Done);
                assert!(verifies(&bytes));
            }
        }
    }

    #[test]
    fn there_and_back_restores_the_packet() {
        for protocol in [Protocol::TCP, Protocol::UDP] {
            let original = packet(protocol);
            let mut bytes = original;
            let back = Change {
                addr: ipv4([192, 0, 2, 1]),
                port: Port::from_host(80),
                ..CHANGES[0]
            };
            assert!(apply(&mut bytes, Field::Whole, CHANGES[0]).is_some());
            assert!(bytes != original);
            assert!(apply(&mut bytes, Field::Whole, back).is_some());
            assert_eq!(bytes, original);
        }
    }

    #[test]
    fn a_bad_checksum_stays_bad() {
        let mut bytes = packet(Protocol::TCP);
        bytes[36] ^= 0x10;
        assert_eq!(
            apply(&mut bytes, Field::Whole, CHANGES[1]),
            Some(After::Done)
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
            assert_eq!(apply(&mut bytes, Field::Partial, change), Some(After::Done));
            let after = pseudo(&bytes).partial();
            assert_eq!(bytes[36..38], after);
        }
    }

    #[test]
    fn udp_without_checksum_gets_one() {
        let mut bytes = packet(Protocol::UDP);
        bytes[26..28].copy_from_slice(&[0, 0]);
        let Some(After::Sum(sum)) = apply(&mut bytes, Field::Whole, CHANGES[0]) else {
            return assert!(false);
        };
        let Ok(read) = parse(&bytes, 44) else {
            return assert!(false);
        };
        let sum = sum.bytes(&bytes[20..]);
        assert_eq!(store_udp_checksum(&mut bytes, &read, sum), Some(()));
        assert!(bytes[26..28] != [0, 0]);
        assert!(verifies(&bytes));
    }

    #[test]
    fn partial_udp_with_a_zero_field_is_not_summed() {
        let mut bytes = packet(Protocol::UDP);
        bytes[26..28].copy_from_slice(&[0, 0]);
        assert_eq!(
            apply(&mut bytes, Field::Partial, CHANGES[0]),
            Some(After::Done)
        );
    }

    #[test]
    fn too_few_bytes_are_noticed() {
        for protocol in [Protocol::TCP, Protocol::UDP] {
            let bytes = packet(protocol);
            let Ok(read) = parse(&bytes, 44) else {
                return assert!(false);
            };
            let Some(reach) = reach(&read) else {
                return assert!(false);
            };
            for len in 0..24 {
                assert_eq!(
                    rewrite(
                        &mut packet(protocol)[..len],
                        &read,
                        Field::Whole,
                        CHANGES[0]
                    ),
                    None
                );
            }
            assert!(rewrite(
                &mut packet(protocol)[..reach],
                &read,
                Field::Whole,
                CHANGES[0]
            )
            .is_some());
        }
    }

    const CHANGES: [Change; 2] = [
        Change {
            side: Side::Dest,
            addr: ipv4([172, 16, 255, 2]),
            port: Port::from_host(8080),
        },
        Change {
            side: Side::Source,
            addr: ipv4([192, 0, 2, 99]),
            port: Port::from_host(65535),
        },
    ];

    fn apply(bytes: &mut [u8; 44], field: Field, change: Change) -> Option<After> {
        let read = parse(bytes, 44).ok()?;
        rewrite(bytes, &read, field, change)
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
        renew_header_checksum(&mut bytes[..20]);
        bytes
    }
}
