// SPDX-License-Identifier: GPL-2.0
//! Packets of known connections.

use super::context::PacketContext;
use super::first::First;
use super::forward::forward;
use super::outcome::Outcome;
use super::schedule::schedule;
use super::transmit;
use crate::conn::{Conn, Hash};
use crate::drops::Drop;
use ipvs::conn::reuse::{self, ReuseDecision};
use ipvs::packet::Packet;
use ipvs::proto::Direction;
use linux::clock::Jiffies;
use linux::conntrack;
use linux::skb::Skb;

/// Lets a packet of a server through to the client, as from the virtual service.
#[inline(always)]
pub(super) fn reply<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    packet: &Packet,
    conn: Conn<'g>,
) -> Outcome<'g> {
    let state = conn.state();
    let rewrite = state.method().row().reply_edit(conn.virtual_endpoint());
    if let Some(rewrite) = rewrite {
        skb = match transmit::reply(context, skb, packet, rewrite) {
            Ok(skb) => skb,
            Err(outcome) => return lost_reply(conn, outcome),
        };
    }
    context.count(&skb, conn, Direction::Reply);
    context.update_state(packet, conn, Direction::Reply);
    transmit::mark_handled(&mut skb, state, rewrite);
    Outcome::Accept(skb)
}

/// Lets a connection live on, of which a reply was lost here.
#[cold]
fn lost_reply<'g>(conn: Conn<'g>, outcome: Outcome<'g>) -> Outcome<'g> {
    conn.touch(Jiffies::now());
    outcome
}

/// Takes a packet of a known connection, unless it does not belong to it any more.
#[inline(always)]
pub(super) fn original<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    packet: &Packet,
    (conn, hash): (Conn<'g>, Hash),
) -> Outcome<'g> {
    match decide_reuse(context, &skb, packet, conn) {
        ReuseDecision::Keep => forward(context, skb, packet, conn),
        ReuseDecision::Reschedule => reschedule(context, skb, packet, (conn, hash)),
        ReuseDecision::ExpireAndDrop => {
            conn.end();
            Outcome::Drop(skb, Drop::Tracked)
        }
        ReuseDecision::Drop => Outcome::Drop(skb, Drop::ServerGone),
    }
}

/// Takes a packet that was found to belong to a connection as the first of another, unless it can only
/// follow one.
///
/// The old connection still counts while the server of the new one is chosen, and ends then.
#[inline(never)]
fn reschedule<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    packet: &Packet,
    (conn, hash): (Conn<'g>, Hash),
) -> Outcome<'g> {
    let outcome = match packet.flow() {
        Some(flow) => schedule(context, skb, &First { packet, flow, hash }),
        None => Outcome::Accept(skb),
    };
    conn.end_quietly();
    outcome
}

#[inline(always)]
fn decide_reuse<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    packet: &Packet,
    conn: Conn<'g>,
) -> ReuseDecision {
    let server = match conn.server(context.rcu) {
        None => reuse::Server::None,
        Some(dest) if !dest.is_available() => reuse::Server::Gone,
        Some(dest) if dest.weight() == 0 => reuse::Server::Draining,
        Some(_) => reuse::Server::Alive,
    };
    let config = &context.netns.config;
    let input = reuse::ReuseInput {
        transport: conn.transport(),
        header: packet.header,
        conn: conn.state(),
        server,
        is_tracked: conntrack::is_confirmed(skb),
        reuse_mode: config.conn_reuse_mode.get(),
        expires_gone: config.expire_nodest_conn.is_on(),
    };
    reuse::decide(&input, || conn.controller(context.rcu).is_some())
}
