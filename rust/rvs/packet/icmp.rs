// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about packets of connections.
//!
//! An error quotes the packet that caused it. Turned round, the quoted packet is one that the
//! sender of the error might have sent: its connection is the error's, and so is its direction.

use super::context::{takes_requests, PacketContext};
use super::dispatch;
use super::first::First;
use super::outcome::Outcome;
use super::schedule::{begin, Refused};
use super::transmit::{self, Transmit};
use super::tunneled;
use crate::conn::Conn;
use crate::drops::Drop;
use ipvs::packet::icmp::{self, Quoted};
use ipvs::packet::{Fragment, Header, Packet};
use ipvs::proto::{Direction, Transport};
use linux::inet::Point;
use linux::skb::{Skb, PEEK};

/// An error and the packet that it quotes.
struct ErrorPacket<'a> {
    packet: &'a Packet,
    quoted: &'a Quoted,
}

/// Looks for the connection that an ICMP error is about; other messages belong to none.
#[inline(never)]
pub(super) fn receive<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    packet: &Packet,
) -> Outcome<'g> {
    if packet.header == Header::Missing {
        return Outcome::Drop(skb, Drop::Truncated);
    }
    if !icmp::is_error_packet(packet) {
        return context.pass_unrelated(skb);
    }
    if packet.fragment != Fragment::Whole {
        // An error is short enough to be sent whole.
        return Outcome::Drop(skb, Drop::Malformed);
    }
    let quoted = read_quoted(&mut skb, packet);
    let conn = |quoted: &Quoted| {
        context
            .netns
            .conns
            .find(&quoted.flow.reversed(), context.rcu)
    };
    let found = quoted.as_ref().and_then(conn);
    if !matches!(found, Some((_, Direction::Reply))) {
        skb = match tunneled::receive(context, skb, (packet, quoted.as_ref())) {
            Ok(skb) => skb,
            Err(outcome) => return outcome,
        };
    }
    let Some(quoted) = &quoted else {
        return Outcome::Accept(skb);
    };
    let error = ErrorPacket { packet, quoted };
    match found {
        Some((conn, Direction::Reply)) => from_server(context, skb, &error, conn),
        Some((conn, Direction::Original)) if takes_errors(&skb) => {
            from_client(context, skb, &error, conn)
        }
        None if takes_errors(&skb) => from_stranger(context, skb, &error),
        Some((_, Direction::Original)) | None => Outcome::Accept(skb),
    }
}

/// Reads what an error quotes, in place if it lies there, else from a copy: its buffer is not on the
/// stack while the packet is sent.
#[inline(never)]
fn read_quoted(skb: &mut Skb<'_>, packet: &Packet) -> Option<Quoted> {
    let in_place = icmp::quoted(skb.head(), packet);
    // Most errors are short enough to be copied, which leaves fragments of IPv6 the fragments they are.
    match in_place.map_or_else(|| read_short(skb, packet), |quoted| Ok(Some(quoted))) {
        Ok(quoted) => quoted,
        Err(TooShort) => read_long(skb, packet),
    }
}

/// More bytes may tell more.
struct TooShort;

#[inline(never)]
fn read_short(skb: &mut Skb<'_>, packet: &Packet) -> Result<Option<Quoted>, TooShort> {
    let mut buffer = [0; PEEK];
    let head = skb.peek_short(&mut buffer);
    match icmp::quoted(head, packet) {
        None if icmp::ends_early(head, packet) => Err(TooShort),
        quoted => Ok(quoted),
    }
}

#[inline(never)]
fn read_long(skb: &mut Skb<'_>, packet: &Packet) -> Option<Quoted> {
    icmp::quoted(skb.peek(&mut [0; PEEK]), packet)
}

/// Lets an error of a server, or of a router on the way to it, through to the client.
#[inline(never)]
fn from_server<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    error: &ErrorPacket<'_>,
    conn: Conn<'g>,
) -> Outcome<'g> {
    let state = conn.state();
    let rewrite = state.method().row().reply_edit(conn.virtual_endpoint());
    if let Some(rewrite) = rewrite {
        skb = match transmit::error_to_client(context, skb, (error.packet, error.quoted), rewrite) {
            Ok(skb) => skb,
            Err(outcome) => return outcome,
        };
    }
    context.count(&skb, conn, Direction::Reply);
    transmit::mark_handled(&mut skb, state, rewrite);
    Outcome::Accept(skb)
}

/// Sends an error of a client, or of a router on the way to it, to the server.
#[inline(never)]
fn from_client<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    error: &ErrorPacket<'_>,
    conn: Conn<'g>,
) -> Outcome<'g> {
    if conn.method().row().rewrites && !transmit::is_error_good(&skb, error.packet) {
        return Outcome::Drop(skb, Drop::Checksum);
    }
    context.count(&skb, conn, Direction::Original);
    let transmit = Transmit {
        quoted: Some(error.quoted),
        ..Transmit::new(error.packet, conn)
    };
    dispatch::original(context, skb, &transmit)
}

/// Sends an error about what belongs to no connection to the server that a service has for a client's
/// packet, if that is set: the connection is made for the quoted packet turned round.
#[inline(never)]
fn from_stranger<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    error: &ErrorPacket<'_>,
) -> Outcome<'g> {
    let may_create = Transport::of(error.quoted.packet.protocol).is_some();
    if !may_create || !context.netns.config.schedule_icmp.is_on() {
        return Outcome::Accept(skb);
    }
    let flow = error.quoted.flow.reversed();
    let first = First {
        packet: error.packet,
        hash: context.netns.conns.hash(&flow),
        flow,
    };
    match begin(context, &skb, &first) {
        Ok(made) => from_client(context, skb, error, made.conn),
        Err(Refused::Unwanted) => Outcome::Accept(skb),
        Err(Refused::For(reason)) => Outcome::Drop(skb, reason),
    }
}

/// Returns whether errors for servers are taken up where the packet is.
fn takes_errors(skb: &Skb<'_>) -> bool {
    skb.point() == Point::Forward || takes_requests(skb)
}
