// SPDX-License-Identifier: GPL-2.0
//! One virtual service: what is published about it, and its servers.

use super::index::Index;
use super::server_list::ServerList;
use super::snapshot::{Snapshot, Step};
use crate::config::CacheExpiry;
use crate::dest::Dest;
use crate::util::OutOfMemory;
use ipvs::addr::Family;
use ipvs::flow::Flow;
use ipvs::rate::Samples;
use ipvs::refusal::Refusal;
use ipvs::service::{DestKey, DestSettings, ServiceKey, ServiceSettings};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use linux::rcu::{self, Arc, Borrow, Published, Reader};

/// The right to change services and servers of a namespace: a lock guards it.
pub(crate) struct Exclusive(());

impl Exclusive {
    /// Makes what a lock is to guard.
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

/// A virtual service.
#[pin_data]
pub(crate) struct Service {
    key: ServiceKey,
    serial: u64,
    published: Published<Snapshot>,
    expiry: CacheExpiry,
    /// Held while a server comes, changes or goes, so that listings see all of that or nothing.
    #[pin]
    writer: Mutex<WriterState>,
}

/// What is known of a service's servers besides what is published.
struct WriterState {
    /// What users see beyond what the servers have counted: what those that are gone counted, less
    /// what those that came had counted before, less everything up to the last reset.
    stats_base: Samples,
    index: Index,
}

impl Service {
    /// Makes a service without servers.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`].
    pub(crate) fn new(
        key: ServiceKey,
        settings: ServiceSettings,
        serial: u64,
        expiry: &CacheExpiry,
    ) -> Result<Arc<Self>, Refusal> {
        let snapshot = Snapshot::new(settings.hashed(), expiry)?;
        let snapshot = Arc::new(snapshot, GFP_KERNEL).map_err(OutOfMemory::from)?;
        let service: Result<_, OutOfMemory> = Arc::pin_init(
            try_pin_init!(Self {
                key,
                serial,
                published: Published::new(snapshot),
                expiry: expiry.clone(),
                writer <- new_mutex!(WriterState {
                    stats_base: Samples::default(),
                    index: Index::new(),
                }),
            }? OutOfMemory),
            GFP_KERNEL,
        );
        Ok(service?)
    }

    /// Returns what identifies it in its namespace.
    pub(crate) fn key(&self) -> &ServiceKey {
        &self.key
    }

    /// Returns its place in listings: never reused, ascending in the order of addition.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Returns what can be changed about it.
    #[inline]
    pub(crate) fn settings<'g>(&self, rcu: Reader<'g>) -> &'g ServiceSettings {
        self.published.read(rcu).get().settings()
    }

    /// Returns a copy of what can be changed about it.
    pub(crate) fn settings_now(&self) -> ServiceSettings {
        rcu::read(|rcu| *self.settings(rcu))
    }

    /// Picks the server for a new connection; `None` if none takes it.
    #[inline]
    pub(crate) fn pick<'g>(&self, rcu: Reader<'g>, flow: &Flow) -> Option<Borrow<'g, Dest>> {
        self.published.read(rcu).get().pick(rcu, flow)
    }

    /// Returns the newest server whose serial is below `serial`: the next one of a listing, which
    /// starts with `u64::MAX`.
    pub(crate) fn dest_below(&self, serial: u64) -> Option<Arc<Dest>> {
        self.servers().below(serial).cloned()
    }

    /// Returns the same, for the reader's section.
    pub(crate) fn newest_below<'g>(&self, serial: u64, rcu: Reader<'g>) -> Option<&'g Dest> {
        let servers = self.published.read(rcu).get().servers();
        Some(servers.below(serial)?.borrow(rcu).get())
    }

    /// Returns how many servers it has.
    pub(crate) fn dest_count(&self) -> usize {
        rcu::read(|rcu| self.published.read(rcu).get().servers().len())
    }

    /// Returns whether one of its servers has another family.
    pub(crate) fn mixes_families(&self, rcu: Reader<'_>) -> bool {
        let mut dests = self.published.read(rcu).get().servers().iter();
        dests.any(|dest| Family::of(dest.key().addr) != self.key.family())
    }

    /// Finds a server by its key.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn dest(&self, key: &DestKey) -> Option<Arc<Dest>> {
        let writer = self.writer.lock();
        writer.index.find(&self.servers(), key, &self.key)
    }

    /// Returns what users see of its statistics.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn shown(&self) -> Samples {
        let writer = self.writer.lock();
        writer.stats_base.plus(&self.counted())
    }

    /// Lets users see zero from here on, on the service and its servers.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`]; some servers show what they did before then.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn reset(&self, _: &Exclusive) -> Result<(), Refusal> {
        let mut writer = self.writer.lock();
        writer.stats_base = Samples::default().minus(&self.counted());
        drop(writer);
        let mut result = Ok(());
        for dest in self.servers().iter() {
            // What fails for one does not keep the others from it.
            result = result.and(dest.stats.reset());
        }
        Ok(result?)
    }

    /// Sums up everything that the servers counted.
    fn counted(&self) -> Samples {
        let servers = self.servers();
        let counted = servers.iter().map(|dest| dest.stats.counted());
        counted.fold(Samples::default(), |sum, one| sum.plus(&one))
    }

    /// Changes the settings; a new scheduler starts from the beginning.
    ///
    /// # Errors
    ///
    /// [`Refusal::ServersTooMany`] if a new scheduler cannot have so many servers,
    /// [`Refusal::Memory`].
    pub(crate) fn edit(&self, _: &Exclusive, settings: ServiceSettings) -> Result<(), Refusal> {
        let _writer = self.writer.lock();
        let step = Step::Settings(settings.hashed(), &self.expiry);
        self.publish(self.snapshot().next(&step)?)
    }

    /// Adds a server that is in no list, at the place `serial` of listings.
    ///
    /// There must be none with its key.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`]; the server is in no list then.
    pub(crate) fn link(&self, _: &Exclusive, dest: &Arc<Dest>, serial: u64) -> Result<(), Refusal> {
        let mut writer = self.writer.lock();
        let result = self.publish_with(&mut writer, dest, serial);
        if result.is_err() {
            dest.leave();
        }
        result
    }

    /// Publishes the servers with one more.
    fn publish_with(
        &self,
        writer: &mut WriterState,
        dest: &Arc<Dest>,
        serial: u64,
    ) -> Result<(), Refusal> {
        let counted = dest.stats.counted();
        if dest.owner() != self.serial {
            dest.stats.reset_to(counted)?;
        }
        dest.join(self.serial, serial);
        let before = self.snapshot();
        let next = before.next(&Step::Added(dest))?;
        writer.index.insert(next.servers(), dest)?;
        let result = self.publish(next);
        match result {
            Ok(()) => {
                // A device that went down before the list showed the server did not find its route.
                dest.route.clear();
                writer.stats_base = writer.stats_base.minus(&counted);
            }
            Err(_) => writer.index.remove(before.servers(), dest),
        }
        result
    }

    /// Changes the settings of one of its servers.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`]; nothing is changed then.
    pub(crate) fn edit_dest(
        &self,
        _: &Exclusive,
        dest: &Dest,
        settings: &DestSettings,
    ) -> Result<(), Refusal> {
        let _writer = self.writer.lock();
        let (before, last_weight) = (dest.settings(), dest.last_weight());
        dest.edit(settings);
        let step = Step::Edited {
            weight: dest.weight() != before.weight,
            last_weight: dest.last_weight() != last_weight,
        };
        let next = self.snapshot().next(&step);
        let result = next.and_then(|next| self.publish(next));
        if result.is_err() {
            dest.restore(&before, last_weight);
        }
        result
    }

    /// Removes one of its servers from the list; its connections stay.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`]; nothing is changed then.
    pub(crate) fn unlink(&self, _: &Exclusive, dest: &Arc<Dest>) -> Result<(), Refusal> {
        let mut writer = self.writer.lock();
        let next = self.snapshot().next(&Step::Removed(dest))?;
        let servers = next.servers().clone();
        self.publish(next)?;
        dest.leave();
        writer.index.remove(&servers, dest);
        writer.stats_base = writer.stats_base.plus(&dest.stats.counted());
        Ok(())
    }

    /// Lets all servers leave, when the service is gone, and hands each to `keep`.
    pub(super) fn abandon(&self, keep: impl Fn(Arc<Dest>)) {
        for dest in self.servers().iter() {
            dest.leave();
            keep(dest.clone());
        }
    }

    /// Drops the routes of all servers through a device that went down.
    pub(super) fn drop_routes(&self, device: u32, rcu: Reader<'_>) {
        for dest in self.published.read(rcu).get().servers().iter() {
            dest.route.clear_through(device, rcu);
        }
    }

    fn snapshot(&self) -> Snapshot {
        rcu::read(|rcu| self.published.read(rcu).get().clone())
    }

    fn servers(&self) -> ServerList {
        rcu::read(|rcu| self.published.read(rcu).get().servers().clone())
    }

    fn publish(&self, next: Snapshot) -> Result<(), Refusal> {
        let next = Arc::new(next, GFP_KERNEL).map_err(OutOfMemory::from)?;
        next.watch(&self.servers());
        drop(self.published.replace(next.clone()));
        next.unwatch();
        Ok(())
    }
}
