// SPDX-License-Identifier: GPL-2.0
//! The front end of the old socket options.
//!
//! Turns arguments into commands and values into replies; `control.rs` decides, `ipvs::uapi::sockopt`
//! knows the bytes.

use super::failure::Failure;
use super::shown::{shown_dest, shown_service};
use super::Session;
use crate::netns::Netns;
use crate::service::Service;
use ipvs::addr::Family;
use ipvs::refusal::Refusal;
use ipvs::service::ServiceKey;
use ipvs::uapi::sockopt::{self as message, Get, Set, ARGUMENT_MAX, QUESTION_MAX};
use kernel::prelude::*;
use linux::net::Net;
use linux::sockopt::{Argument, Buffer, Definition, Options, Registration};

/// The options.
pub(crate) struct Ipvs;

static DEFINITION: Definition<Ipvs> = Definition::new();

/// Lets programs use the options.
///
/// # Errors
///
/// As [`Definition::register`].
pub(crate) fn register() -> Result<Registration<Ipvs>> {
    DEFINITION.register(crate::THIS)
}

impl Options for Ipvs {
    const FIRST: i32 = message::FIRST;
    const LAST_SET: i32 = message::LAST_SET;
    const LAST_GET: i32 = message::LAST_GET;

    fn set(net: &Net, option: i32, argument: &Argument<'_>) -> Result {
        match net.is_admin() {
            true => set(net, option, argument).map_err(|failure| failure.error()),
            false => Err(EPERM),
        }
    }

    fn get(net: &Net, option: i32, buffer: &mut Buffer<'_>) -> Result {
        match net.is_admin() {
            true => get(net, option, buffer).map_err(|failure| failure.error()),
            false => Err(EPERM),
        }
    }
}

fn set(net: &Net, option: i32, argument: &Argument<'_>) -> Result<(), Failure> {
    let len = message::set_length(option).filter(|len| *len == argument.len());
    let mut room = [0; ARGUMENT_MAX];
    let bytes = len.and_then(|len| room.get_mut(..len));
    let bytes = bytes.ok_or(Refusal::OptionLength)?;
    argument.read(bytes)?;
    let wanted = message::parse_set(option, bytes)?;
    let netns = Netns::get(net).map_err(|_| Refusal::Namespace)?;
    let session = Session::begin(net, &netns);
    Ok(change(&session, &wanted)?)
}

/// Carries out the commands that are not about one service.
fn change(session: &Session<'_>, wanted: &Set<'_>) -> Result<(), Refusal> {
    match wanted {
        Set::Flush => session.flush(),
        Set::Configure(config) => session.configure(config)?,
        Set::StartDaemon(request) => session.start_daemon(request)?,
        Set::StopDaemon(state) => session.stop_daemon(*state)?,
        Set::ZeroAll => session.zero()?,
        Set::AddService(request) => session.add_service(request)?,
        Set::EditService(request) => {
            session.service_of_protocol(&request.key)?;
            session.edit_service(request)?;
        }
        Set::RemoveService(key) => {
            session.service_of_protocol(key)?;
            session.remove_service(key)?;
        }
        Set::ZeroService(key) => {
            session.service_of_protocol(key)?;
            session.zero_service(key)?;
        }
        Set::AddDest(key, request) => {
            session.add_dest(&*session.service_of_protocol(key)?, request)?;
        }
        Set::EditDest(key, request) => {
            session.edit_dest(&*session.service_of_protocol(key)?, request)?;
        }
        Set::RemoveDest(key, dest) => {
            session.remove_dest(&*session.service_of_protocol(key)?, dest)?;
        }
    }
    Ok(())
}

fn get(net: &Net, option: i32, buffer: &mut Buffer<'_>) -> Result<(), Failure> {
    let len = buffer.room().ok_or(Refusal::OptionLength)?;
    let asked = message::get_length(option).filter(|asked| *asked <= len);
    let mut room = [0; QUESTION_MAX];
    let bytes = asked.and_then(|asked| room.get_mut(..asked));
    let bytes = bytes.ok_or(Refusal::OptionLength)?;
    buffer.read(bytes)?;
    let asked = message::parse_get(option, len, bytes)?;
    let netns = Netns::get(net).map_err(|_| Refusal::Namespace)?;
    answer(&netns, &asked, &room, buffer)
}

fn answer(
    netns: &Netns,
    asked: &Get,
    question: &[u8; QUESTION_MAX],
    buffer: &mut Buffer<'_>,
) -> Result<(), Failure> {
    let size = u32::try_from(netns.conns.size()).unwrap_or(u32::MAX);
    match asked {
        Get::Version => {
            let (text, len) = message::version(size);
            buffer.write(0, text.get(..len).unwrap_or(&[]))?;
            buffer.set_len(len);
        }
        Get::Info => {
            let services = netns.services.count_of(Family::V4);
            buffer.write(0, &message::info(size, services))?;
        }
        Get::Services(count) => write_services(netns, *count, buffer)?,
        Get::Service(key) => {
            let service = netns.services.existing(key)?;
            let entry = message::service_over(*question, &shown_service(&service), dests(&service));
            buffer.write(0, &entry)?;
        }
        Get::Dests(key, count) => write_dests(netns, key, *count, buffer)?,
        Get::Timeouts => buffer.write(0, &message::timeouts(&netns.config.timeouts.get()))?,
        Get::Daemons => buffer.write(0, &message::daemons())?,
    }
    Ok(())
}

/// Returns how many real servers a service has.
fn dests(service: &Service) -> u32 {
    u32::try_from(service.dest_count()).unwrap_or(u32::MAX)
}

/// Writes the first services of IPv4, at most `count`.
fn write_services(netns: &Netns, count: u32, buffer: &mut Buffer<'_>) -> Result {
    let mut serial = 0;
    let next = || {
        let service = netns.services.after(serial)?;
        serial = service.serial();
        Some(service)
    };
    let services = core::iter::from_fn(next);
    let shown = services.filter(|service| service.key().family() == Family::V4);
    (0..count).zip(shown).try_for_each(|(index, service)| {
        let entry = message::service_entry(&shown_service(&service), dests(&service));
        buffer.write(message::service_place(index), &entry)
    })
}

/// Writes the newest real servers of a service that have its family, at most `count`.
fn write_dests(
    netns: &Netns,
    key: &ServiceKey,
    count: u32,
    buffer: &mut Buffer<'_>,
) -> Result<(), Failure> {
    let service = netns.services.existing(key)?;
    let mut serial = u64::MAX;
    let next = || {
        let dest = service.dest_below(serial)?;
        serial = dest.serial();
        Some(dest)
    };
    let dests = core::iter::from_fn(next);
    let shown = dests.filter(|dest| Family::of(dest.key().addr) == key.family());
    let mut entries = (0..count).zip(shown);
    Ok(entries.try_for_each(|(index, dest)| {
        let entry = message::dest_entry(&shown_dest(&dest));
        buffer.write(message::dest_place(index), &entry)
    })?)
}
