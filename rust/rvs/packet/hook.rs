// SPDX-License-Identifier: GPL-2.0
//! A packet in a hook, from the packet to the verdict.
//!
//! One look-up tells whether a packet is of the original direction or a reply, because a connection
//! is found from either side. A packet that matches no connection and no service is accepted
//! unchanged.
//!
//! No lock is held here, and sending runs these hooks again inside themselves.

use super::context::{should_skip, takes_requests, PacketContext};
use super::established::{original, reply};
use super::first::First;
use super::follower;
use super::icmp;
use super::outcome::Outcome;
use super::read::{is_of_hook, read, reassemble};
use super::stray;
use crate::drops::Drop;
use crate::netns::Netns;
use ipvs::packet::{self, Fragment, Packet};
use ipvs::proto::{Direction, Role};
use linux::net::Net;
use linux::netfilter::PacketHook;
use linux::rcu::Reader;
use linux::skb::{Skb, Verdict};

/// What netfilter calls.
pub(crate) struct Packets;

impl PacketHook for Packets {
    #[inline]
    fn packet<'g>(net: &'g Net, skb: Skb<'g>, rcu: Reader<'g>) -> Verdict {
        if should_skip(&skb) {
            return skb.accept();
        }
        let Some(netns) = Netns::of(net, rcu) else {
            return skb.accept();
        };
        let netns = netns.get();
        let context = PacketContext { net, netns, rcu };
        verdict(netns, receive(context, skb))
    }
}

/// Makes the verdict, and counts a packet that was dropped.
#[inline(always)]
fn verdict(netns: &Netns, outcome: Outcome<'_>) -> Verdict {
    let (verdict, reason) = match outcome {
        Outcome::Accept(skb) => return skb.accept(),
        Outcome::Taken(verdict) => return verdict,
        Outcome::Lost(verdict, reason) => (verdict, reason),
        Outcome::Drop(skb, reason) => (skb.discard(), reason),
        Outcome::Free(skb, reason) => (skb.free(), reason),
    };
    netns.drops.count(reason);
    verdict
}

/// Takes a short way with plain packets: it is compiled for them alone.
#[inline]
fn receive<'g>(context: PacketContext<'g>, skb: Skb<'g>) -> Outcome<'g> {
    match packet::parse_plain(skb.head(), skb.len()) {
        Some(packet) if is_of_hook(&skb, &packet) => transport(context, skb, &packet),
        _ => receive_any(context, skb),
    }
}

#[inline(never)]
fn receive_any<'g>(context: PacketContext<'g>, mut skb: Skb<'g>) -> Outcome<'g> {
    let Some(mut packet) = read(&mut skb) else {
        return Outcome::Accept(skb);
    };
    let role = |packet: &Packet| Role::of(packet.family(), packet.protocol);
    if packet.fragment != Fragment::Whole && role(&packet).needs_whole() {
        (skb, packet) = match reassemble(skb) {
            Ok(whole) => whole,
            Err(outcome) => return outcome,
        };
    }
    match role(&packet) {
        Role::Transport(_) => transport_any(context, skb, &packet),
        Role::Icmp => icmp::receive(context, skb, &packet),
        Role::Follower => follower::receive(context, skb, &packet),
        Role::Other => context.pass_unrelated(skb),
    }
}

/// The same for packets that are not plain.
#[inline(never)]
fn transport_any<'g>(context: PacketContext<'g>, skb: Skb<'g>, packet: &Packet) -> Outcome<'g> {
    transport(context, skb, packet)
}

/// Looks for the connection that a packet with ports belongs to.
#[inline(always)]
fn transport<'g>(context: PacketContext<'g>, skb: Skb<'g>, packet: &Packet) -> Outcome<'g> {
    let Some(flow) = packet.flow() else {
        return without_ports(skb, packet);
    };
    let conns = &context.netns.conns;
    let hash = conns.hash(&flow);
    match conns.find_hashed(&flow, hash, context.rcu) {
        Some((conn, Direction::Reply)) => reply(context, skb, packet, conn),
        Some((conn, Direction::Original)) if takes_requests(&skb) => {
            original(context, skb, packet, (conn, hash))
        }
        Some((_, Direction::Original)) | None => {
            stray::receive(context, skb, &First { packet, flow, hash })
        }
    }
}

/// Takes a packet whose ports are not there: of a later fragment they need not be.
#[cold]
fn without_ports<'g>(skb: Skb<'g>, packet: &Packet) -> Outcome<'g> {
    match packet.fragment {
        Fragment::Whole | Fragment::First if takes_requests(&skb) => {
            Outcome::Drop(skb, Drop::Truncated)
        }
        Fragment::Whole | Fragment::First | Fragment::Later => Outcome::Accept(skb),
    }
}
