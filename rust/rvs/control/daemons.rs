// SPDX-License-Identifier: GPL-2.0
//! Commands for the sync daemons, of which none can be started yet.

use super::Session;
use crate::service::Service;
use core::ops::ControlFlow;
use ipvs::addr::Family;
use ipvs::refusal::Refusal;
use ipvs::wire::genl::{DaemonRequest, DestRequest, Role};
use kernel::sync::atomic::Relaxed;
use linux::rcu;

impl Session<'_> {
    /// Refuses to go on while a real server has another family than its service, which messages
    /// between sync daemons cannot tell.
    ///
    /// # Errors
    ///
    /// [`Refusal::DaemonFamilies`].
    pub(crate) fn check_families(&self) -> Result<(), Refusal> {
        let mut is_mixed = false;
        self.netns.services.visit(0, |service| {
            is_mixed = rcu::read(|rcu| service.mixes_families(rcu));
            match is_mixed {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        match is_mixed {
            true => Err(Refusal::DaemonFamilies),
            false => Ok(()),
        }
    }

    /// Refuses a real server of another family than its service while a sync daemon runs.
    ///
    /// # Errors
    ///
    /// [`Refusal::DestDaemon`].
    pub(crate) fn check_daemons(
        &self,
        service: &Service,
        request: &DestRequest,
    ) -> Result<(), Refusal> {
        let differs = Family::of(request.key.addr) != service.key().family();
        match differs && self.netns.daemon_runs.load(Relaxed) {
            true => Err(Refusal::DestDaemon),
            false => Ok(()),
        }
    }

    /// Starts a sync daemon.
    ///
    /// # Errors
    ///
    /// Interface or state are refused, or there is no memory; otherwise [`Refusal::DaemonNotYet`].
    pub(crate) fn start_daemon(&self, request: &DaemonRequest<'_>) -> Result<(), Refusal> {
        let role = Role::from_number(request.state);
        if role == Ok(Role::Backup) {
            // As in C, even if it is refused afterwards.
            self.netns.conns.open()?;
        }
        if !self.net.has_device(request.interface) {
            return Err(Refusal::DaemonDevice);
        }
        role?;
        Err(Refusal::DaemonNotYet)
    }

    /// Stops the sync daemon whose role has this number.
    ///
    /// # Errors
    ///
    /// The state is refused, or it does not run: none does yet.
    pub(crate) fn stop_daemon(&self, state: u32) -> Result<(), Refusal> {
        Role::from_number(state)?;
        Err(Refusal::DaemonUnknown)
    }
}
