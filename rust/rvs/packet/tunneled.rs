// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about outer packets.
//!
//! Routers on the way to a server, or the server itself, tell this host of them, and this host tells the
//! client of the packet inside.

use super::context::{takes_requests, PacketContext};
use super::outcome::Outcome;
use super::transmit;
use crate::conn::Conn;
use crate::dest::Dest;
use crate::drops::Drop;
use ipvs::addr::Family;
use ipvs::packet::icmp::Quoted;
use ipvs::packet::outer::{self, Inside};
use ipvs::packet::Packet;
use ipvs::proto::Direction;
use ipvs::xmit::Way;
use linux::rcu::Borrow;
use linux::skb::{Skb, PEEK};

/// Takes an error about an outer packet that this host sent; `quoted` is what was found in it.
///
/// # Errors
///
/// What became of it.
#[inline(never)]
pub(super) fn receive<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    (error, quoted): (&Packet, Option<&Quoted>),
) -> Result<Skb<'g>, Outcome<'g>> {
    // Errors of IPv6 pass, as with C.
    let may_be_outer = error.family() == Family::V4 && outer::may_be_quoted(quoted);
    if !may_be_outer || !takes_requests(&skb) || !skb.has_local_route() {
        return Ok(skb);
    }
    let Some(inside) = read(&mut skb, error) else {
        return Ok(skb);
    };
    let Some((conn, dest)) = find(context, &inside) else {
        return Ok(skb);
    };
    if !transmit::is_error_good(&skb, error) {
        return Err(Outcome::Drop(skb, Drop::Checksum));
    }
    Err(notify_client(context, skb, &inside, (conn, dest)))
}

/// Reads what an error quotes, in place if all of it lies there, else from a copy.
fn read(skb: &mut Skb<'_>, error: &Packet) -> Option<Inside> {
    let head = skb.head();
    match head.len() < skb.len() as usize {
        true => read_copy(skb, error),
        false => outer::inside(head, error),
    }
}

#[inline(never)]
fn read_copy(skb: &mut Skb<'_>, error: &Packet) -> Option<Inside> {
    outer::inside(skb.peek(&mut [0; PEEK]), error)
}

/// Returns the connection of the inner packet, if it is with the server that the outer one went to, and
/// in the way that the server is set up for.
fn find<'g>(context: PacketContext<'g>, inside: &Inside) -> Option<(Conn<'g>, Borrow<'g, Dest>)> {
    let (conn, direction) = context.netns.conns.find(&inside.flow, context.rcu)?;
    let dest = conn.server(context.rcu)?;
    let tunnel = dest.tunnel();
    let is_set_up = dest.is_available() && dest.method().row().way == Way::Wrap;
    let is_same = dest.key().addr == inside.server
        && (tunnel.kind, tunnel.port) == (inside.kind, inside.port);
    (direction == Direction::Original && is_set_up && is_same).then_some((conn, dest))
}

/// Sends the client of the packet what the error says of the outer one, and keeps in mind how much fits.
fn notify_client<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    inside: &Inside,
    (conn, dest): (Conn<'g>, Borrow<'g, Dest>),
) -> Outcome<'g> {
    let mut error = inside.error;
    let mut quoted = match skb.quoted(inside.outer) {
        Ok(quoted) => quoted,
        Err(skb) => return Outcome::Free(skb, Drop::NoMemory),
    };
    if let Some(mtu) = error.mtu() {
        quoted.update_route(mtu);
        if !inside.dont_fragment {
            return Outcome::Taken(quoted.free());
        }
        let mtu = dest.route.last_mtu(context.rcu).unwrap_or(mtu);
        error = error.with_mtu(outer::mtu_inside(mtu, inside));
    }
    if quoted.advance(inside.inner) {
        quoted.notify_sender(error.kind, error.code, error.rest);
        context.count_bytes(quoted.len(), conn, Direction::Reply);
    }
    Outcome::Taken(quoted.free())
}
