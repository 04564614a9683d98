// SPDX-License-Identifier: GPL-2.0
//! The netlink front end.
//!
//! Turns messages into commands and back; `control.rs` decides, `ipvs::wire` knows the bytes.

use super::failure::Failure;
use super::shown::{shown_dest, shown_service};
use super::{hook_family, Session};
use crate::netns::Netns;
use crate::service::Service;
use ipvs::addr;
use ipvs::refusal::Refusal;
use ipvs::service::ServiceKey;
use ipvs::wire::genl::{
    self as message, command, DestRequest, ServiceRequest, TopLevel, MESSAGE_MAX,
};
use ipvs::wire::{self, Writer};
use kernel::prelude::*;
use linux::genl::{Command, Dump, Family, Full, Handler, Mode, Policy, Registration, Request};
use linux::rcu::Arc;

/// The family `IPVS`.
pub(crate) struct Ipvs;

static FAMILY: Family<Ipvs> = Family::new();

/// Opens the family; see [`Family::register`].
///
/// # Errors
///
/// `EEXIST` if there is one of this name.
pub(crate) fn register() -> Result<Registration<Ipvs>> {
    FAMILY.register(crate::THIS)
}

/// Returns a command that is sent as a plain request.
const fn plain(number: u8) -> Command {
    Command {
        number,
        mode: Mode::Do,
    }
}

impl Handler for Ipvs {
    const NAME: &'static CStr = c"IPVS";
    const VERSION: u8 = 1;
    const FIRST_STRICT: u8 = command::FLUSH.wrapping_add(1);
    const POLICY: &'static [Policy] = &[
        Policy::Nested,
        Policy::Nested,
        Policy::Nested,
        Policy::U32,
        Policy::U32,
        Policy::U32,
    ];
    const COMMANDS: &'static [Command] = &[
        plain(command::NEW_SERVICE),
        plain(command::SET_SERVICE),
        plain(command::DEL_SERVICE),
        Command {
            number: command::GET_SERVICE,
            mode: Mode::Both,
        },
        plain(command::NEW_DEST),
        plain(command::SET_DEST),
        plain(command::DEL_DEST),
        Command {
            number: command::GET_DEST,
            mode: Mode::Dump,
        },
        plain(command::NEW_DAEMON),
        plain(command::DEL_DAEMON),
        Command {
            number: command::GET_DAEMON,
            mode: Mode::Dump,
        },
        plain(command::SET_CONFIG),
        plain(command::GET_CONFIG),
        plain(command::GET_INFO),
        plain(command::ZERO),
        plain(command::FLUSH),
    ];

    fn request(request: &Request<'_>) -> Result {
        match carry_out(request) {
            Ok(()) => Ok(()),
            Err(failure) => {
                if let Failure::Refused(refusal) = failure {
                    request.explain(refusal.sentence());
                }
                Err(failure.error())
            }
        }
    }

    fn dump(dump: &mut Dump<'_>) -> Result<(), Full> {
        let Ok(netns) = Netns::get(dump.request().net()) else {
            return Ok(());
        };
        match dump.request().command() {
            command::GET_SERVICE => dump_services(dump, &netns),
            command::GET_DEST => dump_dests(dump, &netns),
            // There are no sync daemons yet, so none is running.
            _ => Ok(()),
        }
    }
}

fn carry_out(request: &Request<'_>) -> Result<(), Failure> {
    let netns = Netns::get(request.net()).map_err(|_| Refusal::Namespace)?;
    match request.command() {
        command::GET_SERVICE => show_service(request, &netns),
        command::GET_CONFIG => {
            let timeouts = netns.config.timeouts.get();
            reply(request, command::SET_CONFIG, |out| {
                message::config(out, &timeouts)
            })
        }
        command::GET_INFO => {
            let size = u32::try_from(netns.conns.size()).unwrap_or(u32::MAX);
            reply(request, command::SET_INFO, |out| message::info(out, size))
        }
        _ => change(request, &netns),
    }
}

/// Carries out the commands that change something.
fn change(request: &Request<'_>, netns: &Netns) -> Result<(), Failure> {
    let asked = TopLevel::parse(request.attributes())?;
    let session = Session::begin(request.net(), netns);
    match request.command() {
        command::FLUSH => session.flush(),
        command::SET_CONFIG => session.configure(&asked.config)?,
        command::NEW_DAEMON => {
            let daemon = message::parse_daemon(asked.daemon)?;
            session.check_families()?;
            session.start_daemon(&daemon)?;
        }
        command::DEL_DAEMON => {
            session.stop_daemon(message::parse_daemon_state(asked.daemon)?)?;
        }
        command::ZERO if asked.service.is_none() => session.zero()?,
        command::ZERO => session.zero_service(&service_key(&asked)?)?,
        command::NEW_SERVICE => session.add_service(&service_request(&asked)?)?,
        command::SET_SERVICE => session.edit_service(&service_request(&asked)?)?,
        command::DEL_SERVICE => {
            session.remove_service(&service_key(&asked)?)?;
        }
        number => change_dest(number, &session, &asked)?,
    }
    Ok(())
}

/// Reads which service is meant.
fn service_key(asked: &TopLevel<'_>) -> Result<ServiceKey, Refusal> {
    let key = message::parse_service_key(asked.service)?;
    check_family(key.family())?;
    Ok(key)
}

/// Reads a service with all its settings; a family that the kernel does not have is refused before
/// they are looked at.
fn service_request<'a>(asked: &TopLevel<'a>) -> Result<ServiceRequest<'a>, Refusal> {
    if check_family(addr::Family::V6).is_err() {
        service_key(asked)?;
    }
    message::parse_service(asked.service)
}

/// Reads a real server, of a service of this family, with all its settings.
fn dest_request(asked: &TopLevel<'_>, family: addr::Family) -> Result<DestRequest, Refusal> {
    let request = message::parse_dest(asked.dest, family)?;
    check_family(request.key.addr.family())?;
    Ok(request)
}

/// Refuses a family that the kernel does not have.
fn check_family(family: addr::Family) -> Result<(), Refusal> {
    match hook_family(family).is_enabled() {
        true => Ok(()),
        false => Err(Refusal::FamilyAbsent),
    }
}

/// Carries out the commands that change a real server.
fn change_dest(number: u8, session: &Session<'_>, asked: &TopLevel<'_>) -> Result<(), Failure> {
    let service = session.service(&service_key(asked)?)?;
    let family = service.key().family();
    match number {
        command::NEW_DEST => session.add_dest(&service, &dest_request(asked, family)?)?,
        command::SET_DEST => {
            session.edit_dest(&service, &dest_request(asked, family)?)?;
        }
        command::DEL_DEST => {
            let key = message::parse_dest_key(asked.dest, family)?;
            check_family(key.addr.family())?;
            session.remove_dest(&service, &key)?;
        }
        // The core lets no other command through.
        _ => return Err(EOPNOTSUPP.into()),
    }
    Ok(())
}

/// Sends one message back.
fn reply(
    request: &Request<'_>,
    number: u8,
    fill: impl FnOnce(&mut Writer<'_>) -> Result<(), wire::Full>,
) -> Result<(), Failure> {
    let mut buffer = [0; MESSAGE_MAX];
    let mut out = Writer::at(request.start(), &mut buffer);
    fill(&mut out).map_err(|wire::Full| EMSGSIZE)?;
    Ok(request.reply(number, out.written())?)
}

fn show_service(request: &Request<'_>, netns: &Netns) -> Result<(), Failure> {
    let asked = TopLevel::parse(request.attributes())?;
    let key = service_key(&asked)?;
    let service = netns.services.existing(&key)?;
    let shown = shown_service(&service);
    reply(request, command::NEW_SERVICE, |out| {
        message::service(out, &shown)
    })
}

/// Writes one message of a dump.
fn put(
    dump: &mut Dump<'_>,
    number: u8,
    fill: impl FnOnce(&mut Writer<'_>) -> Result<(), wire::Full>,
) -> Result<(), Full> {
    let mut buffer = [0; MESSAGE_MAX];
    let mut out = Writer::at(dump.start(), &mut buffer);
    fill(&mut out).map_err(|wire::Full| Full)?;
    dump.put(number, out.written())
}

/// Writes all services; the cursor is the serial of the last one written.
fn dump_services(dump: &mut Dump<'_>, netns: &Netns) -> Result<(), Full> {
    let [mut serial, ..] = dump.cursor();
    while let Some(service) = netns.services.after(serial) {
        let shown = shown_service(&service);
        put(dump, command::NEW_SERVICE, |out| {
            message::service(out, &shown)
        })?;
        serial = service.serial();
        dump.set_cursor([serial, 0, 0, 0, 0, 0]);
    }
    Ok(())
}

/// Writes the real servers of a service, the newest first; the cursor is the serial of the last one
/// written. A service that is not there has none.
fn dump_dests(dump: &mut Dump<'_>, netns: &Netns) -> Result<(), Full> {
    let Some(service) = service_of(dump, netns) else {
        return Ok(());
    };
    let [cursor, ..] = dump.cursor();
    let mut serial = match cursor {
        0 => u64::MAX,
        reached => reached,
    };
    while let Some(dest) = service.dest_below(serial) {
        put(dump, command::NEW_DEST, |out| {
            message::dest(out, &shown_dest(&dest))
        })?;
        serial = dest.serial();
        dump.set_cursor([serial, 0, 0, 0, 0, 0]);
    }
    Ok(())
}

/// Finds the service whose servers a dump asks for.
fn service_of(dump: &Dump<'_>, netns: &Netns) -> Option<Arc<Service>> {
    let asked = TopLevel::parse(dump.request().attributes()).ok()?;
    let key = service_key(&asked).ok()?;
    netns.services.get(&key)
}
