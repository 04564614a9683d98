// SPDX-License-Identifier: GPL-2.0
//! All services of one namespace: found by packets, listed, added, removed.

use super::table::{Lengths, Table};
use super::{Command, Service};
use crate::dest::Trash;
use crate::grow;
use crate::packet::hook::Packets;
use core::mem::replace;
use core::ops::ControlFlow;
use ipvs::addr::{Family, Port};
use ipvs::app::ftp;
use ipvs::flow::Flow;
use ipvs::service::{ServiceKey, ServiceSettings};
use ipvs::size::{self, Limits};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_mutex, Mutex};
use linux::inet;
use linux::module::ModuleRef;
use linux::net::Net;
use linux::rcu::{self, Arc, Borrow, Reader, Slot};

/// The services of one namespace, and the servers that were removed from them.
///
/// Teardown: with the hooks off, [`Services::flush`]; with the connections gone,
/// [`Services::clear_trash`].
#[pin_data]
pub(crate) struct Services {
    table: Slot<Table>,
    v4: Counts,
    v6: Counts,
    /// The load factor for which the table has its size.
    factor: Atomic<i32>,
    /// All services in the order of addition, for listings.
    #[pin]
    order: Mutex<KVVec<Listed>>,
    /// The serial that was given away last.
    serial: Atomic<u64>,
    /// The servers that were removed.
    #[pin]
    pub(super) trash: Trash,
}

/// A service while it is in the table.
struct Listed {
    service: Arc<Service>,
    /// Keeps the module loaded.
    _module: ModuleRef,
}

/// How many services of one family there are of each kind that needs a look-up of its own.
struct Counts {
    /// Chosen by firewall mark.
    marks: Atomic<u32>,
    /// All others.
    places: Atomic<u32>,
    /// Of those: for every port.
    any_port: Atomic<u32>,
    /// Of those: FTP, which takes data connections as well.
    ftp: Atomic<u32>,
}

impl Counts {
    const fn new() -> Self {
        Self {
            marks: Atomic::new(0),
            places: Atomic::new(0),
            any_port: Atomic::new(0),
            ftp: Atomic::new(0),
        }
    }

    /// Returns the counts that a service takes part in.
    fn of(&self, key: &ServiceKey) -> [Option<&Atomic<u32>>; 3] {
        if key.is_mark() {
            return [Some(&self.marks), None, None];
        }
        [
            Some(&self.places),
            (key.port == Port::ANY).then_some(&self.any_port),
            ftp::is_control(key).then_some(&self.ftp),
        ]
    }

    fn enter(&self, key: &ServiceKey) {
        let counts = self.of(key).into_iter().flatten();
        counts.for_each(|count| count.add(1, Relaxed));
    }

    fn leave(&self, key: &ServiceKey) {
        for count in self.of(key).into_iter().flatten() {
            count.fetch_sub(1, Relaxed);
        }
    }

    fn clear(&self) {
        for count in [&self.marks, &self.places, &self.any_port, &self.ftp] {
            count.store(0, Relaxed);
        }
    }

    fn all(&self) -> u32 {
        let marks = self.marks.load(Relaxed);
        marks.saturating_add(self.places.load(Relaxed))
    }
}

impl Services {
    /// Makes a namespace's services, none, with the load factor of their table.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(factor: i32) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            table: Slot::empty(),
            v4: Counts::new(),
            v6: Counts::new(),
            factor: Atomic::new(factor),
            order <- new_mutex!(KVVec::new()),
            serial: Atomic::new(0),
            trash <- Trash::new(),
        }? Error)
    }

    /// Returns how many services there are.
    pub(crate) fn count(&self) -> u32 {
        self.v4.all().saturating_add(self.v6.all())
    }

    /// Returns how many buckets the table has; 0 without services.
    pub(crate) fn buckets(&self) -> usize {
        self.table().map_or(0, |table| table.size())
    }

    /// Counts the buckets by their length.
    pub(crate) fn lengths(&self) -> Lengths {
        self.table().map_or([0; 8], |table| table.lengths())
    }

    /// Finds a service by its key.
    #[inline]
    pub(crate) fn find<'g>(
        &self,
        rcu: Reader<'g>,
        key: &ServiceKey,
    ) -> Option<Borrow<'g, Service>> {
        self.table.read(rcu)?.get().find(rcu, key)
    }

    /// Finds a service by its key and keeps it.
    pub(crate) fn get(&self, key: &ServiceKey) -> Option<Arc<Service>> {
        rcu::read(|rcu| self.find(rcu, key)?.upgrade())
    }

    /// Finds the service that wants a packet with firewall mark `mark` (spec: the mark first, then
    /// the exact port, then FTP for its data connections, then services for every port).
    #[inline]
    pub(crate) fn find_packet<'g>(
        &self,
        rcu: Reader<'g>,
        net: &Net,
        flow: &Flow,
        mark: u32,
    ) -> Option<Borrow<'g, Service>> {
        let counts = self.counts(flow.family());
        if mark != 0 && counts.marks.load(Relaxed) != 0 {
            let found = self.find(rcu, &ServiceKey::of_mark(flow.family(), mark));
            if found.is_some() {
                return found;
            }
        }
        if counts.places.load(Relaxed) == 0 {
            return None;
        }
        let at = |port| {
            let key = ServiceKey::of_address(flow.transport.protocol(), flow.dest.addr, port);
            self.find(rcu, &key)
        };
        let mut found = at(flow.dest.port);
        if found.is_none()
            && counts.ftp.load(Relaxed) != 0
            && ftp::may_be_data(flow, |port| net.is_privileged_port(port.host()))
        {
            found = at(ftp::CONTROL);
        }
        if found.is_none() && counts.any_port.load(Relaxed) != 0 {
            found = at(Port::ANY);
        }
        found
    }

    /// Returns the first service after `serial`: the next one of a listing, which starts with 0.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn after(&self, serial: u64) -> Option<Arc<Service>> {
        let order = self.order.lock();
        let index = grow::prefix(&order, |listed| listed.service.serial() <= serial);
        Some(order.get(index)?.service.clone())
    }

    /// Shows the services from `serial` on to `visit` until that breaks off.
    ///
    /// # Locking
    ///
    /// Process context; sleeps. `visit` must not come back here.
    pub(crate) fn visit(&self, serial: u64, visit: impl FnMut(&Service) -> ControlFlow<()>) {
        let order = self.order.lock();
        let index = grow::prefix(&order, |listed| listed.service.serial() < serial);
        let mut rest = order.iter().skip(index).map(|listed| &*listed.service);
        // Whether it broke off is known to `visit`.
        let _ = rest.try_for_each(visit);
    }

    /// Adds a service; hooks go on with the first one of a family.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is one with this key, `ENOPROTOOPT` if the module is being unloaded,
    /// `EINVAL` for a netmask that its family does not have, `ENOMEM`, or why hooks did not go on.
    pub(crate) fn add(
        &self,
        command: &Command<'_>,
        key: ServiceKey,
        settings: ServiceSettings,
    ) -> Result {
        if self.get(&key).is_some() {
            return Err(EEXIST);
        }
        let module = ModuleRef::get(crate::THIS).ok_or(ENOPROTOOPT)?;
        if !settings.has_valid_netmask(key.family()) {
            return Err(EINVAL);
        }
        let service = Service::new(&command.netns.config, key, settings, self.next_serial())?;
        let listed = Listed {
            service: service.clone(),
            _module: module,
        };
        command.netns.conns.open()?;
        let hooks = &command.netns.hooks;
        hooks.turn_on::<Packets>(hook_family(key.family()))?;
        let result = self.enter(command, listed);
        if result.is_err() && self.counts(key.family()).all() == 0 {
            hooks.turn_off(hook_family(key.family()));
        }
        result
    }

    /// Makes a service visible: to listings, to packets.
    fn enter(&self, command: &Command<'_>, listed: Listed) -> Result {
        let service = listed.service.clone();
        grow::push(&mut self.order.lock(), listed)?;
        if let Err(error) = self.insert(service.clone()) {
            drop(self.unlist(service.serial()));
            return Err(error);
        }
        self.counts(service.key().family()).enter(service.key());
        self.resize(command);
        Ok(())
    }

    fn insert(&self, service: Arc<Service>) -> Result {
        let table = match self.table() {
            Some(table) => table,
            None => {
                let table = Table::new(Limits::SERVICES.min())?;
                drop(self.table.replace(Some(table.clone())));
                table
            }
        };
        table.insert(service)
    }

    /// Removes a service: its servers go to the trash, its connections stay; hooks go off with the
    /// last one of a family.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn remove(&self, command: &Command<'_>, service: &Service) -> Result {
        let table = self.table().ok_or(ESRCH)?;
        table.remove(service)?;
        let family = service.key().family();
        self.counts(family).leave(service.key());
        if self.counts(family).all() == 0 {
            command.netns.hooks.turn_off(hook_family(family));
        }
        service.abandon(self);
        command.sweep();
        drop(self.unlist(service.serial()));
        if self.count() == 0 {
            drop(self.table.replace(None));
        } else {
            self.resize(command);
        }
        Ok(())
    }

    /// Removes all services.
    pub(crate) fn flush(&self, command: &Command<'_>) {
        drop(self.table.replace(None));
        for counts in [&self.v4, &self.v6] {
            counts.clear();
        }
        for family in [inet::Family::V4, inet::Family::V6] {
            command.netns.hooks.turn_off(family);
        }
        let all = replace(&mut *self.order.lock(), KVVec::new());
        for listed in &all {
            listed.service.abandon(self);
        }
        command.sweep();
    }

    /// Lets go of all removed servers, for the end of the namespace.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn clear_trash(&self) {
        self.trash.clear();
    }

    /// Forgets every server's route through a device that went down.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn forget_routes(&self, device: u32) {
        let mut serial = 0;
        while let Some(service) = self.after(serial) {
            rcu::read(|rcu| service.forget_routes(device, rcu));
            serial = service.serial();
        }
    }

    /// Brings the table to the size that users expect for what it holds.
    ///
    /// Also to be called when the load factor was changed. Without memory it stays as it is.
    pub(crate) fn resize(&self, command: &Command<'_>) {
        let Some(table) = self.table() else { return };
        let factor = command.netns.config.svc_lfactor.get();
        let size = u64::try_from(table.size()).unwrap_or(u64::MAX);
        let count = u64::from(self.count());
        let wanted = if self.factor.xchg(factor, Relaxed) != factor {
            size::refactored(count, factor, Limits::SERVICES)
        } else {
            size::next(count, size, factor, Limits::SERVICES)
        };
        if wanted != size {
            if let Ok(table) = self.rehashed(wanted) {
                drop(self.table.replace(Some(table)));
            }
        }
    }

    fn rehashed(&self, size: u64) -> Result<Arc<Table>> {
        let table = Table::new(size)?;
        for listed in &*self.order.lock() {
            table.insert(listed.service.clone())?;
        }
        Ok(table)
    }

    /// Returns a number for listings that was never given before.
    pub(super) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Relaxed).wrapping_add(1)
    }

    fn unlist(&self, serial: u64) -> Option<Listed> {
        let mut order = self.order.lock();
        let index = grow::prefix(&order, |listed| listed.service.serial() < serial);
        let found = order.get(index)?.service.serial() == serial;
        found.then_some(())?;
        order.remove(index).ok()
    }

    fn counts(&self, family: Family) -> &Counts {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn table(&self) -> Option<Arc<Table>> {
        rcu::read(|rcu| self.table.read(rcu)?.upgrade())
    }
}

/// Returns the family as the hooks know it.
fn hook_family(family: Family) -> inet::Family {
    match family {
        Family::V4 => inet::Family::V4,
        Family::V6 => inet::Family::V6,
    }
}
