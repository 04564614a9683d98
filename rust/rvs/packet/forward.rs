// SPDX-License-Identifier: GPL-2.0
//! A packet of a client on its way to the server of its connection.

use super::context::PacketContext;
use super::dispatch;
use super::outcome::Outcome;
use super::transmit::Transmit;
use crate::conn::Conn;
use ipvs::packet::Packet;
use ipvs::proto::Direction;
use linux::skb::Skb;

/// Sends a packet of a client to its server.
#[inline(always)]
pub(super) fn forward<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    packet: &Packet,
    conn: Conn<'g>,
) -> Outcome<'g> {
    context.count(&skb, conn, Direction::Original);
    context.update_state(packet, conn, Direction::Original);
    conn.count_packet();
    dispatch::original(context, skb, &Transmit::new(packet, conn))
}
