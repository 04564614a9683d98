// SPDX-License-Identifier: GPL-2.0
//! Headers: what the parsers say of any bytes is what the standards say.

use crate::api;
use crate::input::Input;
use crate::slow::headers::{read, read_in, Facts, Fault, Seen};
use ipvs::addr::{Endpoint, Port};
use ipvs::packet::checksum::{Field, Sum};
use ipvs::packet::{parse, parse_plain, parse_quoted, parse_simple, Malformed, Packet, Side};
use ipvs::xmit::{Edit, HopLimit, Rewrite};

/// The first byte says what length the buffer is said to have; the rest is the packet.
pub fn run(bytes: &[u8]) {
    let mut input = Input::of(bytes);
    let kind = input.below(4);
    let number = if kind > 1 { input.u32() } else { 0 };
    let head = input.rest(4096);
    let length = match kind {
        0 => head.len() as u32,
        1 => 0x1_0000,
        2 => head.len() as u32 + number % 256,
        _ => number,
    };
    check_whole(&head, length);
    check_quoted(&head);
    check_plain(&head, length);
}

fn check_whole(head: &[u8], length: u32) {
    let packet = parse(head, length);
    assert_same(packet, read_in(head, length));
    if let Ok(packet) = packet {
        check_parts(&packet, head, &read(head).expect("a packet"));
        check_edits(&packet, head);
        let length = packet.length - u32::from(packet.transport_offset);
        assert_eq!(packet.transport_length(), length);
    }
}

fn check_quoted(head: &[u8]) {
    assert_same(parse_quoted(head), read(head));
}

/// The short way agrees with the long one, and is taken by every packet that it is for.
fn check_plain(head: &[u8], length: u32) {
    let plain = parse_plain(head, length);
    let says_length = read(head).is_ok_and(|facts| facts.length > 0);
    let is_plain = says_length
        && read_in(head, length).is_ok_and(|facts| {
            let is_whole = facts.fragment == Some((0, false));
            let is_read = matches!(facts.protocol, 6 | 17) && facts.header != Seen::Nothing;
            facts.version == 4 && facts.transport == 20 && is_whole && is_read
        });
    assert_eq!(plain.is_some(), is_plain);
    let simple = parse_simple(head, length);
    assert!(simple.is_some() || plain.is_none());
    for packet in [plain, simple].into_iter().flatten() {
        assert_eq!(Ok(packet), parse(head, length));
    }
}

/// What is said of a part is what is said of the whole.
fn check_parts(packet: &Packet, head: &[u8], facts: &Facts) {
    assert_eq!(packet.addr(Side::Source), packet.source);
    assert_eq!(packet.addr(Side::Dest), packet.dest);
    let ports = [Side::Source, Side::Dest].map(|side| packet.port(side));
    let (source, dest) = packet.ports.unzip();
    assert_eq!(ports, [source, dest]);
    assert!([Side::Source, Side::Dest]
        .iter()
        .all(|side| side.other() != *side));
    let flow = packet.flow();
    assert_eq!(flow.is_some(), packet.ports.is_some());
    if let Some(flow) = flow {
        let ends = (flow.source.addr, flow.dest.addr);
        assert_eq!(ends, (packet.source, packet.dest));
        assert_eq!(
            (Some(flow.source.port), Some(flow.dest.port)),
            (source, dest)
        );
        assert_eq!(flow.transport.protocol(), packet.protocol);
    }
    if let Some(end) = packet.headers_end() {
        assert!(end >= usize::from(packet.transport_offset) && end <= head.len());
    }
    api::assert_same_conn(packet.conn_flow(), packet, facts);
}

/// Only a transport header that is there is edited, and it gets only a checksum of its protocol.
fn check_edits(packet: &Packet, head: &[u8]) {
    let facts = read(head).expect("a packet");
    let is_there = |protocols: &[u8]| {
        let is_read = !matches!(facts.header, Seen::Nothing | Seen::NotLookedInto);
        is_read && protocols.contains(&facts.protocol)
    };
    let edit = Edit {
        hop_limit: HopLimit::Keep,
        rewrite: Some(Rewrite {
            side: Side::Dest,
            to: Endpoint {
                addr: packet.source,
                port: Port::ANY,
            },
        }),
    };
    // What is not looked into has no ports: its address changes alone.
    let has_no_ports = facts.header == Seen::NotLookedInto;
    let reach = edit.reach(packet, None);
    assert_eq!(reach.is_some(), facts.header != Seen::Nothing);
    let mut bytes = head[..reach.unwrap_or(head.len())].to_vec();
    let done = edit.apply(&mut bytes, packet, None, Field::Whole);
    assert_eq!(done.is_some(), has_no_ports || is_there(&[6, 17, 132]));
    let stored = packet.store_checksum(&mut bytes, Sum::ZERO);
    assert_eq!(stored.is_some(), is_there(&[1, 17, 58]));
    let stored = packet.store_checksum_start(&mut bytes, Sum::ZERO);
    assert_eq!(stored.is_some(), is_there(&[1, 58]));
    let stored = packet.store_crc(&mut bytes, 0);
    assert_eq!(stored.is_some(), is_there(&[132]));
    let says_nothing = matches!(facts.header, Seen::Chunks(chunks) if chunks.said == "nothing");
    let is_complete = facts.header != Seen::Nothing && !says_nothing;
    assert_eq!(packet.header.is_complete(), is_complete);
}

/// Compares an answer with the facts.
#[track_caller]
fn assert_same(packet: Result<Packet, Malformed>, facts: Result<Facts, Fault>) {
    match (packet, facts) {
        (Ok(packet), Ok(facts)) => api::assert_same(packet, &facts),
        (Err(error), Err(fault)) => assert_eq!(error, api::error(fault)),
        (packet, facts) => panic!("{packet:?} instead of {facts:?}"),
    }
}
