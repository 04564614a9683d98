// SPDX-License-Identifier: GPL-2.0
//! Packets without ports, of protocols that follow the connection of another one.
//!
//! They go where it goes and keep it alive, but make none, and say nothing to its state machine.

use super::context::{takes_requests, PacketContext};
use super::established;
use super::outcome::Outcome;
use crate::conn::{Conn, Hash};
use ipvs::packet::{Header, Packet};
use ipvs::proto::Direction;
use linux::skb::Skb;

/// Looks for the connection that a packet follows.
#[inline(never)]
pub(super) fn receive<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    packet: &Packet,
) -> Outcome<'g> {
    let Some(flow) = packet.conn_flow() else {
        return Outcome::Accept(skb);
    };
    // A later fragment has all that is needed: no more than addresses.
    let packet = Packet {
        header: Header::Other,
        ..*packet
    };
    let conns = &context.netns.conns;
    let hash = conns.hash(&flow);
    match conns.find_hashed(&flow, hash, context.rcu) {
        Some((conn, Direction::Reply)) => reply(context, skb, &packet, conn),
        Some((conn, Direction::Original)) if takes_requests(&skb) => {
            original(context, skb, &packet, (conn, hash))
        }
        Some((_, Direction::Original)) | None => Outcome::Accept(skb),
    }
}

#[inline(never)]
fn reply<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    packet: &Packet,
    conn: Conn<'g>,
) -> Outcome<'g> {
    established::reply(context, skb, packet, conn)
}

#[inline(never)]
fn original<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    packet: &Packet,
    found: (Conn<'g>, Hash),
) -> Outcome<'g> {
    established::original(context, skb, packet, found)
}
