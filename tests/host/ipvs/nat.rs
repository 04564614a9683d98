// SPDX-License-Identifier: GPL-2.0
//! Rewriting whole packets and the ICMP errors about them: checksums verify, nothing else changes.

use crate::packet::{built, Built};
use ipvs::addr::{ipv4, Endpoint, Port, Protocol};
use ipvs::packet::checksum::{pseudo_header, Field, Sum};
use ipvs::packet::icmp::{self, Quoted};
use ipvs::packet::ipv4::renew_checksum;
use ipvs::packet::{parse, Packet, Side};
use ipvs::xmit::{Checksum, Edit, HopLimit, Rewrite};
use proptest::prelude::*;

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Source), Just(Side::Dest)]
}

fn change() -> impl Strategy<Value = Rewrite> {
    (side(), any::<[u8; 4]>(), any::<u16>()).prop_map(|(side, addr, port)| Rewrite {
        side,
        to: Endpoint {
            addr: ipv4(addr),
            port: Port::from_host(port),
        },
    })
}

/// The edit that replaces an end and takes no hop.
fn only(rewrite: Rewrite) -> Edit {
    Edit {
        hop_limit: HopLimit::Keep,
        rewrite: Some(rewrite),
    }
}

fn read(bytes: &[u8]) -> Packet {
    parse(bytes, bytes.len() as u32).unwrap()
}

/// Returns the sum of a packet's transport part with its pseudo header.
fn transport_sum(bytes: &[u8]) -> Sum {
    let packet = read(bytes);
    pseudo_header(
        packet.source,
        packet.dest,
        packet.protocol,
        packet.transport_length(),
    )
    .bytes(&bytes[usize::from(packet.transport_offset)..])
}

/// Where the transport checksum is.
fn place(bytes: &[u8]) -> usize {
    let packet = read(bytes);
    let field = if packet.protocol == Protocol::TCP {
        16
    } else {
        6
    };
    usize::from(packet.transport_offset) + field
}

/// Returns the packet with good checksums.
fn sealed(built: &Built) -> Vec<u8> {
    let mut bytes = built.bytes();
    let header = usize::from(read(&bytes).transport_offset);
    renew_checksum(&mut bytes[..header]).unwrap();
    let (place, mut sum) = (place(&bytes), transport_sum(&bytes).checksum());
    if built.protocol == Protocol::UDP && sum == [0, 0] {
        sum = [0xff, 0xff];
    }
    bytes[place..place + 2].copy_from_slice(&sum);
    bytes
}

fn verifies(bytes: &[u8]) -> bool {
    let header = usize::from(read(bytes).transport_offset);
    Sum::ZERO.bytes(&bytes[..header]).fold() == 0xffff && transport_sum(bytes).fold() == 0xffff
}

/// Rewrites only as many bytes as are asked for, as the kernel's side does.
fn apply(bytes: &mut [u8], field: Field, change: Rewrite) -> Checksum {
    let packet = read(bytes);
    let edit = only(change);
    let reach = edit.reach(&packet, None).unwrap();
    edit.apply(&mut bytes[..reach], &packet, None, field)
        .unwrap()
}

/// Returns what the changed end was.
fn before(bytes: &[u8], side: Side) -> Rewrite {
    let packet = read(bytes);
    let ports = packet.ports.unwrap();
    let (addr, port) = match side {
        Side::Source => (packet.source, ports.0),
        Side::Dest => (packet.dest, ports.1),
    };
    Rewrite {
        side,
        to: Endpoint { addr, port },
    }
}

/// Returns the packet with everything zero that a rewrite of `side` may touch.
fn untouched(bytes: &[u8], side: Side) -> Vec<u8> {
    let packet = read(bytes);
    let transport = usize::from(packet.transport_offset);
    let (addr, port) = match side {
        Side::Source => (12, transport),
        Side::Dest => (16, transport + 2),
    };
    let mut bytes = bytes.to_vec();
    let place = place(&bytes);
    for (at, length) in [(10, 2), (addr, 4), (port, 2), (place, 2)] {
        bytes[at..at + length].fill(0);
    }
    bytes
}

/// An ICMP error about `inner`, with good checksums.
fn error_about(inner: &[u8], kind: u8, options: usize) -> Vec<u8> {
    let header = 20 + options * 4;
    let total = u16::try_from(header + 8 + inner.len()).unwrap();
    let mut bytes = vec![0x40 | u8::try_from(header / 4).unwrap(), 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, 1, 0, 0, 198, 51, 100, 1, 203, 0, 113, 9]);
    bytes.resize(header, 1);
    bytes.extend([kind, 1, 0, 0, 0, 0, 5, 0xdc]);
    bytes.extend(inner);
    renew_checksum(&mut bytes[..header]).unwrap();
    let sum = Sum::ZERO.bytes(&bytes[header..]).checksum();
    bytes[header + 2..header + 4].copy_from_slice(&sum);
    bytes
}

fn quoted(bytes: &[u8]) -> (Packet, Quoted) {
    let outer = read(bytes);
    (outer, icmp::quoted(bytes, &outer).unwrap())
}

/// Rewrites an error and finishes its checksum.
fn translate(bytes: &mut [u8], change: Rewrite) {
    let (outer, quoted) = quoted(bytes);
    let edit = only(change);
    let reach = edit.reach(&outer, Some(&quoted)).unwrap();
    let done = edit.apply(&mut bytes[..reach], &outer, Some(&quoted), Field::Whole);
    assert_eq!(done, Some(Checksum::Sum(Sum::ZERO)));
    let sum = Sum::ZERO.bytes(&bytes[usize::from(outer.transport_offset)..]);
    outer.store_checksum(&mut bytes[..reach], sum).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_rewritten_packet_verifies(built in built(), change in change()) {
        let original = sealed(&built);
        prop_assert!(verifies(&original));
        let mut bytes = original.clone();
        prop_assert_eq!(apply(&mut bytes, Field::Whole, change), Checksum::Updated);
        prop_assert!(verifies(&bytes));
        prop_assert_eq!(before(&bytes, change.side), change);
        prop_assert_eq!(untouched(&bytes, change.side), untouched(&original, change.side));
    }

    #[test]
    fn there_and_back_restores_the_packet(built in built(), change in change()) {
        let original = sealed(&built);
        let mut bytes = original.clone();
        let back = before(&bytes, change.side);
        apply(&mut bytes, Field::Whole, change);
        apply(&mut bytes, Field::Whole, back);
        prop_assert_eq!(bytes, original);
    }

    /// Servers must see that a packet was damaged on its way to the director.
    #[test]
    fn damage_stays_visible(built in built(), change in change(), bit in 0_usize..16) {
        let mut bytes = sealed(&built);
        let place = place(&bytes);
        bytes[place + bit / 8] ^= 1 << (bit % 8);
        prop_assume!(!verifies(&bytes));
        if apply(&mut bytes, Field::Whole, change) == Checksum::Updated {
            prop_assert!(transport_sum(&bytes).fold() != 0xffff);
        }
    }

    #[test]
    fn a_missing_udp_checksum_is_made(built in built(), change in change()) {
        let mut bytes = sealed(&Built { protocol: Protocol::UDP, ..built });
        let place = place(&bytes);
        bytes[place..place + 2].fill(0);
        let packet = read(&bytes);
        let Checksum::Sum(sum) = apply(&mut bytes, Field::Whole, change) else {
            return Err(TestCaseError::fail("no checksum was asked for"));
        };
        let sum = sum.bytes(&bytes[usize::from(packet.transport_offset)..]);
        packet.store_checksum(&mut bytes, sum).unwrap();
        prop_assert!(verifies(&bytes));
        prop_assert!(bytes[place..place + 2] != [0, 0]);
    }

    /// The sum completed on output makes a packet that verifies.
    #[test]
    fn a_checksum_left_to_hardware_can_be_completed(built in built(), change in change()) {
        let mut bytes = sealed(&built);
        let place = place(&bytes);
        let packet = read(&bytes);
        let pseudo = |packet: &Packet| {
            pseudo_header(packet.source, packet.dest, packet.protocol, packet.transport_length())
        };
        bytes[place..place + 2].copy_from_slice(&pseudo(&packet).partial());
        prop_assert_eq!(apply(&mut bytes, Field::Partial, change), Checksum::Updated);
        let completed = Sum::ZERO.bytes(&bytes[usize::from(packet.transport_offset)..]).checksum();
        bytes[place..place + 2].copy_from_slice(&completed);
        prop_assert!(verifies(&bytes));
    }

    #[test]
    fn too_few_bytes_are_never_overrun(built in built(), change in change(), cut in any::<prop::sample::Index>()) {
        let mut bytes = sealed(&built);
        let packet = read(&bytes);
        let edit = only(change);
        let end = cut.index(edit.reach(&packet, None).unwrap());
        // What a rewrite reaches is what it needs, but for fields behind the checksum.
        if edit.apply(&mut bytes[..end], &packet, None, Field::Whole).is_some() {
            prop_assert!(end >= place(&sealed(&built)) + 2);
        }
    }

    #[test]
    fn a_hop_changes_the_ttl_and_its_checksum_only(built in built()) {
        let mut bytes = sealed(&built);
        let original = bytes.clone();
        let done = read(&bytes).decrement_hop_limit(&mut bytes);
        prop_assert_eq!(done.is_some(), built.ttl > 0);
        if done.is_some() {
            prop_assert!(verifies(&bytes));
            prop_assert_eq!(read(&bytes).hop_limit, built.ttl - 1);
        }
        let without = |bytes: &[u8]| [&bytes[..8], &bytes[9..10], &bytes[12..]].concat();
        prop_assert_eq!(without(&bytes), without(&original));
    }

    #[test]
    fn a_translated_error_verifies_and_quotes_the_other_address(
        built in built(),
        change in change(),
        kind in prop_oneof![Just(3_u8), Just(4), Just(11)],
        options in 0_usize..=10,
    ) {
        let original = error_about(&sealed(&built), kind, options);
        let mut bytes = original.clone();
        translate(&mut bytes, change);
        let (outer, inner) = quoted(&bytes);
        let header = usize::from(outer.transport_offset);
        let offset = usize::from(inner.offset);
        prop_assert!(icmp::is_good(Sum::ZERO.bytes(&bytes[header..])));
        let inner_header = offset + usize::from(inner.packet.transport_offset);
        for part in [&bytes[..header], &bytes[offset..inner_header]] {
            prop_assert_eq!(Sum::ZERO.bytes(part).fold(), 0xffff);
        }
        let ports = inner.packet.ports.unwrap();
        let (told, quoted_end) = match change.side {
            Side::Source => (outer.source, (inner.packet.dest, ports.1)),
            Side::Dest => (outer.dest, (inner.packet.source, ports.0)),
        };
        prop_assert_eq!((told, quoted_end), (change.to.addr, (change.to.addr, change.to.port)));
        // The quoted packet's own checksum is not touched.
        let place = place(&sealed(&built)) + offset;
        prop_assert_eq!(&bytes[place..place + 2], &original[place..place + 2]);
    }

    #[test]
    fn an_error_translated_back_is_the_same(built in built(), change in change()) {
        // Both ends of an error that is sent back are one address: that of the quoted packet.
        let inner = sealed(&built);
        let mut original = error_about(&inner, 3, 0);
        let back = before(&inner, change.side.other());
        let at = if change.side == Side::Source { 12 } else { 16 };
        original[at..at + 4].copy_from_slice(&back.to.addr.octets()[..4]);
        renew_checksum(&mut original[..20]).unwrap();
        let mut bytes = original.clone();
        translate(&mut bytes, change);
        translate(&mut bytes, Rewrite { side: change.side, ..back });
        prop_assert_eq!(bytes, original);
    }

    /// Neither panics nor claims what is not there.
    #[test]
    fn arbitrary_errors_are_read_or_refused(
        inner in prop::collection::vec(any::<u8>(), 0..140),
        kind in any::<u8>(),
        options in 0_usize..=10,
        change in change(),
    ) {
        let mut bytes = error_about(&inner, kind, options);
        let outer = read(&bytes);
        prop_assert_eq!(icmp::is_error_packet(&outer), [3, 4, 11].contains(&kind));
        if let Some(quoted) = icmp::quoted(&bytes, &outer) {
            prop_assert!(quoted.headers_end() <= bytes.len());
            let done = quoted.rewrite(&mut bytes, &outer, change.side, change.to);
            prop_assert_eq!(done, Some(()));
        }
    }
}
