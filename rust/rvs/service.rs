// SPDX-License-Identifier: GPL-2.0
//! Virtual services and their real servers.
//!
//! The packet path takes no lock: it reads what commands have published. Commands run one after the
//! other, which they prove by a [`Command`].

mod groups;
mod index;
mod locality;
mod registry;
mod servers;
mod table;

use crate::config::Config;
use crate::dest::Dest;
use crate::netns::Netns;
use core::mem::replace;
use groups::List;
use index::Index;
use ipvs::flow::Flow;
use ipvs::rate::Samples;
use ipvs::sched::Change;
use ipvs::service::{DestKey, DestSettings, ServiceKey, ServiceSettings};
use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex, MutexGuard};
use linux::net::Net;
use linux::rcu::{self, Arc, Borrow, Reader, Slot};
use linux::route;
use servers::{Draft, Set};

pub(crate) use registry::Services;

/// The right to change services and servers of a namespace, held for one command.
pub(crate) struct Command<'a> {
    net: &'a Net,
    netns: &'a Netns,
    _lock: MutexGuard<'a, ()>,
}

impl<'a> Command<'a> {
    /// Waits until no other command runs.
    ///
    /// # Locking
    ///
    /// Process context; takes `control`.
    pub(crate) fn begin(net: &'a Net, netns: &'a Netns) -> Self {
        Self {
            net,
            netns,
            _lock: netns.control.lock(),
        }
    }

    /// Has the connections of removed servers ended, if users want that.
    fn sweep(&self) {
        if self.netns.config.expire_nodest_conn.is_on() {
            self.netns.conns.sweep();
        }
    }
}

/// A virtual service.
#[pin_data]
pub(crate) struct Service {
    key: ServiceKey,
    serial: u64,
    published: Slot<Set>,
    /// Held while a server comes, changes or goes and while all are summed up; inside it the
    /// trash's lock.
    #[pin]
    ledger: Mutex<Ledger>,
}

/// What is known of a service's servers besides what is published.
struct Ledger {
    /// What users see beyond what the servers have counted: what those that are gone counted, less
    /// what those that came had counted before, less everything up to the last reset.
    beyond: Samples,
    index: Index,
}

impl Service {
    /// Makes a service without servers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn new(
        config: &Config,
        key: ServiceKey,
        settings: ServiceSettings,
        serial: u64,
    ) -> Result<Arc<Self>> {
        let draft = Draft::empty(settings.hashed());
        let set = draft.bound(config)?.finish()?;
        Arc::pin_init(
            try_pin_init!(Self {
                key,
                serial,
                published: Slot::new(set),
                ledger <- new_mutex!(Ledger {
                    beyond: Samples::default(),
                    index: Index::new(),
                }),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Returns what identifies it in its namespace.
    pub(crate) fn key(&self) -> &ServiceKey {
        &self.key
    }

    /// Returns its place in listings: never reused, ascending in the order of addition.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Returns what can be changed about it, for the packet path.
    #[inline]
    pub(crate) fn settings<'g>(&self, rcu: Reader<'g>) -> Option<&'g ServiceSettings> {
        Some(&self.published.read(rcu)?.get().settings)
    }

    /// Returns a copy of what can be changed about it.
    ///
    /// # Errors
    ///
    /// None in practice: a service always has settings.
    pub(crate) fn settings_now(&self) -> Result<ServiceSettings> {
        rcu::read(|rcu| self.settings(rcu).copied()).ok_or(ESRCH)
    }

    /// Picks the server for a new connection; `None` if none takes it.
    #[inline]
    pub(crate) fn pick<'g>(&self, rcu: Reader<'g>, flow: &Flow) -> Option<Borrow<'g, Dest>> {
        self.published.read(rcu)?.get().pick(rcu, flow)
    }

    /// Returns the newest server whose serial is below `serial`: the next one of a listing, which
    /// starts with `u64::MAX`.
    pub(crate) fn dest_below(&self, serial: u64) -> Option<Arc<Dest>> {
        self.list().ok()?.below(serial).cloned()
    }

    /// Returns the same, for the reader's section.
    pub(crate) fn newest_below<'g>(&self, serial: u64, rcu: Reader<'g>) -> Option<&'g Dest> {
        let set = self.published.read(rcu)?.get();
        Some(set.list.below(serial)?.borrow(rcu).get())
    }

    /// Finds a server by its key.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn dest(&self, key: &DestKey) -> Option<Arc<Dest>> {
        let ledger = self.ledger.lock();
        ledger.index.find(&self.list().ok()?, key, &self.key)
    }

    /// Returns what users see of its statistics.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn shown(&self) -> Samples {
        let ledger = self.ledger.lock();
        ledger.beyond.plus(&self.counted())
    }

    /// Lets users see zero from here on, on the service and its servers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; some servers show what they did before then.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn reset(&self, _command: &Command<'_>) -> Result {
        let mut ledger = self.ledger.lock();
        ledger.beyond = Samples::default().minus(&self.counted());
        drop(ledger);
        let mut result = Ok(());
        for dest in self.list()?.iter() {
            // What fails for one does not keep the others from it.
            result = result.and(dest.stats.reset());
        }
        result
    }

    /// Sums up everything that the servers counted.
    fn counted(&self) -> Samples {
        let none = Samples::default();
        let Ok(list) = self.list() else { return none };
        list.iter()
            .fold(none, |sum, dest| sum.plus(&dest.stats.counted()))
    }

    /// Changes the settings; a new scheduler starts from the beginning.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a new scheduler cannot have so many servers, `ENOMEM`.
    pub(crate) fn edit(&self, command: &Command<'_>, settings: ServiceSettings) -> Result {
        let _ledger = self.ledger.lock();
        let mut draft = self.draft()?;
        let before = draft.settings.scheduler;
        draft.settings = settings.hashed();
        if settings.scheduler == before {
            return self.publish(draft);
        }
        self.publish(draft.bound(&command.netns.config)?)
    }

    /// Adds a server, or takes it out of the trash with all it had.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is one with this key, `EINVAL` if the address can be none of a server,
    /// `ENOMEM`.
    pub(crate) fn add_dest(
        &self,
        command: &Command<'_>,
        key: DestKey,
        settings: &DestSettings,
    ) -> Result {
        let mut ledger = self.ledger.lock();
        let draft = self.draft()?;
        if ledger.index.find(&draft.list, &key, &self.key).is_some() {
            return Err(EEXIST);
        }
        let services = &command.netns.services;
        let trashed = services.trash.take(&key, &self.key);
        let is_fresh = trashed.is_none();
        let dest = match trashed {
            Some(dest) => {
                dest.edit(settings);
                dest
            }
            None => {
                check_address(command.net, &key)?;
                Arc::pin_init(Dest::new(key, self.key, settings), GFP_KERNEL)?
            }
        };
        let result = self.join(&mut ledger, draft, &dest, services.next_serial());
        if result.is_err() {
            dest.leave();
            if !is_fresh {
                services.trash.put(dest);
            }
        }
        result
    }

    /// Publishes a list with one more server.
    fn join(&self, ledger: &mut Ledger, mut draft: Draft, dest: &Arc<Dest>, serial: u64) -> Result {
        let counted = dest.stats.counted();
        if dest.owner() != self.serial {
            dest.stats.reset_to(counted)?;
        }
        dest.join(self.serial, serial);
        let list = draft.list.with(dest)?;
        ledger.index.enter(&list, dest)?;
        let before = replace(&mut draft.list, list);
        let result = self.carry(draft, Change::Added, &before);
        match result {
            Ok(()) => ledger.beyond = ledger.beyond.minus(&counted),
            Err(_) => ledger.index.leave(&before, dest),
        }
        result
    }

    /// Changes the settings of a server.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none with this key, `ENOMEM`.
    pub(crate) fn edit_dest(
        &self,
        _command: &Command<'_>,
        key: &DestKey,
        settings: &DestSettings,
    ) -> Result {
        let ledger = self.ledger.lock();
        let draft = self.draft()?;
        let list = draft.list.clone();
        let dest = ledger.index.find(&list, key, &self.key).ok_or(ENOENT)?;
        let (before, last_weight) = (dest.settings(), dest.last_weight());
        dest.edit(settings);
        let change = Change::Edited {
            weight: dest.weight() != before.weight,
            last_weight: dest.last_weight() != last_weight,
        };
        let result = self.carry(draft, change, &list);
        if result.is_err() {
            dest.restore(&before, last_weight);
        }
        result
    }

    /// Removes a server: to the trash; its connections stay.
    ///
    /// # Errors
    ///
    /// `ENOENT` if there is none with this key, `ENOMEM`.
    pub(crate) fn remove_dest(&self, command: &Command<'_>, key: &DestKey) -> Result {
        let mut ledger = self.ledger.lock();
        let mut draft = self.draft()?;
        let dest = ledger.index.find(&draft.list, key, &self.key);
        let dest = dest.ok_or(ENOENT)?;
        let list = draft.list.without(draft.list.from(dest.serial()))?;
        let before = replace(&mut draft.list, list.clone());
        self.carry(draft, Change::Removed, &before)?;
        dest.leave();
        ledger.index.leave(&list, &dest);
        ledger.beyond = ledger.beyond.plus(&dest.stats.counted());
        drop(ledger);
        command.netns.services.trash.put(dest);
        command.sweep();
        Ok(())
    }

    /// Sends all servers to the trash, when the service is gone.
    fn abandon(&self, services: &Services) {
        let Ok(list) = self.list() else { return };
        for dest in list.iter() {
            dest.leave();
            services.trash.put(dest.clone());
        }
    }

    /// Forgets every server's route through a device that went down.
    fn forget_routes(&self, device: u32, rcu: Reader<'_>) {
        let Some(set) = self.published.read(rcu) else {
            return;
        };
        for dest in set.list.iter() {
            dest.route.clear_through(device, rcu);
        }
    }

    fn draft(&self) -> Result<Draft> {
        rcu::read(|rcu| Some(self.published.read(rcu)?.draft())).ok_or(ESRCH)
    }

    fn list(&self) -> Result<List> {
        rcu::read(|rcu| Some(self.published.read(rcu)?.list.clone())).ok_or(ESRCH)
    }

    /// Publishes other servers than `before`, or changed ones, with all that the scheduler keeps.
    fn carry(&self, draft: Draft, change: Change, before: &List) -> Result {
        self.publish(draft.carried(change, before)?)
    }

    fn publish(&self, draft: Draft) -> Result {
        let set = draft.finish()?;
        set.watch(&self.list()?);
        drop(self.published.replace(Some(set.clone())));
        set.unwatch();
        Ok(())
    }
}

/// Refuses an address that no server can have.
fn check_address(net: &Net, key: &DestKey) -> Result {
    match route::kind(net, key.addr.to_ip()) {
        Some(route::Kind::Local | route::Kind::Unicast) | None => Ok(()),
        Some(route::Kind::Other) => Err(EINVAL),
    }
}
