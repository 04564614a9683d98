// SPDX-License-Identifier: GPL-2.0
//! Commands common to all front ends: add, edit, delete, list.
//!
//! Checks come in the order in which C makes them, so that a request with two faults gets the same
//! error from both; what only this module refuses is judged after everything that C refuses.

pub(crate) mod genl;
pub(crate) mod proc;
mod sysctl;

use crate::netns::Netns;
use crate::service::{Command, Service};
use ipvs::addr::{Family, Protocol};
use ipvs::flags;
use ipvs::proto::Timeouts;
use ipvs::refusal::Refusal;
use ipvs::sched::Scheduler;
use ipvs::service::{DestKey, DestSettings, ServiceKey, ServiceSettings};
use ipvs::wire::genl::{Config, DestRequest, ServiceRequest};
use ipvs::xmit::Method;
use kernel::prelude::*;
use linux::clock::HZ;
use linux::net::Net;
use linux::rcu::Arc;

/// Why a command was not carried out.
pub(crate) enum Failure {
    /// A rule forbids it.
    Refused(Refusal),
    /// The kernel could not do it.
    Failed(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            ENOMEM => Failure::Refused(Refusal::Memory),
            ENOPROTOOPT => Failure::Refused(Refusal::Unloading),
            other => Failure::Failed(other),
        }
    }
}

/// The right to give commands to a namespace, one at a time.
pub(crate) struct Session<'a> {
    netns: &'a Netns,
    command: Command<'a>,
}

impl<'a> Session<'a> {
    /// Waits for the session before.
    ///
    /// # Locking
    ///
    /// Process context; takes `control`.
    pub(crate) fn begin(net: &'a Net, netns: &'a Netns) -> Self {
        Self {
            netns,
            command: Command::begin(net, netns),
        }
    }

    /// Finds a service.
    ///
    /// # Errors
    ///
    /// [`Refusal::ServiceUnknown`].
    pub(crate) fn service(&self, key: &ServiceKey) -> Result<Arc<Service>, Failure> {
        let found = self.netns.services.get(key);
        Ok(found.ok_or(Refusal::ServiceUnknown)?)
    }

    /// Makes a service.
    ///
    /// # Errors
    ///
    /// It exists already, the settings are refused, or the kernel could not.
    pub(crate) fn add_service(&self, request: &ServiceRequest<'_>) -> Result<(), Failure> {
        if self.netns.services.get(&request.key).is_some() {
            return Err(Refusal::ServiceExists.into());
        }
        let settings = settings(request, 0)?;
        check_key(&request.key)?;
        let services = &self.netns.services;
        Ok(services.add(&self.command, request.key, settings)?)
    }

    /// Changes a service.
    ///
    /// # Errors
    ///
    /// It does not exist, the settings are refused, or the kernel could not.
    pub(crate) fn edit_service(&self, request: &ServiceRequest<'_>) -> Result<(), Failure> {
        let service = self.service(&request.key)?;
        let settings = settings(request, service.settings_now()?.flags)?;
        match service.edit(&self.command, settings) {
            Err(EINVAL) => Err(Refusal::ServersTooMany.into()),
            result => Ok(result?),
        }
    }

    /// Removes a service.
    ///
    /// # Errors
    ///
    /// It does not exist, or the kernel could not.
    pub(crate) fn remove_service(&self, key: &ServiceKey) -> Result<(), Failure> {
        let service = self.service(key)?;
        Ok(self.netns.services.remove(&self.command, &service)?)
    }

    /// Removes all services.
    pub(crate) fn flush(&self) {
        self.netns.services.flush(&self.command);
    }

    /// Lets users see zeroes from here on: of one service and its servers.
    ///
    /// # Errors
    ///
    /// It does not exist, or the kernel could not for some servers, for lack of memory.
    pub(crate) fn zero_service(&self, key: &ServiceKey) -> Result<(), Failure> {
        self.service(key)?.reset(&self.command)?;
        Ok(())
    }

    /// Lets users see zeroes from here on: of everything in the namespace.
    ///
    /// # Errors
    ///
    /// The kernel could not for some of it, for lack of memory.
    pub(crate) fn zero(&self) -> Result<(), Failure> {
        let (mut serial, mut result) = (0, Ok(()));
        while let Some(service) = self.netns.services.after(serial) {
            result = result.and(service.reset(&self.command));
            serial = service.serial();
        }
        Ok(result.and(self.netns.stats.reset())?)
    }

    /// Adds a real server to a service.
    ///
    /// # Errors
    ///
    /// It exists already, key or settings are refused, or the kernel could not.
    pub(crate) fn add_dest(&self, service: &Service, request: &DestRequest) -> Result<(), Failure> {
        check_dest(service, request)?;
        if service.dest(&request.key).is_some() {
            return Err(Refusal::DestExists.into());
        }
        check_method(&request.settings)?;
        match service.add_dest(&self.command, request.key, &request.settings) {
            Err(EINVAL) => Err(Refusal::DestAddress.into()),
            result => Ok(result?),
        }
    }

    /// Changes a real server of a service.
    ///
    /// # Errors
    ///
    /// It does not exist, the settings are refused, or the kernel could not.
    pub(crate) fn edit_dest(
        &self,
        service: &Service,
        request: &DestRequest,
    ) -> Result<(), Failure> {
        check_dest(service, request)?;
        if service.dest(&request.key).is_none() {
            return Err(Refusal::DestUnknown.into());
        }
        check_method(&request.settings)?;
        Ok(service.edit_dest(&self.command, &request.key, &request.settings)?)
    }

    /// Removes a real server from a service.
    ///
    /// # Errors
    ///
    /// It does not exist, or the kernel could not.
    pub(crate) fn remove_dest(&self, service: &Service, key: &DestKey) -> Result<(), Failure> {
        match service.remove_dest(&self.command, key) {
            Err(ENOENT) => Err(Refusal::DestUnknown.into()),
            result => Ok(result?),
        }
    }

    /// Changes the time-outs: those that are given and not 0.
    ///
    /// # Errors
    ///
    /// One is out of range; then none is changed.
    pub(crate) fn configure(&self, config: &Config) -> Result<(), Failure> {
        let present = self.netns.config.timeouts.get();
        let wanted = Timeouts {
            tcp: timeout(config.tcp, present.tcp)?,
            tcp_fin: timeout(config.tcp_fin, present.tcp_fin)?,
            udp: timeout(config.udp, present.udp)?,
        };
        self.netns.config.timeouts.set(wanted);
        Ok(())
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
    if !request.engine.is_empty() {
        return Err(Refusal::of_engine(request.engine));
    }
    let settings = ServiceSettings {
        scheduler,
        flags: request.flags(present) | (present & flags::service::HASHED),
        timeout_seconds: kept(request.timeout),
        netmask: request.netmask,
    };
    if settings.is_persistent() {
        return Err(Refusal::PersistenceNotYet);
    }
    if settings.is_one_packet() {
        return Err(Refusal::OnePacketNotYet);
    }
    Ok(settings)
}

/// Returns what is left of a template's time-out after C counted it in ticks of 32 bits.
const fn kept(seconds: u32) -> u32 {
    match seconds.wrapping_mul(HZ).checked_div(HZ) {
        Some(kept) => kept,
        None => seconds,
    }
}

/// Refuses services whose packets are not served yet.
///
/// Protocols other than TCP, UDP and SCTP match no packet in C either.
fn check_key(key: &ServiceKey) -> Result<(), Refusal> {
    if key.family() == Family::V6 {
        return Err(Refusal::FamilyNotYet);
    }
    if key.protocol == Protocol::SCTP {
        return Err(Refusal::ProtocolNotYet);
    }
    Ok(())
}

/// Refuses a real server that C would refuse, whatever else the service has.
fn check_dest(service: &Service, request: &DestRequest) -> Result<(), Refusal> {
    let differs = Family::of(request.key.addr) != service.key().family();
    if differs && request.settings.method != Method::Tunnel {
        return Err(Refusal::DestFamily);
    }
    Ok(request.settings.check()?)
}

/// Refuses a forwarding method that packets cannot take yet.
fn check_method(settings: &DestSettings) -> Result<(), Refusal> {
    match settings.method {
        Method::Tunnel => Err(Refusal::TunnelNotYet),
        Method::Bypass => Err(Refusal::BypassNotYet),
        _ => Ok(()),
    }
}
