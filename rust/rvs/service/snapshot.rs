// SPDX-License-Identifier: GPL-2.0
//! What is published about a service, all of a piece, and how the next follows from one.

use super::scheduling::{Scheduling, Transition};
use super::server_list::ServerList;
use crate::config::CacheExpiry;
use crate::dest::Dest;
use crate::util::OutOfMemory;
use ipvs::flow::Flow;
use ipvs::refusal::Refusal;
use ipvs::sched::Change;
use ipvs::service::ServiceSettings;
use linux::rcu::{Arc, Borrow, Reader};

/// What is published about a service.
#[derive(Clone)]
pub(super) struct Snapshot {
    settings: ServiceSettings,
    servers: ServerList,
    scheduling: Scheduling,
}

/// How a service changes.
pub(super) enum Step<'a> {
    /// It gets other settings; a new scheduler starts from the beginning.
    Settings(ServiceSettings, &'a CacheExpiry),
    /// A server is added.
    Added(&'a Arc<Dest>),
    /// A server was edited: its weight, its last weight other than zero.
    Edited { weight: bool, last_weight: bool },
    /// A server is removed.
    Removed(&'a Dest),
}

impl Snapshot {
    /// Makes the first snapshot, without servers.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`].
    pub(super) fn new(settings: ServiceSettings, expiry: &CacheExpiry) -> Result<Self, Refusal> {
        let servers = ServerList::EMPTY;
        Ok(Self {
            settings,
            scheduling: Scheduling::new(settings.scheduler, &servers, expiry)?,
            servers,
        })
    }

    /// Returns the snapshot after a step.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`]; [`Refusal::ServersTooMany`] for another scheduler.
    pub(super) fn next(&self, step: &Step<'_>) -> Result<Self, Refusal> {
        match step {
            Step::Settings(settings, expiry) => self.with_settings(*settings, expiry),
            Step::Added(dest) => self.with_servers(self.servers.with(dest), Change::Added),
            Step::Edited {
                weight,
                last_weight,
            } => {
                let change = Change::Edited {
                    weight: *weight,
                    last_weight: *last_weight,
                };
                self.with_servers(Ok(self.servers.clone()), change)
            }
            Step::Removed(dest) => {
                let servers = self.servers.without(self.servers.from(dest.serial()));
                self.with_servers(servers, Change::Removed)
            }
        }
    }

    fn with_settings(
        &self,
        settings: ServiceSettings,
        expiry: &CacheExpiry,
    ) -> Result<Self, Refusal> {
        if settings.scheduler == self.settings.scheduler {
            return Ok(Self {
                settings,
                ..self.clone()
            });
        }
        let servers = self.servers.without_aggregates()?;
        Ok(Self {
            settings,
            scheduling: Scheduling::new(settings.scheduler, &servers, expiry)?,
            servers,
        })
    }

    fn with_servers(
        &self,
        servers: Result<ServerList, OutOfMemory>,
        change: Change,
    ) -> Result<Self, Refusal> {
        let servers = servers?;
        let transition = Transition {
            before: &self.servers,
            after: &servers,
            change,
        };
        Ok(Self {
            settings: self.settings,
            scheduling: self.scheduling.next(self.settings.scheduler, &transition)?,
            servers,
        })
    }

    /// Returns what can be changed about the service.
    #[inline]
    pub(super) fn settings(&self) -> &ServiceSettings {
        &self.settings
    }

    /// Returns the servers.
    pub(super) fn servers(&self) -> &ServerList {
        &self.servers
    }

    /// Picks the server for a new connection.
    #[inline]
    pub(super) fn pick<'g>(&'g self, rcu: Reader<'g>, flow: &Flow) -> Option<Borrow<'g, Dest>> {
        self.scheduling
            .pick(&self.servers, &self.settings, (flow, rcu))
    }

    /// Has changes counted as the scheduler needs it, before the snapshot replaces one with the servers `before`.
    pub(super) fn watch(&self, before: &ServerList) {
        let counts = self.settings.scheduler.spec().watches_counts;
        self.servers.prepare(before, counts);
    }

    /// Ends counting what the scheduler needs no more, once the snapshot is published.
    pub(super) fn unwatch(&self) {
        if !self.settings.scheduler.spec().watches_counts {
            self.servers.unwatch();
        }
    }
}
