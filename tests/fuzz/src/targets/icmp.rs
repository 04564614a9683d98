// SPDX-License-Identifier: GPL-2.0
//! ICMP errors: which packet they quote, and what becomes of them on the way to the other side.

use super::quoted::check as quoted_inside;
use crate::api::{self, finish};
use crate::input::Input;
use crate::packets::{Network, Seal, Whole};
use crate::slow::edit::addr_place;
use crate::slow::icmp as slow;
use ipvs::addr::{Endpoint, Family, Port};
use ipvs::packet::checksum::{Field, Sum};
use ipvs::packet::icmp::{ends_early, is_error_packet, is_good, quoted};
use ipvs::packet::{parse, Packet, Side};
use ipvs::xmit::{Edit, HopLimit, Rewrite};

/// Asks about one error, which quotes a packet or anything.
pub fn run(bytes: &[u8]) {
    let mut input = Input::of(bytes);
    let family = input.family();
    let side = input.one_of(&[Side::Source, Side::Dest]);
    let to = input.endpoint(family);
    let (meets, off) = (input.flag(), u32::from(input.byte()) + 1);
    let network = {
        let addr = input.addr(family);
        Network::new(&mut input, (addr, addr))
    };
    let mut message = input.bytes(8);
    let is_packet = input.flag();
    message.extend(match is_packet {
        true => quotation(&mut input, family),
        false => input.rest(256),
    });
    let mut whole = Whole::wrap(network, api::icmp(family), &message);
    if meets {
        meet(&mut whole, side);
    }
    check_good(&mut whole, off);
    check_prefixes(&whole);
    quoted_inside(&whole);
    check(&whole, Rewrite { side, to }, is_packet && meets);
}

/// A packet, or as much of it as is quoted.
fn quotation(input: &mut Input<'_>, family: Family) -> Vec<u8> {
    let (source, dest) = (input.endpoint(family), input.endpoint(family));
    let cut = usize::from(input.byte());
    let mut whole = Whole::new(input, (source, dest));
    whole.seal(Seal::Right);
    whole.bytes.truncate(cut.max(20));
    whole.bytes
}

/// Lets the error come from, or go to, an end of the packet that it quotes.
fn meet(whole: &mut Whole, side: Side) {
    let Some((_, facts)) = slow::quoted(whole) else {
        return;
    };
    let addr = match side {
        Side::Source => facts.dest,
        Side::Dest => facts.source,
    };
    whole.bytes[addr_place(whole.family, side)].copy_from_slice(&addr);
    whole.renew_network();
}

/// The beginning of an error that does not end early tells what all of it tells.
fn check_prefixes(whole: &Whole) {
    let Ok(error) = parse(&whole.bytes, whole.bytes.len() as u32) else {
        return;
    };
    let flow = |head: &[u8]| quoted(head, &error).map(|quoted| quoted.flow);
    for end in 0..=whole.bytes.len() {
        let head = &whole.bytes[..end];
        if !ends_early(head, &error) {
            assert_eq!(flow(head), flow(&whole.bytes));
        }
    }
}

/// A right checksum is taken for one, and no other.
fn check_good(whole: &mut Whole, off: u32) {
    for (seal, is_right) in [(Seal::Off(off), false), (Seal::Right, true)] {
        whole.seal(seal);
        let start = Sum::ZERO.bytes(&whole.pseudo_header());
        let sum = start.bytes(&whole.bytes[whole.transport..]);
        assert_eq!(is_good(sum), is_right);
    }
}

fn check(whole: &Whole, rewrite: Rewrite, returns: bool) {
    let packet = read(whole);
    let kind = whole.bytes[whole.transport];
    assert_eq!(is_error_packet(&packet), slow::is_error(whole.family, kind));
    let facts = slow::quoted(whole);
    let found = quoted(&whole.bytes, &packet);
    assert_eq!(found.is_some(), facts.is_some());
    if let (Some(found), Some((place, facts))) = (found, &facts) {
        assert_eq!(usize::from(found.offset), *place);
        api::assert_same(found.packet, facts);
        api::assert_same_conn(Some(found.flow), &found.packet, facts);
    }
    let Some(facts) = facts else {
        return;
    };
    let mut expected = whole.clone();
    slow::put_end(&mut expected, &facts, rewrite.side, rewrite.to);
    let mut there = whole.clone();
    translate(&mut there, rewrite);
    there.assert_same(&expected);
    if returns {
        let (source, dest) = facts.1.ports.unwrap_or_default();
        let (addr, port) = match rewrite.side {
            Side::Source => (packet.source, dest),
            Side::Dest => (packet.dest, source),
        };
        let port = Port::from_host(port);
        let to = Endpoint { addr, port };
        translate(&mut there, Rewrite { to, ..rewrite });
        there.assert_same(whole);
    }
}

/// Does what the kernel's side does with an error.
fn translate(whole: &mut Whole, rewrite: Rewrite) {
    let packet = read(whole);
    let quoted = quoted(&whole.bytes, &packet).expect("it quotes a packet");
    let edit = Edit {
        hop_limit: HopLimit::Keep,
        rewrite: Some(rewrite),
    };
    let reach = edit.reach(&packet, Some(&quoted)).expect("all headers");
    assert_eq!(reach, quoted.headers_end());
    let head = whole.bytes.get_mut(..reach).expect("within the packet");
    let done = edit.apply(head, &packet, Some(&quoted), Field::Whole);
    let done = done.expect("all that it needs");
    finish(done, &packet, &mut whole.bytes, api::ANY_OUTPUT);
}

fn read(whole: &Whole) -> Packet {
    parse(&whole.bytes, whole.bytes.len() as u32).expect("a whole packet")
}
