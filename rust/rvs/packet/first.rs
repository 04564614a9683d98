// SPDX-License-Identifier: GPL-2.0
//! The first packet of a connection: what is known of it, and how the connection is made.

use super::context::PacketContext;
use crate::conn::{EntryKind, Hash, Hold, Made, New};
use crate::dest::Dest;
use crate::netns::Netns;
use crate::service::Service;
use crate::stats;
use ipvs::addr::{Endpoint, Port};
use ipvs::flags;
use ipvs::flow::Flow;
use ipvs::packet::icmp::is_error_packet;
use ipvs::packet::Packet;
use ipvs::xmit::PAST_SERVERS;
use linux::clock::Jiffies;
use linux::rcu::Borrow;
use linux::skb::Skb;

/// A packet that may be the first of a connection.
pub(super) struct First<'a> {
    pub(super) packet: &'a Packet,
    /// The flow of the connection: an ICMP error quotes a packet of the other direction.
    pub(super) flow: Flow,
    pub(super) hash: Hash,
}

impl First<'_> {
    /// Returns what schedulers see of it.
    pub(super) fn seen(&self) -> Flow {
        match is_error_packet(self.packet) {
            true => self.flow.seen_in_error(),
            false => self.flow,
        }
    }
}

/// The server that was chosen for a connection.
pub(super) struct Choice<'g> {
    pub(super) dest: Borrow<'g, Dest>,
    /// The port at which the server gets it.
    pub(super) port: Port,
    /// The template that keeps the connection with the server.
    pub(super) template: Option<Hold>,
    /// The flags, besides the method, that the connection begins with.
    pub(super) flags: u32,
}

/// Makes a connection to a server and counts it.
pub(super) fn connect<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    first: &First<'_>,
    choice: Choice<'g>,
) -> Option<Made<'g>> {
    let (dest, netns) = (choice.dest, context.netns);
    let new = New {
        flow: &first.flow,
        hash: first.hash,
        server: Some(dest),
        method: dest.method(),
        dest: Endpoint {
            addr: dest.key().addr,
            port: choice.port,
        },
        mark: skb.mark(),
        flags: choice.flags,
        kind: EntryKind::Connection(choice.template),
    };
    let made = create(context, new)?;
    stats::conn(&dest.stats, &netns.stats);
    Some(made)
}

/// Makes a connection past all servers, which nothing counts.
#[cold]
pub(super) fn pass_by<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    first: &First<'_>,
    service: &Service,
) -> Option<Made<'g>> {
    let flow = &first.flow;
    let flags = template_flags(context.netns) | service_flags(context, service);
    let new = New {
        flow,
        hash: first.hash,
        server: None,
        method: PAST_SERVERS,
        dest: Endpoint {
            addr: flow.dest.addr.family().unspecified(),
            port: Port::ANY,
        },
        mark: skb.mark(),
        flags: for_transport(flags, flow),
        kind: EntryKind::Connection(None),
    };
    create(context, new)
}

/// Returns the flags, besides the method, of a new connection of a service to one of its servers.
pub(super) fn conn_flags(
    context: PacketContext<'_>,
    (service, dest): (&Service, &Dest),
    flow: &Flow,
) -> u32 {
    let of_service = service_flags(context, service);
    for_transport(
        template_flags(context.netns) | of_service | dest.inherited(),
        flow,
    )
}

fn service_flags(context: PacketContext<'_>, service: &Service) -> u32 {
    match service.settings(context.rcu).is_one_packet() {
        true => flags::conn::ONE_PACKET,
        false => 0,
    }
}

/// Returns the flags that connections of the flow's protocol can have.
fn for_transport(wanted: u32, flow: &Flow) -> u32 {
    match flow.transport.can_be_one_packet() {
        true => wanted,
        false => wanted & !flags::conn::ONE_PACKET,
    }
}

/// Returns the flags, besides the method, of a new template.
pub(super) fn template_flags(netns: &Netns) -> u32 {
    match netns.config.conntrack.is_on() {
        true => flags::conn::NFCT,
        false => 0,
    }
}

/// Makes a connection or a template, as far as the namespace may have so many.
pub(super) fn create<'g>(context: PacketContext<'g>, new: New<'_, 'g>) -> Option<Made<'g>> {
    let netns = context.netns;
    let limit = netns.config.conn_max.limit();
    let made = netns.conns.create(new, limit, Jiffies::now(), context.rcu);
    made.ok()
}
