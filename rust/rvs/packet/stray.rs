// SPDX-License-Identifier: GPL-2.0
//! Packets with ports that belong to no connection, or not where they are.
//!
//! A server's packet of no connection can be turned back (`nat_icmp_send`): the server learns that the
//! connection is over, and no client sees its address.

use super::context::{takes_requests, PacketContext};
use super::first::First;
use super::from_server::{self, find_server};
use super::outcome::Outcome;
use super::schedule::schedule;
use crate::drops::Drop;
use ipvs::flow::Flow;
use ipvs::packet::Header;
use linux::icmp;
use linux::skb::Skb;

/// Turns a server's packet back if that is set, or lets a service have it.
#[inline(never)]
pub(super) fn receive<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    first: &First<'_>,
) -> Outcome<'g> {
    if from_server::may_begin(context, &skb, &first.flow) {
        skb = match from_server::receive(context, skb, first) {
            Ok(outcome) => return outcome,
            Err(skb) => skb,
        };
    }
    if is_turned_back(context, &first.flow, first.packet.header) {
        icmp::send(&mut skb, icmp::Error::PortUnreachable);
        return Outcome::Drop(skb, Drop::Stray);
    }
    match takes_requests(&skb) {
        true => schedule(context, skb, first),
        false => Outcome::Accept(skb),
    }
}

fn is_turned_back(context: PacketContext<'_>, flow: &Flow, header: Header) -> bool {
    context.netns.config.nat_icmp_send.is_on()
        && !flow.transport.is_abort(header)
        && find_server(context, flow).is_some()
}
