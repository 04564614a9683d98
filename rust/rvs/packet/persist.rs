// SPDX-License-Identifier: GPL-2.0
//! Persistent services: a client's connections go to the server that its template names.

use super::context::PacketContext;
use super::engine;
use super::first::{conn_flags, create, template_flags, Choice, First};
use crate::conn::{Conn, EngineData, EntryKind, Hold, New};
use crate::dest::Dest;
use crate::drops::Drop;
use crate::service::Service;
use ipvs::addr::Endpoint;
use ipvs::conn::template::{connection_port, TemplateKey};
use ipvs::flags::conn::ONE_PACKET;
use kernel::alloc::flags::GFP_ATOMIC;
use linux::clock::{Jiffies, Ticks};
use linux::rcu::{Arc, Borrow};
use linux::skb::Skb;
use linux::table::Unpinned;

/// A template that lives at least as long as it is held, and its server.
pub(super) struct Held<'g> {
    pub(super) template: Conn<'g>,
    pub(super) hold: Hold,
    dest: Borrow<'g, Dest>,
}

/// What a packet's template is found by.
pub(super) struct Wanted {
    pub(super) key: TemplateKey,
    /// What the service's engine took from the packet.
    pub(super) data: Option<EngineData>,
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
    let settings = service.settings(context.rcu);
    let read = |engine| engine::read(engine, skb, first.packet);
    let wanted = Wanted {
        key: TemplateKey::of(service.key(), settings.netmask, &first.flow),
        data: settings.engine.map(read).transpose()?,
    };
    let held = match find(context, &wanted, None)? {
        Some(held) => held,
        None => {
            let dest = service.pick(context.rcu, &first.seen());
            let dest = dest.ok_or(Drop::NoServer)?;
            make(context, skb, (service, wanted), dest)?
        }
    };
    held.template.touch(Jiffies::now());
    let flags = conn_flags(context, (service, &held.dest), &first.flow);
    if flags & ONE_PACKET != 0 {
        // Such a connection goes with its packet: its template counts in its place.
        held.template.count_packet();
    }
    Ok(Choice {
        dest: held.dest,
        port: connection_port(service.key(), held.dest.key().port, &first.flow),
        template: Some(held.hold),
        flags,
    })
}

/// Finds the template that is wanted, unless its server takes no more connections by it or is not the
/// `only` one that will do.
///
/// # Errors
///
/// [`Drop::TemplateFull`]: no second one is made then.
pub(super) fn find<'g>(
    context: PacketContext<'g>,
    wanted: &Wanted,
    only: Option<Borrow<'g, Dest>>,
) -> Result<Option<Held<'g>>, Drop> {
    let (conns, data) = (&context.netns.conns, wanted.data.as_ref());
    let Some(template) = conns.find_template(&wanted.key, data, context.rcu) else {
        return Ok(None);
    };
    let expires = context.netns.config.expire_quiescent_template.is_on();
    let is_usable = |dest: &Borrow<'g, Dest>| {
        let takes_more = dest.is_available() && (dest.weight() != 0 || !expires);
        takes_more && only.is_none_or(|only| only.ptr_eq(*dest))
    };
    let server = template.server(context.rcu);
    let Some(dest) = server.filter(is_usable) else {
        template.make_stale();
        return only.map_or(Ok(None), |only| find_older(context, wanted, only));
    };
    hold(template, dest)
}

/// Finds an older template that names the only server that will do, where there are so many that no
/// further one is made: servers that take a call from each other make one each time.
fn find_older<'g>(
    context: PacketContext<'g>,
    wanted: &Wanted,
    only: Borrow<'g, Dest>,
) -> Result<Option<Held<'g>>, Drop> {
    let (conns, data) = (&context.netns.conns, wanted.data.as_ref());
    if !conns.has_many(conns.template_hash(&wanted.key, data), context.rcu) {
        return Ok(None);
    }
    let template = conns.find_template_of((&wanted.key, data), only, context.rcu);
    template.map_or(Ok(None), |template| hold(template, only))
}

fn hold<'g>(template: Conn<'g>, dest: Borrow<'g, Dest>) -> Result<Option<Held<'g>>, Drop> {
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

/// Makes the template that is wanted and names a server.
///
/// # Errors
///
/// [`Drop::NoConnection`].
pub(super) fn make<'g>(
    context: PacketContext<'g>,
    skb: &Skb<'g>,
    (service, wanted): (&Service, Wanted),
    dest: Borrow<'g, Dest>,
) -> Result<Held<'g>, Drop> {
    let settings = service.settings(context.rcu);
    let (conns, key) = (&context.netns.conns, &wanted.key);
    let hash = conns.template_hash(key, wanted.data.as_ref());
    if wanted.data.is_some() && conns.has_many(hash, context.rcu) {
        return Err(Drop::NoConnection);
    }
    let keep = |data| Arc::new(data, GFP_ATOMIC).map_err(|_| Drop::NoConnection);
    let new = New {
        flow: &key.flow,
        hash,
        server: Some(dest),
        method: dest.method(),
        dest: Endpoint {
            addr: dest.key().addr,
            port: key.dest_port(dest.key().port),
        },
        mark: skb.mark(),
        flags: template_flags(context.netns) | settings.template_flags(),
        kind: EntryKind::Template {
            timeout: Ticks::from_seconds(settings.timeout_seconds),
            is_of_mark: key.is_of_mark,
            data: wanted.data.map(keep).transpose()?,
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

#[cfg(CONFIG_KUNIT = "y")]
#[path = "../../../tests/kunit/rvs/persist.rs"]
mod kunit;
