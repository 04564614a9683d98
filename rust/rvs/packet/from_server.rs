// SPDX-License-Identifier: GPL-2.0
//! Connections that servers begin, where a service's persistence engine says that they do.
//!
//! The connection looks as if the client had begun it: its client is where the server's packet goes, and
//! the packet is its first reply.

use super::context::PacketContext;
use super::engine;
use super::established::reply;
use super::first::{conn_flags, connect, Choice, First};
use super::outcome::Outcome;
use super::persist::{self, Wanted};
use crate::conn::{Hold, Made};
use crate::dest::Dest;
use crate::service::Service;
use ipvs::addr::{Endpoint, Port};
use ipvs::conn::template::TemplateKey;
use ipvs::flow::Flow;
use ipvs::service::Sender;
use linux::clock::Jiffies;
use linux::inet::Point;
use linux::rcu::Borrow;
use linux::skb::Skb;

/// Sends a packet of a server that begins a connection to the client.
///
/// # Errors
///
/// Gives the packet back if it does not.
#[inline(never)]
pub(super) fn receive<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    first: &First<'_>,
) -> Result<Outcome<'g>, Skb<'g>> {
    match begin(context, &skb, first) {
        Some(made) => {
            if made.conn.state().is_one_packet() {
                // Its state never changes.
                made.conn.assure_template(context.rcu);
            }
            Ok(reply(context, skb, first.packet, made.conn))
        }
        None => Err(skb),
    }
}

/// Returns whether a packet may begin a connection of a server.
#[inline]
pub(super) fn may_begin(context: PacketContext<'_>, skb: &Skb<'_>, flow: &Flow) -> bool {
    let begins = context.netns.services.serve_servers(flow.family());
    begins && skb.point() != Point::LocalIn
}

/// Makes the connection that a packet of a server begins.
fn begin<'g>(context: PacketContext<'g>, skb: &Skb<'g>, first: &First<'_>) -> Option<Made<'g>> {
    let dest = find_server(context, &first.flow)?;
    let key = dest.get().service();
    let service = context.netns.services.find(context.rcu, key)?.get();
    let engine = service.settings(context.rcu).engine?;
    engine
        .begins(first.packet)
        .filter(|_| engine.serves_servers())?;
    if key.is_mark() || key.port == Port::ANY || dest.key().port == Port::ANY {
        return None;
    }
    let flow = Flow {
        transport: first.flow.transport,
        source: first.flow.dest,
        dest: Endpoint {
            addr: key.addr,
            port: key.port,
        },
    };
    let first = First {
        packet: first.packet,
        hash: context.netns.conns.hash(&flow),
        flow,
    };
    let template = match service.settings(context.rcu).is_persistent() {
        true => Some(hold_template(context, skb, &first, (service, dest))?),
        false => None,
    };
    let choice = Choice {
        dest,
        port: dest.key().port,
        template,
        flags: conn_flags(context, (service, &dest), &flow),
    };
    connect(context, skb, &first, choice)
}

/// Finds the server whose packets are rewritten and of which this is one.
pub(super) fn find_server<'g>(context: PacketContext<'g>, flow: &Flow) -> Option<Borrow<'g, Dest>> {
    let senders = Sender::of_packet(flow.transport.protocol(), flow.source);
    let servers = &context.netns.services.servers;
    let mut found = senders.into_iter();
    found.find_map(|sender| servers.find(context.rcu, sender))
}

/// Holds the template that keeps the client with this server, which is made if there is none.
fn hold_template<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    first: &First<'_>,
    (service, dest): (&Service, Borrow<'g, Dest>),
) -> Option<Hold> {
    let settings = service.settings(context.rcu);
    let wanted = Wanted {
        key: TemplateKey::of(service.key(), settings.netmask, &first.flow),
        data: Some(engine::read(settings.engine?, skb, first.packet).ok()?),
    };
    let held = match persist::find(context, &wanted, Some(dest)).ok()? {
        Some(held) => held,
        None => persist::make(context, skb, (service, wanted), dest).ok()?,
    };
    held.template.touch(Jiffies::now());
    Some(held.hold)
}
