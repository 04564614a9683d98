// SPDX-License-Identifier: GPL-2.0
//! Tunnels: what the server unwraps is the packet that was wrapped, with a right checksum.
//!
//! The outer headers are read as the standards say: RFC 2003, RFC 2473, RFC 2784, RFC 3168 and the
//! draft of GUE. What output and hardware fill in is filled in here.

use super::quoted;
use crate::api::{icmp, octets};
use crate::input::Input;
use crate::packets::{Network, Seal, Whole};
use crate::slow::edit::hops;
use crate::slow::headers::read;
use crate::slow::sum;
use ipvs::addr::{Endpoint, Family, Port};
use ipvs::service::TunnelSettings;
use ipvs::xmit::tunnel::{Ends, Left, Load, Outer, Partial, Tunnel};

/// A packet and the way that it goes.
struct Way {
    inner: Whole,
    tos: u8,
    seal: Seal,
    is_gso: bool,
    outer: Family,
    settings: TunnelSettings,
    ends: Ends,
}

/// Sends one packet through one tunnel.
pub fn run(bytes: &[u8]) {
    let mut input = Input::of(bytes);
    let way = way(&mut input);
    let partial = partial(&way);
    let tunnel = Tunnel::new(way.outer, way.settings, partial.is_some());
    let mtu = input.u16().into();
    let load = Load {
        head: &way.inner.bytes,
        length: way.inner.bytes.len() as u32,
        partial,
        is_gso: way.is_gso,
    };
    let outer = Outer::new(tunnel, &load, &way.ends).expect("ends of the family");
    let front = outer.bytes().to_vec();
    assert_eq!(front.len(), usize::from(tunnel.overhead()));
    check_room(tunnel, mtu, front.len() as u32);
    check_refused(tunnel, load, &way);
    let sent = sent(&way, front, outer.left);
    check_network(&way, &sent);
    let received = unwrapped(&way, &sent);
    let mut expected = way.inner.clone();
    if way.seal == Seal::Partial {
        expected.seal(Seal::Right);
    }
    assert_eq!(received, expected.bytes);
    check_error(&way, &sent, &mut input);
}

/// An error about the outer packet tells of the inner one, if both are of IPv4.
fn check_error(way: &Way, sent: &[u8], input: &mut Input<'_>) {
    let (router, back) = (way.ends.dest, way.ends.source);
    let network = Network::new(&mut Input::of(&[]), (router, back));
    let mut message = input.bytes(8);
    message.extend(sent);
    let error = Whole::wrap(network, icmp(way.outer), &message);
    let found = quoted::check(&error);
    let are_of_ipv4 = way.outer == Family::V4 && way.inner.family == Family::V4;
    assert_eq!(found.is_some(), are_of_ipv4 && way.inner.has_ports());
    if let Some(found) = found {
        let place = found.places.0 + found.places.1;
        assert_eq!(place + way.inner.bytes.len(), error.bytes.len());
        assert_eq!(found.server, octets(way.ends.dest));
    }
}

fn way(input: &mut Input<'_>) -> Way {
    let (outer, family) = (input.family(), input.family());
    let kinds = input.byte();
    let settings = TunnelSettings {
        kind: input.byte() % 4,
        port: Port::from_host(input.u16()),
        flags: (input.byte() % 4).into(),
    };
    let ends = Ends {
        source: input.addr(outer),
        dest: input.addr(outer),
        port: Port::from_host(input.u16()),
        discovers: kinds & 1 != 0,
    };
    let tos = input.byte();
    let mut end = || Endpoint {
        addr: input.addr(family),
        port: Port::from_host(input.u16()),
    };
    let pair = (end(), end());
    let mut inner = Whole::new(input, pair);
    match family {
        Family::V4 => inner.bytes[1] = tos,
        Family::V6 => [inner.bytes[0], inner.bytes[1]] = [0x60 | tos >> 4, tos << 4],
    }
    inner.renew_network();
    let has_sum = [6, 17].contains(&inner.protocol.0);
    let seal = match kinds & 2 != 0 && has_sum {
        true => Seal::Partial,
        false => Seal::Right,
    };
    let seal = inner.seal(seal);
    Way {
        inner,
        tos,
        seal,
        is_gso: kinds & 4 != 0,
        outer,
        settings,
        ends,
    }
}

fn partial(way: &Way) -> Option<Partial> {
    let field = way.inner.field().filter(|_| way.seal == Seal::Partial)?;
    Some(Partial {
        start: way.inner.transport as u16,
        field: (field.start - way.inner.transport) as u16,
    })
}

/// What of the way's room is left to the inner packet (RFC 791: 68 bytes, RFC 8200 5: 1280).
fn check_room(tunnel: Tunnel, mtu: u32, front: u32) {
    let least = if tunnel.outer == Family::V4 { 68 } else { 1280 };
    let room = mtu.checked_sub(front).filter(|room| *room >= least);
    assert_eq!(tunnel.room(mtu), room);
    for discovers in [false, true] {
        assert_eq!(Tunnel::may_cut(Family::V4, discovers), !discovers);
        assert!(!Tunnel::may_cut(Family::V6, discovers));
    }
}

/// Ends of the other family, and a packet without all of its header, are refused.
fn check_refused(tunnel: Tunnel, load: Load<'_>, way: &Way) {
    let other = match way.outer {
        Family::V4 => Family::V6.unspecified(),
        Family::V6 => Family::V4.unspecified(),
    };
    for ends in [
        Ends {
            source: other,
            ..way.ends
        },
        Ends {
            dest: other,
            ..way.ends
        },
    ] {
        assert_eq!(Outer::new(tunnel, &load, &ends), None);
    }
    let head = &load.head[..19];
    assert_eq!(Outer::new(tunnel, &Load { head, ..load }, &way.ends), None);
    let wrong = [0x50; 20];
    let head = &wrong[..];
    assert_eq!(Outer::new(tunnel, &Load { head, ..load }, &way.ends), None);
}

fn network(way: &Way) -> usize {
    if way.outer == Family::V4 {
        20
    } else {
        40
    }
}

/// Returns the field of a checksum of the tunnel itself, if it has one: in UDP, or in GRE.
fn outer_field(way: &Way) -> Option<usize> {
    let is_summed = way.settings.flags & 1 != 0;
    match way.settings.kind {
        TunnelSettings::GUE if way.settings.flags & 3 != 0 => Some(network(way) + 6),
        TunnelSettings::GRE if is_summed => Some(network(way) + 4),
        _ => None,
    }
}

/// Puts the headers in front of the packet and does what output and the hardware do.
fn sent(way: &Way, front: Vec<u8>, left: Left) -> Vec<u8> {
    let network = network(way);
    let at = front.len();
    let mut bytes = [front, way.inner.bytes.clone()].concat();
    let length = bytes.len() as u16;
    match way.outer {
        Family::V4 => {
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            let field = sum::field(&bytes[..20]);
            bytes[10..12].copy_from_slice(&field);
        }
        Family::V6 => bytes[4..6].copy_from_slice(&(length - 40).to_be_bytes()),
    }
    let is_remote = way.settings.kind == TunnelSettings::GUE && way.settings.flags & 2 != 0;
    if way.seal == Seal::Partial && !is_remote {
        let mut inner = way.inner.clone();
        inner.seal(Seal::Right);
        assert_eq!(left, Left::Inner);
        bytes[at..].copy_from_slice(&inner.bytes);
    }
    match (left, outer_field(way)) {
        // Each segment gets its own.
        (_, Some(field)) if way.is_gso => {
            bytes[field..field + 2].fill(0);
            let covered = [pseudo_header(way, &bytes), bytes[network..].to_vec()].concat();
            let sum = never_zero(way, sum::field(&covered));
            bytes[field..field + 2].copy_from_slice(&sum);
        }
        (Left::Outer(place), Some(field)) => {
            assert_eq!(network + usize::from(place), field);
            let sum = never_zero(way, sum::field(&bytes[network..]));
            bytes[field..field + 2].copy_from_slice(&sum);
        }
        (left, _) => assert_eq!(left, Left::Inner),
    }
    bytes
}

fn never_zero(way: &Way, field: [u8; 2]) -> [u8; 2] {
    match field {
        [0, 0] if way.settings.kind == TunnelSettings::GUE => [0xff, 0xff],
        field => field,
    }
}

/// Returns what the checksum of the tunnel covers besides what follows the network header.
fn pseudo_header(way: &Way, bytes: &[u8]) -> Vec<u8> {
    let (source, dest) = (octets(way.ends.source), octets(way.ends.dest));
    match way.settings.kind {
        TunnelSettings::GUE => sum::pseudo_header(&source, &dest, 17, bytes.len() - network(way)),
        _ => Vec::new(),
    }
}

/// The outer network header says what the inner one says, but for congestion that was met.
fn check_network(way: &Way, sent: &[u8]) {
    let facts = read(sent).expect("a packet");
    assert_eq!(facts.length, sent.len() as u64);
    assert_eq!(facts.transport, network(way));
    assert_eq!(
        (facts.source, facts.dest),
        (octets(way.ends.source), octets(way.ends.dest))
    );
    assert_eq!(facts.hops, hops(&way.inner));
    let inner = read(&way.inner.bytes).expect("a packet");
    if way.outer == Family::V4 {
        let is_kept = way.ends.discovers && inner.version == 4 && !inner.may_be_cut;
        assert_eq!(!facts.may_be_cut, is_kept);
        assert_eq!(sum::words(&sent[..20]), 0xffff);
    }
    let tos = match way.outer {
        Family::V4 => sent[1],
        Family::V6 => sent[0] << 4 | sent[1] >> 4,
    };
    // RFC 3168 9.1.1: the code point of met congestion becomes ECT(0).
    let expected = if way.tos % 4 == 3 {
        way.tos - 1
    } else {
        way.tos
    };
    assert_eq!(tos, expected);
}

/// Returns what the server takes out of the tunnel.
fn unwrapped(way: &Way, sent: &[u8]) -> Vec<u8> {
    let protocol = if way.outer == Family::V4 {
        sent[9]
    } else {
        sent[6]
    };
    let (number, kind) = match way.inner.family {
        Family::V4 => (4, [8, 0]),
        Family::V6 => (41, [0x86, 0xdd]),
    };
    if let Some(field) = outer_field(way) {
        let covered = [&pseudo_header(way, sent), &sent[network(way)..]].concat();
        assert_eq!(sum::words(&covered), 0xffff);
        let is_udp = way.settings.kind == TunnelSettings::GUE;
        assert!(!is_udp || sent[field..field + 2] != [0, 0]);
    }
    let rest = &sent[network(way)..];
    match way.settings.kind {
        TunnelSettings::GUE => {
            assert_eq!(protocol, 17);
            let ports = [way.ends.port.bytes(), way.settings.port.bytes()].concat();
            let length = (rest.len() as u16).to_be_bytes();
            assert_eq!((&rest[..4], &rest[4..6]), (&ports[..], &length[..]));
            assert!(outer_field(way).is_some() || rest[6..8] == [0, 0]);
            without_gue(&rest[8..], number)
        }
        TunnelSettings::GRE => {
            assert_eq!((protocol, &rest[2..4]), (47, &kind[..]));
            let is_summed = way.settings.flags & 1 != 0;
            assert_eq!(rest[..2], [if is_summed { 0x80 } else { 0 }, 0]);
            rest[if is_summed { 8 } else { 4 }..].to_vec()
        }
        _ => {
            assert_eq!(protocol, number);
            rest.to_vec()
        }
    }
}

/// Takes GUE's header off: the length of its fields is in the low bits of its first byte, in words.
/// Makes the checksum of which the private flags tell.
fn without_gue(bytes: &[u8], number: u8) -> Vec<u8> {
    let words = usize::from(bytes[0] % 32);
    assert_eq!((bytes[0] / 32, bytes[1]), (0, number));
    let mut inner = bytes[4 + words * 4..].to_vec();
    if words > 0 {
        assert_eq!((&bytes[2..8], words), (&[0, 1, 0x80, 0, 0, 0][..], 2));
        let place = |at: usize| usize::from(bytes[at]) * 256 + usize::from(bytes[at + 1]);
        let (start, field) = (place(8), place(10));
        let mut sum = sum::field(&inner[start..]);
        if field - start == 6 && sum == [0, 0] {
            sum = [0xff, 0xff];
        }
        inner[field..field + 2].copy_from_slice(&sum);
    } else {
        assert_eq!(bytes[2..4], [0, 0]);
    }
    inner
}
