// SPDX-License-Identifier: GPL-2.0
//! Packets of IPv6 behind any chain of extension headers, and the errors about them: read, rewritten, put back.

use ipvs::addr::{ipv6, Addr, Endpoint, Port, Protocol};
use ipvs::packet::checksum::{pseudo_header, Field, Sum};
use ipvs::packet::icmp;
use ipvs::packet::{parse, Fragment, Malformed, Packet, Side};
use ipvs::xmit::{Checksum, Edit, HopLimit, Rewrite};
use proptest::prelude::*;

const HEADER: usize = 40;

/// An extension header: its number and its bytes behind the first one, which names the next.
type Extension = (u8, Vec<u8>);

/// Extension headers of every kind, with a length that fits what follows.
fn extension() -> impl Strategy<Value = Extension> {
    let options =
        (prop_oneof![Just(0_u8), Just(43), Just(60)], 0_u8..4).prop_map(|(kind, units)| {
            let mut bytes = vec![units];
            bytes.resize(7 + 8 * usize::from(units), 1);
            (kind, bytes)
        });
    let authentication = (0_u8..6).prop_map(|words| {
        let mut bytes = vec![words];
        bytes.resize(7 + 4 * usize::from(words), 2);
        (51, bytes)
    });
    let only_fragment = Just((44, vec![0, 0, 1, 9, 9, 9, 9]));
    prop_oneof![4 => options, 2 => authentication, 1 => only_fragment]
}

fn chain(most: usize) -> impl Strategy<Value = Vec<Extension>> {
    prop::collection::vec(extension(), 0..=most)
}

/// Returns a packet of IPv6.
fn packet(ends: &(Addr, Addr), chain: &[Extension], protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (place, (_, bytes)) in chain.iter().enumerate() {
        rest.push(chain.get(place + 1).map_or(protocol, |(kind, _)| *kind));
        rest.extend(bytes);
    }
    rest.extend(body);
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    bytes.extend([chain.first().map_or(protocol, |(kind, _)| *kind), 64]);
    bytes.extend(ends.0.octets());
    bytes.extend(ends.1.octets());
    bytes.extend(rest);
    bytes
}

fn addr() -> impl Strategy<Value = Addr> {
    any::<[u8; 16]>().prop_map(ipv6)
}

fn read(bytes: &[u8]) -> Packet {
    parse(bytes, bytes.len() as u32).unwrap()
}

/// Returns the sum of a packet from its transport header on, with the pseudo header.
fn sum(bytes: &[u8]) -> Sum {
    let packet = read(bytes);
    let (start, length) = (packet.transport_offset, packet.transport_length());
    pseudo_header(packet.source, packet.dest, packet.protocol, length)
        .bytes(&bytes[usize::from(start)..])
}

/// Returns a packet of TCP or UDP with a good checksum.
fn sealed(ends: &(Addr, Addr), chain: &[Extension], is_tcp: bool, data: &[u8]) -> Vec<u8> {
    let mut body = vec![0x9c, 0x40, 0, 80];
    let (protocol, field) = match is_tcp {
        true => (6, 16),
        false => (17, 6),
    };
    body.resize(if is_tcp { 20 } else { 8 }, 0);
    if is_tcp {
        body[12] = 0x50;
    } else {
        body[5] = u8::try_from(8 + data.len()).unwrap();
    }
    body.extend(data);
    let mut bytes = packet(ends, chain, protocol, &body);
    let place = usize::from(read(&bytes).transport_offset) + field;
    let mut checksum = sum(&bytes).checksum();
    if !is_tcp && checksum == [0, 0] {
        checksum = [0xff, 0xff];
    }
    bytes[place..place + 2].copy_from_slice(&checksum);
    bytes
}

/// Does an edit to as many bytes as it asks for.
fn apply(bytes: &mut [u8], rewrite: Rewrite) -> Checksum {
    let packet = read(bytes);
    let edit = Edit {
        hop_limit: HopLimit::Keep,
        rewrite: Some(rewrite),
    };
    let quoted = icmp::quoted(bytes, &packet).filter(|_| icmp::is_error_packet(&packet));
    let reach = edit.reach(&packet, quoted.as_ref()).unwrap();
    edit.apply(&mut bytes[..reach], &packet, quoted.as_ref(), Field::Whole)
        .unwrap()
}

fn to(side: Side, addr: Addr, port: u16) -> Rewrite {
    Rewrite {
        side,
        to: Endpoint {
            addr,
            port: Port::from_host(port),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn ports_are_found_behind_twelve_headers(ends in (addr(), addr()), chain in chain(16), is_tcp in any::<bool>()) {
        let body = match is_tcp {
            true => vec![0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0],
            false => vec![0x9c, 0x40, 0, 80, 0, 8, 0, 0],
        };
        let bytes = packet(&ends, &chain, if is_tcp { 6 } else { 17 }, &body);
        let found = parse(&bytes, bytes.len() as u32);
        if chain.len() > 12 {
            return Ok(prop_assert_eq!(found, Err(Malformed::Headers)));
        }
        let found = found.unwrap();
        prop_assert_eq!(usize::from(found.transport_offset), bytes.len() - body.len());
        prop_assert_eq!((found.source, found.dest), ends);
        prop_assert_eq!(found.ports, Some((Port::from_host(40000), Port::from_host(80))));
        let fragment = chain.iter().any(|(kind, _)| *kind == 44);
        prop_assert_eq!(found.fragment, if fragment { Fragment::First } else { Fragment::Whole });
        for end in 0..bytes.len() - body.len() {
            prop_assert_eq!(parse(&bytes[..end], bytes.len() as u32), Err(Malformed::Truncated));
        }
    }

    #[test]
    fn there_and_back_restores_the_packet(
        ends in (addr(), addr()), chain in chain(12), is_tcp in any::<bool>(), data in prop::collection::vec(any::<u8>(), 0..99),
        (server, port) in (addr(), any::<u16>()),
    ) {
        let original = sealed(&ends, &chain, is_tcp, &data);
        let mut bytes = original.clone();
        prop_assert_eq!(apply(&mut bytes, to(Side::Dest, server, port)), Checksum::Updated);
        prop_assert_eq!(sum(&bytes).fold(), 0xffff);
        prop_assert_eq!((read(&bytes).source, read(&bytes).dest), (ends.0, server));
        prop_assert_eq!(apply(&mut bytes, to(Side::Dest, ends.1, 80)), Checksum::Updated);
        prop_assert_eq!(bytes, original);
    }

    /// What is left to the hardware makes a message that verifies, and so does what is made here.
    #[test]
    fn a_translated_error_verifies(
        ends in (addr(), addr()), (outer, inner) in (chain(12), chain(12)), kind in 0_u8..128, (told, port) in (addr(), any::<u16>()),
        side in prop_oneof![Just(Side::Source), Just(Side::Dest)],
    ) {
        // An error in fragments is none.
        let outer: Vec<_> = outer.into_iter().filter(|(kind, _)| *kind != 44).collect();
        let mut body = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        body.extend(sealed(&(ends.1, ends.0), &inner, false, b"data"));
        let original = packet(&ends, &outer, 58, &body);
        let at = original.len() - body.len();
        let mut bytes = original.clone();
        let Checksum::Start(start) = apply(&mut bytes, to(side, told, port)) else {
            return Err(TestCaseError::fail("no checksum was asked for"));
        };
        let found = read(&bytes);
        prop_assert_eq!(start, icmp::start(&found, (found.source, found.dest)));
        let mut left = bytes.clone();
        found.store_checksum_start(&mut left, start).unwrap();
        let completed = Sum::ZERO.bytes(&left[at..]).checksum();
        let whole = start.bytes(&bytes[at..]);
        found.store_checksum(&mut bytes, whole).unwrap();
        prop_assert_eq!(&bytes[at + 2..at + 4], &completed[..]);
        prop_assert!(icmp::is_good(sum(&bytes)));
        let quoted = icmp::quoted(&bytes, &found).unwrap();
        let (ours, theirs) = match side {
            Side::Source => (found.source, quoted.flow.dest),
            Side::Dest => (found.dest, quoted.flow.source),
        };
        prop_assert_eq!((ours, theirs), (told, to(side, told, port).to));
        // Nothing but two addresses, a port and the checksum changed.
        let changed = bytes.iter().zip(&original).filter(|(one, other)| one != other).count();
        prop_assert!(changed <= 16 + 16 + 2 + 2);
        prop_assert_eq!(&bytes[HEADER..at + 2], &original[HEADER..at + 2]);
    }

    #[test]
    fn messages_for_information_are_no_errors(ends in (addr(), addr()), kind in any::<u8>(), chain in chain(3)) {
        let bytes = packet(&ends, &chain, 58, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        prop_assert_eq!(icmp::is_error_packet(&read(&bytes)), kind < 128);
        let other = packet(&ends, &chain, Protocol::ICMP.0, &[3, 0, 0, 0, 0, 0, 0, 0]);
        prop_assert!(!icmp::is_error_packet(&read(&other)));
    }
}
