// SPDX-License-Identifier: GPL-2.0
//! Requests and their replies: for every method the client gets what it expects.
//!
//! A checksum is afterwards as right, or as wrong, as it was before.

use crate::api::{finish, methods, Output, ANY_OUTPUT};
use crate::input::Input;
use crate::packets::{Seal, Whole};
use crate::slow::edit::{hops, put_end, take_hop, turn};
use crate::slow::{rows, sum};
use ipvs::addr::{Endpoint, Family, Port};
use ipvs::packet::checksum::Field;
use ipvs::packet::{parse, Packet, Side};
use ipvs::xmit::{Edit, HopLimit, Method, Rewrite};

/// The two ends that a client sees, and the server behind.
#[derive(Clone, Copy)]
struct Ends {
    client: Endpoint,
    service: Endpoint,
    server: Endpoint,
}

/// A packet on its way, and what its checksum is.
struct Sent {
    whole: Whole,
    seal: Seal,
    hop_limit: HopLimit,
    output: Output,
}

/// Asks about all methods with one packet.
pub fn run(bytes: &[u8]) {
    let mut input = Input::of(bytes);
    let family = input.family();
    let seal = Seal::of(&mut input);
    let hop_limit = input.one_of(&[HopLimit::Keep, HopLimit::Decrement]);
    let kinds = input.byte();
    let output = Output {
        is_many: kinds & 2 != 0,
        makes_crc: kinds & 4 != 0,
    };
    let mut end = || input.endpoint(family);
    let mut ends = Ends {
        client: end(),
        service: end(),
        server: end(),
    };
    let mut whole = Whole::new(&mut input, (ends.client, ends.service));
    let seal = whole.seal(seal);
    if kinds & 1 != 0 {
        ends.server = zeroing(&whole, ends.server);
    }
    for method in methods() {
        let whole = whole.clone();
        let request = Sent {
            whole,
            seal,
            hop_limit,
            output,
        };
        check_shorter(&request, method, ends);
        check_other_family(&request, method, ends);
        check_method(request, method, ends);
    }
}

/// Returns a server with another port: with it the right checksum of a packet becomes zero, of which
/// there are two.
fn zeroing(whole: &Whole, server: Endpoint) -> Endpoint {
    let mut there = whole.clone();
    put_end(&mut there, Side::Dest, server, Seal::Right, ANY_OUTPUT);
    let Some(field) = there.present() else {
        return server;
    };
    let port = sum::plus(server.port.bytes(), u16::from_be_bytes(field).into());
    Endpoint {
        port: Port::from_bytes(port),
        ..server
    }
}

/// A server of the other family is refused, as it does not fit into the header.
fn check_other_family(request: &Sent, method: Method, ends: Ends) {
    let addr = match ends.server.addr.family() {
        Family::V4 => Family::V6.unspecified(),
        Family::V6 => Family::V4.unspecified(),
    };
    let rewrite = method.row().original_edit(Endpoint {
        addr,
        ..ends.server
    });
    let edit = Edit {
        hop_limit: HopLimit::Keep,
        rewrite,
    };
    let (mut bytes, packet) = (request.whole.bytes.clone(), read(&request.whole));
    let done = edit.apply(&mut bytes, &packet, None, Field::Whole);
    assert_eq!(done.is_some(), rewrite.is_none());
}

/// Sends a request to the server and all of it back.
fn check_method(request: Sent, method: Method, ends: Ends) {
    let row = method.row();
    let rewrites = rows::of(method).rewrites;
    let to_server = rewrites.then_some((Side::Dest, ends.server));
    let edit = row.original_edit(ends.server);
    let Some(mut reply) = check_edit(&request, edit, to_server) else {
        return;
    };
    turn(&mut reply.whole, reply.seal);
    let to_client = rewrites.then_some((Side::Source, ends.service));
    let edit = row.reply_edit(ends.service);
    if let Some(reply) = check_edit(&reply, edit, to_client) {
        check_round(request, reply);
    }
}

/// The reply is the request turned round, but for the hops that it took.
fn check_round(request: Sent, reply: Sent) {
    let mut expected = request.whole;
    // A checksum that was missing may have been made on the way.
    turn(&mut expected, reply.seal);
    for _ in hops(&reply.whole)..hops(&expected) {
        take_hop(&mut expected);
    }
    reply.whole.assert_same(&expected);
}

/// Edits a packet; returns what became of it, if it has a hop left.
fn check_edit(sent: &Sent, rewrite: Option<Rewrite>, to: Option<(Side, Endpoint)>) -> Option<Sent> {
    let hop_limit = sent.hop_limit;
    let edit = Edit { hop_limit, rewrite };
    assert_eq!(rewrite.map(|rewrite| (rewrite.side, rewrite.to)), to);
    let (mut whole, packet) = (sent.whole.clone(), read(&sent.whole));
    let reach = edit.reach(&packet, None).expect("a transport header");
    let field = match sent.seal {
        Seal::Partial => Field::Partial,
        Seal::Right | Seal::Off(_) | Seal::Absent => Field::Whole,
    };
    // No more bytes than were asked for, as in the kernel.
    let head = whole.bytes.get_mut(..reach).expect("within the packet");
    let done = edit.apply(head, &packet, None, field);
    let takes_hop = hop_limit == HopLimit::Decrement;
    if takes_hop && hops(&sent.whole) == 0 {
        assert_eq!((done, &whole), (None, &sent.whole));
        return None;
    }
    let done = done.expect("all that it needs");
    finish(done, &packet, &mut whole.bytes, sent.output);
    let (mut expected, mut seal) = (sent.whole.clone(), sent.seal);
    if takes_hop {
        take_hop(&mut expected);
    }
    if let Some((side, end)) = to {
        seal = put_end(&mut expected, side, end, seal, sent.output);
    }
    whole.assert_same(&expected);
    Some(Sent {
        whole,
        seal,
        ..*sent
    })
}

/// Too few bytes are neither overrun nor taken for enough.
fn check_shorter(request: &Sent, method: Method, ends: Ends) {
    let edit = Edit {
        hop_limit: request.hop_limit,
        rewrite: method.row().original_edit(ends.server),
    };
    let packet = read(&request.whole);
    let reach = edit.reach(&packet, None).expect("a transport header");
    for length in 0..reach {
        let mut bytes = request.whole.bytes[..length].to_vec();
        let done = edit.apply(&mut bytes, &packet, None, Field::Whole);
        let needed = match (edit.rewrite, edit.hop_limit) {
            (Some(_), _) => match request.whole.present() {
                Some(_) => request.whole.field().map_or(0, |field| field.end),
                None => request.whole.transport + 4,
            },
            (None, HopLimit::Decrement) => 8,
            (None, HopLimit::Keep) => 0,
        };
        assert!(done.is_none() || length >= needed);
    }
}

fn read(whole: &Whole) -> Packet {
    let packet = parse(&whole.bytes, whole.bytes.len() as u32).expect("a whole packet");
    assert_eq!(usize::from(packet.transport_offset), whole.transport);
    packet
}
