// SPDX-License-Identifier: GPL-2.0
//! What a packet is looked at with: its namespace, and the section that keeps what is found.

use super::outcome::Outcome;
use crate::conn::Conn;
use crate::netns::Netns;
use crate::stats;
use ipvs::packet::{Header, Packet};
use ipvs::proto::{Direction, Event};
use linux::clock::Jiffies;
use linux::inet::Point;
use linux::net::Net;
use linux::rcu::Reader;
use linux::skb::Skb;

/// What a packet is looked at with.
#[derive(Clone, Copy)]
pub(crate) struct PacketContext<'g> {
    /// The namespace that the packet passes.
    pub(crate) net: &'g Net,
    /// Its state.
    pub(crate) netns: &'g Netns,
    /// The read section of the hook.
    pub(crate) rcu: Reader<'g>,
}

impl<'g> PacketContext<'g> {
    /// Counts a packet of a connection whose server was not removed.
    #[inline(always)]
    pub(super) fn count(self, skb: &Skb<'g>, conn: Conn<'g>, direction: Direction) {
        self.count_bytes(skb.len(), conn, direction);
    }

    /// The same for a packet of so many bytes.
    #[inline(always)]
    pub(super) fn count_bytes(self, bytes: u32, conn: Conn<'g>, direction: Direction) {
        if let Some(dest) = conn.server(self.rcu).filter(|dest| dest.is_available()) {
            stats::packet(&dest.stats, &self.netns.stats, direction, bytes);
        }
    }

    /// Moves the state machine of a connection and gives it its time.
    ///
    /// A header that is cut off, or not looked into, says nothing but that the connection is used.
    #[inline(always)]
    pub(super) fn update_state(self, packet: &Packet, conn: Conn<'g>, direction: Direction) {
        if !packet.header.is_complete() || packet.header == Header::Other {
            return conn.touch(Jiffies::now());
        }
        let config = &self.netns.config;
        let event = Event {
            direction,
            header: packet.header,
            guard: config.guard(),
        };
        conn.update_state(&event, &config.timeouts.get(), Jiffies::now(), self.rcu);
    }

    /// Lets a packet through that cannot be of a connection, and what it may carry as well when
    /// `ignore_tunneled` is set.
    pub(super) fn pass_unrelated(self, mut skb: Skb<'g>) -> Outcome<'g> {
        if takes_requests(&skb) && self.netns.config.ignore_tunneled.is_on() {
            skb.set_handled();
        }
        Outcome::Accept(skb)
    }
}

/// Returns whether requests are taken up where the packet is.
pub(super) fn takes_requests(skb: &Skb<'_>) -> bool {
    match skb.point() {
        Point::LocalIn => skb.is_to_host(),
        Point::LocalOut => true,
        Point::Forward => false,
    }
}

/// Returns whether a packet matches nothing whatever is in it.
#[inline]
pub(super) fn should_skip(skb: &Skb<'_>) -> bool {
    skb.is_handled() || !skb.has_route() || (skb.point() == Point::LocalOut && skb.is_nodefrag())
}
