// SPDX-License-Identifier: GPL-2.0
//! Packets of no connection: whether a service wants them, and which server gets them.

use super::context::PacketContext;
use super::forward::forward;
use super::outcome::Outcome;
use crate::conn::{Conn, Hash, New};
use crate::dest::Dest;
use crate::drops::Drop;
use crate::service::Service;
use crate::stats;
use ipvs::addr::{Endpoint, Port};
use ipvs::app::ftp;
use ipvs::flags;
use ipvs::flow::Flow;
use ipvs::packet::{Header, Packet};
use ipvs::proto::Direction;
use ipvs::service::ServiceKey;
use linux::clock::Jiffies;
use linux::icmp;
use linux::rcu::Borrow;
use linux::skb::Skb;

/// A packet that may be the first of a connection.
pub(super) struct First<'a> {
    pub(super) packet: &'a Packet,
    pub(super) flow: Flow,
    pub(super) hash: Hash,
}

/// Looks for a service that wants the packet.
#[inline(never)]
pub(super) fn schedule<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    first: &First<'_>,
) -> Outcome<'g> {
    let (header, flow) = (first.packet.header, &first.flow);
    if header == Header::Missing {
        return Outcome::Drop(skb, Drop::Truncated);
    }
    let netns = context.netns;
    if !flow.transport.may_create(header, netns.config.creation()) {
        return Outcome::Accept(skb);
    }
    let services = &netns.services;
    match services.find_packet(context.rcu, context.net, flow, skb.mark()) {
        Some(service) => serve(context, skb, first, &service),
        None => Outcome::Accept(skb),
    }
}

fn serve<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    first: &First<'_>,
    service: &Service,
) -> Outcome<'g> {
    let flow = &first.flow;
    if flow.source.port == ftp::DATA || is_local_reply(context, &skb, flow) {
        return Outcome::Accept(skb);
    }
    let key = service.key();
    if !key.is_mark() && key.port != flow.dest.port {
        return refuse(skb, flow, key);
    }
    let Some(dest) = service.pick(context.rcu, flow) else {
        return refuse(skb, flow, key);
    };
    match connect(context, &skb, first, dest) {
        Some(conn) => forward(context, skb, first.packet, conn),
        None => Outcome::Drop(skb, Drop::NoConnection),
    }
}

/// Returns whether the packet is a reply of a server on this host.
fn is_local_reply<'g>(context: PacketContext<'g>, skb: &Skb<'g>, flow: &Flow) -> bool {
    let original = || context.netns.conns.find(&flow.reversed(), context.rcu);
    skb.is_from_here() && matches!(original(), Some((_, Direction::Original)))
}

/// Makes a connection to a server and counts it.
fn connect<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    first: &First<'_>,
    dest: Borrow<'g, Dest>,
) -> Option<Conn<'g>> {
    let (flow, netns) = (&first.flow, context.netns);
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
        flags: match netns.config.conntrack.is_on() {
            true => flags::conn::NFCT,
            false => 0,
        },
    };
    let limit = netns.config.conn_max.limit();
    let conn = netns.conns.create(&new, limit, Jiffies::now(), context.rcu);
    let conn = conn.ok()?;
    stats::conn(&dest.stats, &netns.stats);
    Some(conn)
}

/// Turns a packet away that a service wants and no server takes.
fn refuse<'g>(mut skb: Skb<'g>, flow: &Flow, key: &ServiceKey) -> Outcome<'g> {
    if key.port == ftp::CONTROL && flow.dest.port != ftp::CONTROL {
        return Outcome::Accept(skb);
    }
    icmp::send(&mut skb, icmp::Error::PortUnreachable);
    Outcome::Drop(skb, Drop::NoServer)
}
