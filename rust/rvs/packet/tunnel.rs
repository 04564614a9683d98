// SPDX-License-Identifier: GPL-2.0
//! Puts packets into others, which go to the real server.

use super::context::PacketContext;
use super::outcome::Outcome;
use super::transmit::{self, Transmit};
use crate::drops::Drop;
use ipvs::addr::{Addr, Family, Port};
use ipvs::xmit::tunnel::{self, Ends, Load, Outer, Partial, Tunnel, TunnelHeader};
use ipvs::xmit::{self, Edit, NextHop, Plan};
use linux::conntrack;
use linux::encap::{Between, Headers, Inner, Left};
use linux::icmp;
use linux::inet;
use linux::route::{Route, Sender};
use linux::skb::{NoMemory, Skb, Summed};

/// Sends a packet of a client to its server, inside another one.
#[inline(never)]
pub(super) fn original<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    transmit: &Transmit<'_, 'g>,
) -> Outcome<'g> {
    let way = (NextHop::Table, Sender::Host);
    let Some(route) = transmit::find_route(context, transmit.conn, way) else {
        icmp::send_unreachable(&mut skb);
        return Outcome::Free(skb, Drop::NoRoute);
    };
    if route.is_local() {
        return deliver(skb, transmit);
    }
    let tunnel = tunnel_for(context, &skb, transmit);
    leave(context, skb, transmit, (tunnel, route))
}

/// Lets a packet go on to a server on this host, as it came.
fn deliver<'g>(skb: Skb<'g>, transmit: &Transmit<'_, 'g>) -> Outcome<'g> {
    let (row, dest) = (transmit.state.method().row(), transmit.conn.dest());
    match xmit::plan_local(row, dest, &transmit.local_facts(&skb)) {
        Plan::Deliver(edit) => transmit::deliver_here(skb, transmit, edit),
        Plan::Send(_) | Plan::TooManyHops | Plan::TooBig(_) | Plan::RouteBoundary => {
            Outcome::Free(skb, Drop::RouteBoundary)
        }
    }
}

/// Returns the tunnel to the server as it is set up now.
fn tunnel_for<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    transmit: &Transmit<'_, 'g>,
) -> Tunnel {
    let conn = transmit.conn;
    let server = conn.server(context.rcu);
    let settings = server.map(|dest| dest.tunnel()).unwrap_or_default();
    let is_partial = skb.summed() == Summed::Partial;
    Tunnel::new(Family::of(conn.dest().addr), settings, is_partial)
}

/// Sends a packet to a server on another host.
fn leave<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    transmit: &Transmit<'_, 'g>,
    (tunnel, route): (Tunnel, Route<'g>),
) -> Outcome<'g> {
    let (packet, dest) = (transmit.packet, transmit.conn.dest());
    let discovers = context.netns.config.pmtu_disc.is_on();
    let room = tunnel.room(route.mtu());
    let may_cut = Tunnel::may_cut(packet.family(), discovers);
    let fits = || may_cut || room.is_none_or(|room| skb.fits(room));
    let plan = xmit::plan_remote(transmit.state.method().row(), dest, packet, fits);
    match (plan, room) {
        (Plan::Send(_) | Plan::TooBig(_), None) => Outcome::Free(skb, Drop::Narrow),
        (Plan::Send(edit), Some(room)) => {
            skb.notify_sender(room);
            let ends = Ends {
                source: Addr::from_ip(route.source()),
                dest: dest.addr,
                port: Port::ANY,
                discovers,
            };
            send(skb, transmit, edit, (tunnel, ends, route))
        }
        (Plan::TooBig(edit), Some(room)) => {
            skb.notify_sender(room);
            transmit::reject_size(skb, packet, edit, room)
        }
        (Plan::TooManyHops, _) => transmit::reject_hops(skb),
        (Plan::Deliver(_) | Plan::RouteBoundary, _) => Outcome::Free(skb, Drop::RouteBoundary),
    }
}

/// Puts a packet into another one and sends that.
#[inline(never)]
fn send<'g>(
    mut skb: Skb<'g>,
    transmit: &Transmit<'_, 'g>,
    planned: Edit,
    (tunnel, ends, route): (Tunnel, Ends, Route<'g>),
) -> Outcome<'g> {
    skb.drop_early_socket();
    if let Err(NoMemory) = skb.make_room_for(tunnel.overhead(), &route) {
        return Outcome::Free(skb, Drop::NoMemory);
    }
    let read = (transmit.packet, transmit.quoted);
    if let Err(reason) = transmit::edit_rarely(&mut skb, read, planned) {
        return Outcome::Free(skb, reason);
    }
    let Some(outer) = outer(&mut skb, tunnel, ends) else {
        return Outcome::Free(skb, Drop::Malformed);
    };
    if transmit.state.is_tracked() && !conntrack::confirm(&mut skb) {
        return Outcome::Free(skb, Drop::Untrackable);
    }
    conntrack::forget(&mut skb);
    let headers = headers(&outer, tunnel, transmit.packet.family());
    match skb.wrap(&headers) {
        Ok(wrapped) => Outcome::Taken(wrapped.send(route)),
        Err(skb) => Outcome::Free(skb, Drop::NoMemory),
    }
}

/// Makes what comes in front of a packet.
#[inline(never)]
fn outer(skb: &mut Skb<'_>, tunnel: Tunnel, mut ends: Ends) -> Option<Outer> {
    if matches!(tunnel.kind, TunnelHeader::Gue { .. }) {
        ends.port = Port::from_bytes(skb.flow_port());
    }
    let partial = |(start, field)| Partial { start, field };
    let load = Load {
        head: skb.head(),
        length: skb.len(),
        partial: skb.left_checksum().map(partial),
        is_gso: skb.is_gso(),
    };
    Outer::new(tunnel, &load, &ends)
}

/// Tells the kernel what the headers are.
fn headers<'a>(outer: &'a Outer, tunnel: Tunnel, inner: Family) -> Headers<'a> {
    let protocol = Inner::Protocol(tunnel::inner_protocol(inner));
    let (between, inner) = match tunnel.kind {
        TunnelHeader::Plain => (Between::Nothing, protocol),
        TunnelHeader::Gue { summed, remote, .. } => (Between::Udp { summed, remote }, protocol),
        TunnelHeader::Gre { summed } => (
            Between::Gre { summed },
            Inner::FrameType(tunnel::inner_type(inner)),
        ),
    };
    Headers {
        bytes: outer.bytes(),
        family: match tunnel.outer {
            Family::V4 => inet::Family::V4,
            Family::V6 => inet::Family::V6,
        },
        between,
        inner,
        left: match outer.left {
            tunnel::Left::Inner => Left::Inner,
            tunnel::Left::Outer(field) => Left::Outer(field),
        },
    }
}
