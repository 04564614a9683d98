// SPDX-License-Identifier: GPL-2.0
//! The way of a packet from top to bottom.
//!
//! One look-up tells whether a packet is an answer or a request, because a connection is found
//! from either side. What is nobody's goes on as if this module were not there.
//!
//! No lock is held here, and sending runs these hooks again inside themselves.

mod registration;
mod related;
mod schedule;

use crate::conn::{Conn, Hash};
use crate::drops::Drop;
use crate::netns::Netns;
use crate::{stats, transmit};
use ipvs::addr::Protocol;
use ipvs::packet::{self, Fragment, Packet, Transport};
use ipvs::proto::{tcp, Direction};
use ipvs::reuse::{self, Fate};
use ipvs::standing::Seen;
use ipvs::xmit::Method;
use linux::clock::Jiffies;
use linux::conntrack;
use linux::net::Net;
use linux::netfilter::{Family, PacketHook, Point};
use linux::rcu::Reader;
use linux::skb::{Skb, Verdict, PEEK};

pub(crate) use registration::Hooks;

/// What netfilter calls.
pub(crate) struct Packets;

impl PacketHook for Packets {
    #[inline]
    fn packet<'g>(net: &'g Net, skb: Skb<'g>, rcu: Reader<'g>) -> Verdict {
        if is_passed_over(&skb) {
            return skb.accept();
        }
        let Some(netns) = Netns::of(net, rcu) else {
            return skb.accept();
        };
        let netns = netns.get();
        Path { net, netns, rcu }.packet(skb)
    }
}

/// Tells whether a packet is none of ours whatever is in it.
#[inline]
fn is_passed_over(skb: &Skb<'_>) -> bool {
    skb.is_handled()
        || !skb.has_route()
        || skb.family() == Family::V6
        || (skb.point() == Point::LocalOut && skb.is_nodefrag())
}

/// Tells whether requests are taken up where the packet is.
fn takes_requests(skb: &Skb<'_>) -> bool {
    match skb.point() {
        Point::LocalIn => skb.is_to_host(),
        Point::LocalOut => true,
        Point::Forward => false,
    }
}

/// Reads a packet's headers: in place if they lie there, else from a copy.
fn read(skb: &Skb<'_>) -> Option<Packet> {
    let in_place = packet::parse(skb.head(), skb.len());
    match in_place {
        Ok(packet) if packet.transport != Transport::Missing => Some(packet),
        _ => packet::parse(skb.peek(&mut [0; PEEK]), skb.len()).ok(),
    }
}

/// What a packet is looked at with.
#[derive(Clone, Copy)]
pub(crate) struct Path<'g> {
    pub(crate) net: &'g Net,
    pub(crate) netns: &'g Netns,
    pub(crate) rcu: Reader<'g>,
}

impl<'g> Path<'g> {
    /// Takes a short way with plain packets: it is compiled for them alone.
    #[inline]
    fn packet(self, skb: Skb<'g>) -> Verdict {
        match packet::parse_plain(skb.head(), skb.len()) {
            Some(packet) => self.transport(skb, &packet),
            None => self.any(skb),
        }
    }

    #[inline(never)]
    fn any(self, mut skb: Skb<'g>) -> Verdict {
        let Some(mut packet) = read(&skb) else {
            return skb.accept();
        };
        if is_piece(&packet) {
            (skb, packet) = match whole(skb) {
                Ok(whole) => whole,
                Err(verdict) => return verdict,
            };
        }
        match packet.protocol {
            Protocol::TCP | Protocol::UDP => self.transport(skb, &packet),
            Protocol::ICMP => self.icmp(skb, &packet),
            // They can have connections, only not yet here.
            Protocol::SCTP | Protocol::AH | Protocol::ESP => skb.accept(),
            _ => self.unknown(skb),
        }
    }

    /// Lets a packet through that cannot be of a connection, and what it may carry as well when
    /// `ignore_tunneled` is set.
    pub(super) fn unknown(self, mut skb: Skb<'g>) -> Verdict {
        if takes_requests(&skb) && self.netns.config.ignore_tunneled.is_on() {
            skb.set_handled();
        }
        skb.accept()
    }

    /// Looks whose connection a packet with ports belongs to.
    #[inline(always)]
    fn transport(self, skb: Skb<'g>, packet: &Packet) -> Verdict {
        let Some(flow) = packet.flow() else {
            return match takes_requests(&skb) {
                true => self.discard(skb, Drop::Truncated),
                false => skb.accept(),
            };
        };
        let conns = &self.netns.conns;
        let hash = conns.hash(&flow);
        match conns.find_hashed(&flow, hash, self.rcu) {
            Some((conn, Direction::Out)) => self.answer(skb, packet, conn),
            _ if !takes_requests(&skb) => skb.accept(),
            Some((conn, Direction::In)) => self.request(skb, packet, conn, hash),
            None => self.schedule(skb, packet, hash),
        }
    }

    /// Lets a packet of a server through to the client, as from the virtual service.
    #[inline(always)]
    fn answer(self, mut skb: Skb<'g>, packet: &Packet, conn: Conn<'g>) -> Verdict {
        let standing = conn.standing();
        if standing.method() == Method::Nat {
            if let Err(reason) = transmit::answer(self, &mut skb, packet, conn) {
                return self.free(skb, reason);
            }
        }
        self.count(&skb, conn, Direction::Out);
        self.note(packet, conn, Direction::Out);
        transmit::release(&mut skb, conn, standing, Direction::Out);
        skb.accept()
    }

    /// Takes a packet of a known connection, unless it does not belong to it any more.
    #[inline(always)]
    fn request(self, skb: Skb<'g>, packet: &Packet, conn: Conn<'g>, hash: Hash) -> Verdict {
        match self.fate(&skb, packet, conn) {
            Fate::Keep => self.forward(skb, packet, conn),
            Fate::Renew => {
                conn.end_quietly();
                self.schedule(skb, packet, hash)
            }
            Fate::EndAndDrop => {
                conn.end();
                self.discard(skb, Drop::Tracked)
            }
            Fate::Drop => self.discard(skb, Drop::ServerGone),
        }
    }

    #[inline(always)]
    fn fate(self, skb: &Skb<'g>, packet: &Packet, conn: Conn<'g>) -> Fate {
        let standing = conn.standing();
        let server = match conn.server(self.rcu) {
            None => reuse::Server::None,
            Some(dest) if !dest.is_available() => reuse::Server::Gone,
            Some(dest) if dest.weight() == 0 => reuse::Server::Quiet,
            Some(_) => reuse::Server::There,
        };
        reuse::fate(&reuse::Facts {
            protocol: packet.protocol,
            is_opening: tcp::is_opening(tcp_flags(packet)),
            state: tcp::State::from_code(standing.state),
            no_output: standing.has_no_output(),
            server,
            is_tracked: conntrack::is_confirmed(skb),
            reuse_mode: self.netns.config.conn_reuse_mode.get(),
            expires_gone: self.netns.config.expire_nodest_conn.is_on(),
        })
    }

    /// Sends a packet of a client to its server.
    #[inline]
    fn forward(self, skb: Skb<'g>, packet: &Packet, conn: Conn<'g>) -> Verdict {
        self.count(&skb, conn, Direction::In);
        self.note(packet, conn, Direction::In);
        transmit::request(self, skb, packet, conn)
    }

    /// Counts a packet of a connection whose server was not removed.
    #[inline(always)]
    fn count(self, skb: &Skb<'g>, conn: Conn<'g>, direction: Direction) {
        if let Some(dest) = conn.server(self.rcu).filter(|dest| dest.is_available()) {
            stats::packet(&dest.stats, &self.netns.stats, direction, skb.len());
        }
    }

    /// Moves the state machine and gives the connection its time.
    ///
    /// A header that is cut off says nothing but that the connection is used.
    #[inline(always)]
    fn note(self, packet: &Packet, conn: Conn<'g>, direction: Direction) {
        if packet.transport == Transport::Missing {
            return conn.touch(Jiffies::now());
        }
        let config = &self.netns.config;
        let guard = match config.secure_tcp.is_active() {
            true => tcp::Guard::Secure,
            false => tcp::Guard::Normal,
        };
        let seen = Seen {
            direction,
            tcp_flags: tcp_flags(packet),
            guard,
        };
        conn.packet(&seen, &config.timeouts.get(), Jiffies::now(), self.rcu);
    }

    /// Has netfilter throw a packet away.
    pub(crate) fn discard(self, skb: Skb<'g>, reason: Drop) -> Verdict {
        self.netns.drops.count(reason);
        skb.discard()
    }

    /// Throws a packet away on its way out: who sent it does not hear of it.
    pub(crate) fn free(self, skb: Skb<'g>, reason: Drop) -> Verdict {
        self.netns.drops.count(reason);
        skb.free()
    }
}

/// Tells whether a packet is a fragment of what connections are looked for.
fn is_piece(packet: &Packet) -> bool {
    let is_ours = || {
        matches!(
            packet.protocol,
            Protocol::TCP | Protocol::UDP | Protocol::ICMP
        )
    };
    packet.fragment != Fragment::Whole && is_ours()
}

/// Puts fragments together: only the first of them shows the ports.
#[cold]
fn whole(skb: Skb<'_>) -> Result<(Skb<'_>, Packet), Verdict> {
    let skb = skb.reassemble()?;
    match read(&skb) {
        Some(packet) => Ok((skb, packet)),
        None => Err(skb.accept()),
    }
}

#[inline]
fn tcp_flags(packet: &Packet) -> u8 {
    match packet.transport {
        Transport::Tcp(flags) => flags.0,
        _ => 0,
    }
}
