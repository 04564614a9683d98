// SPDX-License-Identifier: GPL-2.0
//! Commands common to all front ends: add, edit, delete, list.
//!
//! What a command means for the whole namespace is done here: hooks go on with the first service of
//! a family and off with the last, the table of connections is opened, and connections of removed
//! servers are ended if users want that.
//!
//! Checks come in the order in which C makes them, so that a request with two faults gets the same
//! error from both; what only this module refuses is judged after everything that C refuses.
#![deny(clippy::wildcard_enum_match_arm)]

mod daemons;
mod dests;
mod failure;
pub(crate) mod genl;
pub(crate) mod proc;
mod shown;
pub(crate) mod sockopt;
mod sysctl;

use crate::netns::Netns;
use crate::packet::hook::Packets;
use crate::service::{Exclusive, Listed, Service};
use ipvs::addr::Family;
use ipvs::flags;
use ipvs::pe::Engine;
use ipvs::proto::Timeouts;
use ipvs::refusal::Refusal;
use ipvs::sched::Scheduler;
use ipvs::service::{ServiceKey, ServiceSettings};
use ipvs::wire::genl::{Config, ServiceRequest};
use kernel::prelude::*;
use kernel::sync::MutexGuard;
use linux::clock::HZ;
use linux::inet;
use linux::module::ModuleRef;
use linux::net::Net;
use linux::netfilter;
use linux::rcu::Arc;

/// The right to give commands to a namespace, one at a time.
pub(crate) struct Session<'a> {
    net: &'a Net,
    netns: &'a Netns,
    exclusive: MutexGuard<'a, Exclusive>,
}

impl<'a> Session<'a> {
    /// Waits until no other session is open.
    ///
    /// # Locking
    ///
    /// Process context; takes `control`.
    pub(crate) fn begin(net: &'a Net, netns: &'a Netns) -> Self {
        Self {
            net,
            netns,
            exclusive: netns.control.lock(),
        }
    }

    /// Finds a service.
    ///
    /// # Errors
    ///
    /// [`Refusal::ServiceUnknown`].
    pub(crate) fn service(&self, key: &ServiceKey) -> Result<Arc<Service>, Refusal> {
        self.netns.services.existing(key)
    }

    /// Finds a service whose protocol is the one named; that of a mark is not part of its key.
    ///
    /// # Errors
    ///
    /// [`Refusal::ServiceUnknown`].
    pub(crate) fn service_of_protocol(&self, key: &ServiceKey) -> Result<Arc<Service>, Refusal> {
        let service = self.service(key)?;
        match service.key().protocol == key.protocol {
            true => Ok(service),
            false => Err(Refusal::ServiceUnknown),
        }
    }

    /// Makes a service.
    ///
    /// # Errors
    ///
    /// It exists already, the settings are refused, or there is no memory.
    pub(crate) fn add_service(&self, request: &ServiceRequest<'_>) -> Result<(), Refusal> {
        let services = &self.netns.services;
        if services.get(&request.key).is_some() {
            return Err(Refusal::ServiceExists);
        }
        let settings = settings(request, 0)?;
        let module = ModuleRef::get(crate::THIS).ok_or(Refusal::Unloading)?;
        if !settings.has_valid_netmask(request.key.family()) {
            return Err(Refusal::Netmask);
        }
        let expiry = &self.netns.config.cache_expiry();
        let service = Service::new(request.key, settings, services.next_serial(), expiry)?;
        self.netns.conns.open()?;
        self.start_family(request.key.family())?;
        let result = services.insert(&self.exclusive, Listed::new(service, module));
        if result.is_err() {
            self.stop_unused_family(request.key.family());
        }
        result
    }

    /// Changes a service.
    ///
    /// # Errors
    ///
    /// It does not exist, the settings are refused, or there is no memory.
    pub(crate) fn edit_service(&self, request: &ServiceRequest<'_>) -> Result<(), Refusal> {
        let service = self.service(&request.key)?;
        let settings = settings(request, service.settings_now().flags)?;
        if !settings.has_valid_netmask(request.key.family()) {
            return Err(Refusal::Netmask);
        }
        let services = &self.netns.services;
        services.edit(&self.exclusive, &service, settings)?;
        services.use_parts(&self.exclusive, &service);
        Ok(())
    }

    /// Removes a service.
    ///
    /// # Errors
    ///
    /// It does not exist, or there is no memory.
    pub(crate) fn remove_service(&self, key: &ServiceKey) -> Result<(), Refusal> {
        let service = self.service(key)?;
        let _listed = self.netns.services.remove(&self.exclusive, &service)?;
        self.stop_unused_family(key.family());
        self.sweep();
        Ok(())
    }

    /// Removes all services.
    pub(crate) fn flush(&self) {
        let _listed = self.netns.services.clear(&self.exclusive);
        self.stop_unused_family(Family::V4);
        self.stop_unused_family(Family::V6);
        self.sweep();
    }

    /// Lets users see zeroes from here on: of one service and its servers.
    ///
    /// # Errors
    ///
    /// It does not exist, or there is no memory for some servers.
    pub(crate) fn zero_service(&self, key: &ServiceKey) -> Result<(), Refusal> {
        self.service(key)?.reset(&self.exclusive)
    }

    /// Lets users see zeroes from here on: of everything in the namespace.
    ///
    /// # Errors
    ///
    /// There is no memory for some of it.
    pub(crate) fn zero(&self) -> Result<(), Refusal> {
        let (mut serial, mut result) = (0, Ok(()));
        while let Some(service) = self.netns.services.after(serial) {
            result = result.and(service.reset(&self.exclusive));
            serial = service.serial();
        }
        result.and(self.netns.stats.reset().map_err(Refusal::from))
    }

    /// Changes the time-outs: those that are given and not 0.
    ///
    /// # Errors
    ///
    /// One is out of range; then none is changed.
    pub(crate) fn configure(&self, config: &Config) -> Result<(), Refusal> {
        let present = self.netns.config.timeouts.get();
        let wanted = Timeouts {
            tcp: timeout(config.tcp, present.tcp)?,
            tcp_fin: timeout(config.tcp_fin, present.tcp_fin)?,
            udp: timeout(config.udp, present.udp)?,
        };
        self.netns.config.timeouts.set(wanted);
        Ok(())
    }

    /// Changes the load factor of the table of services.
    fn set_service_load_factor(&self, factor: i32) {
        let services = &self.netns.services;
        services.set_load_factor(&self.exclusive, factor);
    }

    /// Has the packets of a family looked at.
    fn start_family(&self, family: Family) -> Result<(), Refusal> {
        let result = self.netns.hooks.turn_on::<Packets>(hook_family(family));
        result.map_err(no_hooks)
    }

    /// Has fragments of a family put together.
    fn defragment(&self, family: Family) -> Result<(), Refusal> {
        let result = self.netns.hooks.defragment(hook_family(family));
        result.map_err(no_hooks)
    }

    /// Leaves the packets of a family alone again if it has no service.
    fn stop_unused_family(&self, family: Family) {
        if !self.netns.services.has_family(family) {
            self.netns.hooks.turn_off(hook_family(family));
        }
    }

    /// Has the connections of removed servers ended, if users want that.
    fn sweep(&self) {
        if self.netns.config.expire_nodest_conn.is_on() {
            self.netns.conns.sweep();
        }
    }
}

/// Says why hooks do not go on.
fn no_hooks(error: netfilter::HookError) -> Refusal {
    match error {
        netfilter::HookError::Memory => Refusal::Memory,
        netfilter::HookError::Family => Refusal::FamilyAbsent,
        netfilter::HookError::Namespace => Refusal::Namespace,
    }
}

/// Returns the family as the hooks know it.
fn hook_family(family: Family) -> inet::Family {
    match family {
        Family::V4 => inet::Family::V4,
        Family::V6 => inet::Family::V6,
    }
}

/// The longest time-out in seconds: what an `int` of ticks holds.
const TIMEOUT_MAX: u32 = match i32::MAX.unsigned_abs().checked_div(HZ) {
    Some(seconds) => seconds,
    None => 0,
};

/// Returns the time-out after a request for `wanted`.
fn timeout(wanted: Option<u32>, present: u32) -> Result<u32, Refusal> {
    match wanted {
        None | Some(0) => Ok(present),
        Some(wanted) if wanted <= TIMEOUT_MAX => Ok(wanted),
        Some(_) => Err(Refusal::Timeout),
    }
}

/// Returns the settings of a service that had the flags `present` before.
fn settings(request: &ServiceRequest<'_>, present: u32) -> Result<ServiceSettings, Refusal> {
    let scheduler = Scheduler::from_name(request.scheduler).ok_or(Refusal::SchedulerUnknown)?;
    let engine = match request.engine {
        [] => None,
        name => Some(Engine::from_name(name).ok_or(Refusal::EngineUnknown)?),
    };
    let settings = ServiceSettings {
        scheduler,
        flags: request.flags(present) | (present & flags::service::HASHED),
        timeout_seconds: kept(request.timeout),
        netmask: request.netmask,
        engine,
    };
    Ok(settings)
}

/// Returns what is left of a template's time-out after C counted it in ticks of 32 bits.
const fn kept(seconds: u32) -> u32 {
    match seconds.wrapping_mul(HZ).checked_div(HZ) {
        Some(kept) => kept,
        None => seconds,
    }
}
