// SPDX-License-Identifier: GPL-2.0
//! Packets of no connection: whether a service wants them, and which server gets them.

use super::context::PacketContext;
use super::first::{conn_flags, connect, pass_by, Choice, First};
use super::forward::forward;
use super::outcome::Outcome;
use super::persist;
use crate::conn::Made;
use crate::drops::Drop;
use crate::service::Service;
use ipvs::addr::Port;
use ipvs::app::ftp;
use ipvs::flow::Flow;
use ipvs::packet::icmp::is_error_packet;
use ipvs::proto::Direction;
use ipvs::service::ServiceKey;
use linux::icmp;
use linux::route;
use linux::skb::Skb;

/// Why a packet gets no connection.
pub(super) enum Refused {
    /// It is no service's, or none that begins a connection.
    Unwanted,
    /// A service wants it, but cannot have it.
    For(Drop),
}

/// Sends a packet that may be the first of a connection to the server that a service has for it.
#[inline(never)]
pub(super) fn schedule<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    first: &First<'_>,
) -> Outcome<'g> {
    let (header, transport) = (first.packet.header, first.flow.transport);
    if !header.is_complete() {
        return Outcome::Drop(skb, Drop::Truncated);
    }
    if !transport.may_create(header, context.netns.config.creation()) {
        return Outcome::Accept(skb);
    }
    match begin(context, &skb, first) {
        Ok(made) => forward(context, skb, first.packet, made.conn),
        Err(Refused::Unwanted) => Outcome::Accept(skb),
        Err(Refused::For(Drop::NoServer)) => refuse(skb),
        Err(Refused::For(reason)) => Outcome::Drop(skb, reason),
    }
}

/// Makes the connection of a first packet if a service wants it.
///
/// # Errors
///
/// Why there is none.
#[inline]
pub(super) fn begin<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    first: &First<'_>,
) -> Result<Made<'g>, Refused> {
    let (services, flow) = (&context.netns.services, &first.flow);
    let found = services.find_packet(context.rcu, context.net, flow, skb.mark());
    let service = found.ok_or(Refused::Unwanted)?.get();
    if context.netns.config.dropping.drops_packet() {
        return Err(Refused::For(Drop::Defence));
    }
    if flow.source.port == ftp::DATA || is_local_reply(context, skb, flow) {
        return Err(Refused::Unwanted);
    }
    let choice = match service.settings(context.rcu).is_persistent() {
        true => persist::choose(context, skb, first, service),
        false => choose(context, first, service),
    };
    let made = match choice {
        Ok(choice) => connect(context, skb, first, choice),
        Err(Drop::NoServer) if passes_by(context, first, service) => {
            pass_by(context, skb, first, service)
        }
        Err(reason) => return Err(refused(reason, flow, service.key())),
    };
    made.ok_or(Refused::For(Drop::NoConnection))
}

/// Returns whether a packet that no server takes may go to where it was going.
#[cold]
fn passes_by(context: PacketContext<'_>, first: &First<'_>, service: &Service) -> bool {
    let may_pass = service.key().is_mark() && context.netns.config.cache_bypass.is_on();
    let to = || first.flow.dest.addr.to_ip();
    may_pass && !is_error_packet(first.packet) && route::leads_past(context.net, to())
}

/// Has the scheduler pick the server of a new connection.
fn choose<'g>(
    context: PacketContext<'g>,
    first: &First<'_>,
    service: &Service,
) -> Result<Choice<'g>, Drop> {
    let (key, flow) = (service.key(), &first.flow);
    let serves = key.is_mark() || key.port == flow.dest.port;
    let dest = match serves {
        true => service.pick(context.rcu, &first.seen()),
        false => None,
    };
    let dest = dest.ok_or(Drop::NoServer)?;
    let port = match dest.key().port {
        Port::ANY => flow.dest.port,
        port => port,
    };
    Ok(Choice {
        dest,
        port,
        template: None,
        flags: conn_flags(context, (service, &dest), flow),
    })
}

/// Returns why a packet that a service wants gets no connection: what may be a data connection of FTP
/// and has no server is left to this host.
fn refused(reason: Drop, flow: &Flow, key: &ServiceKey) -> Refused {
    let may_be_data = key.port == ftp::CONTROL && flow.dest.port != ftp::CONTROL;
    match reason == Drop::NoServer && may_be_data {
        true => Refused::Unwanted,
        false => Refused::For(reason),
    }
}

/// Returns whether the packet is a reply of a server on this host.
fn is_local_reply<'g>(context: PacketContext<'g>, skb: &Skb<'g>, flow: &Flow) -> bool {
    let original = || context.netns.conns.find(&flow.reversed(), context.rcu);
    skb.is_from_here() && matches!(original(), Some((_, Direction::Original)))
}

/// Turns a packet away that a service wants and no server takes.
fn refuse(mut skb: Skb<'_>) -> Outcome<'_> {
    icmp::send(&mut skb, icmp::Error::PortUnreachable);
    Outcome::Drop(skb, Drop::NoServer)
}
