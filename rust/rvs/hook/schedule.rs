// SPDX-License-Identifier: GPL-2.0
//! Packets of no connection: whether a service wants them, and which server gets them.

use super::{tcp_flags, Path};
use crate::conn::{Conn, Hash, New};
use crate::dest::Dest;
use crate::drops::Drop;
use crate::service::Service;
use crate::stats;
use ipvs::addr::{Endpoint, Port, Protocol};
use ipvs::flags;
use ipvs::flow::Flow;
use ipvs::packet::{Packet, Transport};
use ipvs::proto::{tcp, Direction};
use ipvs::service::ServiceKey;
use linux::clock::Jiffies;
use linux::icmp;
use linux::rcu::Borrow;
use linux::skb::{Skb, Verdict};

/// The port of FTP's commands, whose service also gets the data connections.
const FTP: u16 = 21;
/// The port from which FTP servers open data connections; never that of a client.
const FTP_DATA: u16 = 20;

/// A packet that may be the first of a connection.
struct First<'a> {
    packet: &'a Packet,
    flow: Flow,
    hash: Hash,
}

impl<'g> Path<'g> {
    /// Looks for a service that wants the packet.
    #[inline(never)]
    pub(super) fn schedule(self, skb: Skb<'g>, packet: &Packet, hash: Hash) -> Verdict {
        let Some(flow) = packet.flow() else {
            return self.discard(skb, Drop::Truncated);
        };
        let first = First { packet, flow, hash };
        if packet.transport == Transport::Missing {
            return self.discard(skb, Drop::Truncated);
        }
        if !self.may_create(packet) {
            return skb.accept();
        }
        let services = &self.netns.services;
        match services.find_packet(self.rcu, self.net, &first.flow, skb.mark()) {
            Some(service) => self.serve(skb, &first, &service),
            None => skb.accept(),
        }
    }

    /// Tells whether the packet may be the first of a connection.
    fn may_create(self, packet: &Packet) -> bool {
        let rule = match self.netns.config.sloppy_tcp.is_on() {
            true => tcp::Creation::Sloppy,
            false => tcp::Creation::Strict,
        };
        packet.protocol != Protocol::TCP || tcp::may_create(tcp_flags(packet), rule)
    }

    fn serve(self, skb: Skb<'g>, first: &First<'_>, service: &Service) -> Verdict {
        let flow = &first.flow;
        if flow.source.port.host() == FTP_DATA || self.is_local_answer(&skb, flow) {
            return skb.accept();
        }
        let key = service.key();
        if !key.is_mark() && key.port != flow.dest.port {
            return self.leave(skb, flow, key);
        }
        let Some(dest) = service.pick(self.rcu, flow) else {
            return self.leave(skb, flow, key);
        };
        match self.connect(&skb, first, dest) {
            Some(conn) => self.forward(skb, first.packet, conn),
            None => self.discard(skb, Drop::NoConnection),
        }
    }

    /// Tells whether the packet is what a server on this host answers.
    fn is_local_answer(self, skb: &Skb<'g>, flow: &Flow) -> bool {
        let answered = || self.netns.conns.find(&flow.reversed(), self.rcu);
        skb.is_from_here() && matches!(answered(), Some((_, Direction::In)))
    }

    /// Makes a connection to a server and counts it.
    fn connect(self, skb: &Skb<'g>, first: &First<'_>, dest: Borrow<'g, Dest>) -> Option<Conn<'g>> {
        let flow = &first.flow;
        let config = &self.netns.config;
        let key = dest.key();
        let port = match key.port {
            Port::ANY => flow.dest.port,
            port => port,
        };
        let new = New {
            flow,
            hash: first.hash,
            server: Some(dest),
            method: dest.method(),
            dest: Endpoint {
                addr: key.addr,
                port,
            },
            mark: skb.mark(),
            flags: match config.conntrack.is_on() {
                true => flags::conn::NFCT,
                false => 0,
            },
        };
        let limit = u64::try_from(config.conn_max.get()).unwrap_or(0);
        let conns = &self.netns.conns;
        let conn = conns.create(&new, limit, Jiffies::now(), self.rcu).ok()?;
        stats::conn(&dest.stats, &self.netns.stats);
        Some(conn)
    }

    /// Turns a packet away that a service wants and no server takes.
    fn leave(self, mut skb: Skb<'g>, flow: &Flow, key: &ServiceKey) -> Verdict {
        if key.port.host() == FTP && flow.dest.port.host() != FTP {
            return skb.accept();
        }
        icmp::send(&mut skb, icmp::Error::PortUnreachable);
        self.discard(skb, Drop::NoServer)
    }
}
