// SPDX-License-Identifier: GPL-2.0
//! Persistent services: a client's connections go to the server that its template names.

use super::context::PacketContext;
use super::first::{conn_flags, create, template_flags, Choice, First};
use crate::conn::{Conn, Hold, Kind, New};
use crate::dest::Dest;
use crate::drops::Drop;
use crate::service::Service;
use ipvs::addr::Endpoint;
use ipvs::conn::template::{connection_port, TemplateKey};
use linux::clock::{Jiffies, Ticks};
use linux::rcu::Borrow;
use linux::skb::Skb;
use linux::table::Unpinned;

/// A template that lives at least as long as it is held, and its server.
struct Held<'g> {
    template: Conn<'g>,
    hold: Hold,
    dest: Borrow<'g, Dest>,
}

/// Chooses the server of a new connection by the client's template, which is made if there is none.
///
/// # Errors
///
/// Why there is no server for it.
pub(super) fn choose<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    first: &First<'_>,
    service: &Service,
) -> Result<Choice<'g>, Drop> {
    let netmask = service.settings(context.rcu).netmask;
    let key = TemplateKey::of(service.key(), netmask, &first.flow);
    let held = match find(context, &key)? {
        Some(held) => held,
        None => make(context, skb, first, (service, &key))?,
    };
    held.template.touch(Jiffies::now());
    Ok(Choice {
        dest: held.dest,
        port: connection_port(service.key(), held.dest.key().port, &first.flow),
        template: Some(held.hold),
        flags: conn_flags(context, (service, &held.dest), &first.flow),
    })
}

/// Finds the template with a key, unless its server takes no more connections by it.
///
/// # Errors
///
/// [`Drop::TemplateFull`]: no second one is made then.
fn find<'g>(context: PacketContext<'g>, key: &TemplateKey) -> Result<Option<Held<'g>>, Drop> {
    let Some(template) = context.netns.conns.find_template(key, context.rcu) else {
        return Ok(None);
    };
    let expires = context.netns.config.expire_quiescent_template.is_on();
    let is_usable = |dest: &Dest| dest.is_available() && (dest.weight() != 0 || !expires);
    let server = template.server(context.rcu);
    let Some(dest) = server.filter(|dest| is_usable(dest.get())) else {
        template.make_stale();
        return Ok(None);
    };
    match template.hold() {
        Ok(hold) => Ok(Some(Held {
            template,
            hold,
            dest,
        })),
        Err(Unpinned::Dead) => Ok(None),
        Err(Unpinned::Full) => Err(Drop::TemplateFull),
    }
}

/// Has the scheduler pick a server, and makes the template that names it.
fn make<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    first: &First<'_>,
    (service, key): (&Service, &TemplateKey),
) -> Result<Held<'g>, Drop> {
    let dest = service.pick(context.rcu, &first.seen());
    let dest = dest.ok_or(Drop::NoServer)?;
    let settings = service.settings(context.rcu);
    let new = New {
        flow: &key.flow,
        hash: context.netns.conns.hash(&key.flow),
        server: Some(dest),
        method: dest.method(),
        dest: Endpoint {
            addr: dest.key().addr,
            port: key.dest_port(dest.key().port),
        },
        mark: skb.mark(),
        flags: template_flags(context.netns) | settings.template_flags(),
        kind: Kind::Template {
            timeout: Ticks::from_seconds(settings.timeout_seconds),
            is_of_mark: key.is_of_mark,
        },
    };
    let template = create(context, new).ok_or(Drop::NoConnection)?.conn;
    // It may have ended already where its time is over at once.
    let hold = template.hold().map_err(|_| Drop::NoConnection)?;
    Ok(Held {
        template,
        hold,
        dest,
    })
}
