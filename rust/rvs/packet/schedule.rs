// SPDX-License-Identifier: GPL-2.0
//! Packets of no connection: whether a service wants them, and which server gets them.

use super::context::PacketContext;
use super::first::{conn_flags, connect, Choice, First};
use super::forward::forward;
use super::outcome::Outcome;
use super::persist;
use crate::drops::Drop;
use crate::service::Service;
use ipvs::addr::Port;
use ipvs::app::ftp;
use ipvs::flow::Flow;
use ipvs::proto::Direction;
use ipvs::service::ServiceKey;
use linux::icmp;
use linux::skb::Skb;

/// Looks for a service that wants the packet.
#[inline(never)]
pub(super) fn schedule<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    first: &First<'_>,
) -> Outcome<'g> {
    let (header, flow) = (first.packet.header, &first.flow);
    if !header.is_complete() {
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
    if service.settings(context.rcu).is_persistent() {
        return serve_persistent(context, skb, first, service);
    }
    let key = service.key();
    if !key.is_mark() && key.port != flow.dest.port {
        return refuse(skb, flow, key);
    }
    let Some(dest) = service.pick(context.rcu, flow) else {
        return refuse(skb, flow, key);
    };
    let port = match dest.key().port {
        Port::ANY => flow.dest.port,
        port => port,
    };
    let choice = Choice {
        dest,
        port,
        template: None,
        flags: conn_flags(context, service, flow),
    };
    begin(context, skb, first, choice)
}

/// Chooses the server that the client's template names, or makes a template.
#[inline(never)]
fn serve_persistent<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    first: &First<'_>,
    service: &Service,
) -> Outcome<'g> {
    match persist::choose(context, &skb, first, service) {
        Ok(choice) => begin(context, skb, first, choice),
        Err(Drop::NoServer) => refuse(skb, &first.flow, service.key()),
        Err(reason) => Outcome::Drop(skb, reason),
    }
}

/// Makes the connection of a first packet and sends the packet.
fn begin<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    first: &First<'_>,
    choice: Choice<'g>,
) -> Outcome<'g> {
    match connect(context, &skb, first, choice) {
        Some(made) => forward(context, skb, first.packet, made.conn),
        None => Outcome::Drop(skb, Drop::NoConnection),
    }
}

/// Returns whether the packet is a reply of a server on this host.
fn is_local_reply<'g>(context: PacketContext<'g>, skb: &Skb<'g>, flow: &Flow) -> bool {
    let original = || context.netns.conns.find(&flow.reversed(), context.rcu);
    skb.is_from_here() && matches!(original(), Some((_, Direction::Original)))
}

/// Turns a packet away that a service wants and no server takes.
fn refuse<'g>(mut skb: Skb<'g>, flow: &Flow, key: &ServiceKey) -> Outcome<'g> {
    if key.port == ftp::CONTROL && flow.dest.port != ftp::CONTROL {
        return Outcome::Accept(skb);
    }
    icmp::send(&mut skb, icmp::Error::PortUnreachable);
    Outcome::Drop(skb, Drop::NoServer)
}
