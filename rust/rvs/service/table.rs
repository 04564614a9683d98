// SPDX-License-Identifier: GPL-2.0
//! All services of one namespace: found by packets, listed, added, removed.

use super::buckets::{Buckets, Lengths};
use super::by_address::ByAddress;
use super::virtual_service::{Exclusive, Service};
use crate::dest::Trash;
use crate::names;
use crate::util::{vec_ext, OutOfMemory};
use core::mem::replace;
use core::ops::ControlFlow;
use ipvs::addr::{Family, Port};
use ipvs::flow::Flow;
use ipvs::lookup::{self, ServiceKind};
use ipvs::pe::Engine;
use ipvs::refusal::Refusal;
use ipvs::service::{ServiceKey, ServiceSettings};
use ipvs::size::{self, Limits};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_mutex, Mutex};
use linux::module::ModuleRef;
use linux::namesake::Use;
use linux::net::Net;
use linux::rcu::{self, Arc, Borrow, Reader, Slot};

/// The services of one namespace, and the servers that were removed from them.
#[pin_data]
pub(crate) struct ServiceTable {
    buckets: Slot<Buckets>,
    v4: Counts,
    v6: Counts,
    /// Decides the number of buckets.
    factor: Atomic<i32>,
    /// All services in the order of addition, for listings.
    #[pin]
    order: Mutex<KVVec<Listed>>,
    /// The serial that was given away last.
    serial: Atomic<u64>,
    /// The servers whose packets are rewritten, by where they send from.
    pub(crate) servers: ByAddress,
    /// The servers that were removed.
    #[pin]
    pub(crate) trash: Trash,
}

/// A service while it is in the table.
pub(crate) struct Listed {
    service: Arc<Service>,
    /// Keep those of its scheduler and of its engine in use.
    parts: [Option<Use>; 2],
    /// Keeps the balancer's own name in use.
    _balancer: Use,
    /// Keeps the module loaded.
    _module: ModuleRef,
}

impl Listed {
    /// Makes an entry of the table.
    pub(crate) fn new(service: Arc<Service>, module: ModuleRef) -> Self {
        Self {
            parts: names::use_parts(&service.settings_now()),
            _balancer: names::use_balancer(),
            service,
            _module: module,
        }
    }
}

/// How many services of one family there are of each kind that needs a look-up of its own.
struct Counts {
    by_mark: Atomic<u32>,
    by_address: Atomic<u32>,
    any_port: Atomic<u32>,
    ftp: Atomic<u32>,
    /// Those whose engine says that servers begin connections.
    serving_servers: Atomic<u32>,
}

impl Counts {
    const fn new() -> Self {
        Self {
            by_mark: Atomic::new(0),
            by_address: Atomic::new(0),
            any_port: Atomic::new(0),
            ftp: Atomic::new(0),
            serving_servers: Atomic::new(0),
        }
    }

    #[inline]
    fn of(&self, kind: ServiceKind) -> &Atomic<u32> {
        match kind {
            ServiceKind::Mark => &self.by_mark,
            ServiceKind::Address => &self.by_address,
            ServiceKind::AnyPort => &self.any_port,
            ServiceKind::Ftp => &self.ftp,
        }
    }

    fn add(&self, service: &Service) {
        ServiceKind::of(service.key()).for_each(|kind| self.of(kind).add(1, Relaxed));
        self.exchange(None, service.settings_now().engine);
    }

    fn remove(&self, service: &Service) {
        for kind in ServiceKind::of(service.key()) {
            self.of(kind).fetch_sub(1, Relaxed);
        }
        self.exchange(service.settings_now().engine, None);
    }

    /// Counts what a service's engine has become.
    fn exchange(&self, before: Option<Engine>, after: Option<Engine>) {
        if after.is_some_and(Engine::serves_servers) {
            self.serving_servers.add(1, Relaxed);
        }
        if before.is_some_and(Engine::serves_servers) {
            self.serving_servers.fetch_sub(1, Relaxed);
        }
    }

    fn clear(&self) {
        let kinds = [&self.by_mark, &self.by_address, &self.any_port, &self.ftp];
        for count in Iterator::chain(kinds.into_iter(), [&self.serving_servers]) {
            count.store(0, Relaxed);
        }
    }

    fn all(&self) -> u32 {
        let by_mark = self.by_mark.load(Relaxed);
        by_mark.saturating_add(self.by_address.load(Relaxed))
    }
}

/// The services that a packet may belong to.
struct Candidates<'a, 'g> {
    table: &'a ServiceTable,
    counts: &'a Counts,
    net: &'a Net,
    rcu: Reader<'g>,
}

impl<'g> lookup::Directory for Candidates<'_, 'g> {
    type Found = Borrow<'g, Service>;

    #[inline]
    fn has(&self, kind: ServiceKind) -> bool {
        self.counts.of(kind).load(Relaxed) != 0
    }

    #[inline]
    fn find(&self, key: &ServiceKey) -> Option<Self::Found> {
        self.table.find(self.rcu, key)
    }

    fn is_privileged(&self, port: Port) -> bool {
        self.net.is_privileged_port(port.host())
    }
}

impl ServiceTable {
    /// Makes a namespace's services, none, with the load factor of their table.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(crate) fn new(factor: i32) -> impl PinInit<Self, OutOfMemory> {
        try_pin_init!(Self {
            buckets: Slot::empty(),
            v4: Counts::new(),
            v6: Counts::new(),
            factor: Atomic::new(factor),
            order <- new_mutex!(KVVec::new()),
            serial: Atomic::new(0),
            servers: ByAddress::new(),
            trash <- Trash::new(),
        }? OutOfMemory)
    }

    /// Returns how many services there are.
    pub(crate) fn count(&self) -> u32 {
        self.v4.all().saturating_add(self.v6.all())
    }

    /// Returns how many buckets the table has; 0 without services.
    pub(crate) fn buckets(&self) -> usize {
        self.now().map_or(0, |buckets| buckets.size())
    }

    /// Counts the buckets by their length.
    pub(crate) fn lengths(&self) -> Lengths {
        self.now().map_or([0; 8], |buckets| buckets.lengths())
    }

    /// Finds a service by its key.
    #[inline]
    pub(crate) fn find<'g>(
        &self,
        rcu: Reader<'g>,
        key: &ServiceKey,
    ) -> Option<Borrow<'g, Service>> {
        self.buckets.read(rcu)?.get().find(rcu, key)
    }

    /// Finds a service by its key and keeps it.
    pub(crate) fn get(&self, key: &ServiceKey) -> Option<Arc<Service>> {
        rcu::read(|rcu| self.find(rcu, key)?.upgrade())
    }

    /// Finds the service that a command names, and keeps it.
    ///
    /// # Errors
    ///
    /// [`Refusal::ServiceUnknown`].
    pub(crate) fn existing(&self, key: &ServiceKey) -> Result<Arc<Service>, Refusal> {
        self.get(key).ok_or(Refusal::ServiceUnknown)
    }

    /// Finds the service that wants a packet with firewall mark `mark`: see [`lookup::find`].
    #[inline]
    pub(crate) fn find_packet<'g>(
        &self,
        rcu: Reader<'g>,
        net: &Net,
        flow: &Flow,
        mark: u32,
    ) -> Option<Borrow<'g, Service>> {
        let candidates = Candidates {
            table: self,
            counts: self.counts(flow.family()),
            net,
            rcu,
        };
        lookup::find(&candidates, flow, mark)
    }

    /// Returns the first service after `serial`: the next one of a listing, which starts with 0.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn after(&self, serial: u64) -> Option<Arc<Service>> {
        let order = self.order.lock();
        let index = vec_ext::partition_point(&order, |listed| listed.service.serial() <= serial);
        Some(order.get(index)?.service.clone())
    }

    /// Shows the services from `serial` on to `visit` until that breaks off.
    ///
    /// # Locking
    ///
    /// Process context; sleeps. `visit` must not come back here.
    pub(crate) fn visit(&self, serial: u64, visit: impl FnMut(&Service) -> ControlFlow<()>) {
        let order = self.order.lock();
        let index = vec_ext::partition_point(&order, |listed| listed.service.serial() < serial);
        let mut rest = order.iter().skip(index).map(|listed| &*listed.service);
        // Whether it broke off is known to `visit`.
        let _ = rest.try_for_each(visit);
    }

    /// Returns how many services of a family there are.
    pub(crate) fn count_of(&self, family: Family) -> u32 {
        self.counts(family).all()
    }

    /// Returns whether there are services of a family.
    pub(crate) fn has_family(&self, family: Family) -> bool {
        self.counts(family).all() != 0
    }

    /// Returns whether servers of a family may begin connections.
    #[inline]
    pub(crate) fn serve_servers(&self, family: Family) -> bool {
        self.counts(family).serving_servers.load(Relaxed) != 0
    }

    /// Changes the settings of a service.
    ///
    /// # Errors
    ///
    /// As [`Service::edit`]; nothing is changed then.
    pub(crate) fn edit(
        &self,
        exclusive: &Exclusive,
        service: &Service,
        settings: ServiceSettings,
    ) -> Result<(), Refusal> {
        let before = service.settings_now().engine;
        service.edit(exclusive, settings)?;
        let counts = self.counts(service.key().family());
        counts.exchange(before, settings.engine);
        Ok(())
    }

    /// Makes a service visible: to listings, to packets.
    ///
    /// There must be none with its key.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`]; nothing is changed then.
    pub(crate) fn insert(&self, _: &Exclusive, listed: Listed) -> Result<(), Refusal> {
        let service = listed.service.clone();
        vec_ext::push(&mut self.order.lock(), listed)?;
        if let Err(error) = self.insert_bucket(service.clone()) {
            drop(self.unlist(service.serial()));
            return Err(error.into());
        }
        self.counts(service.key().family()).add(&service);
        // The first one has the smallest table whatever the load factor.
        if self.count() > 1 {
            self.resize();
        }
        Ok(())
    }

    fn insert_bucket(&self, service: Arc<Service>) -> Result<(), OutOfMemory> {
        if let Some(buckets) = self.now() {
            return buckets.insert(service);
        }
        // Published with the service in it, so that there is no table where that fails.
        let buckets = Buckets::new(Limits::SERVICES.min())?;
        buckets.insert(service)?;
        drop(self.buckets.replace(Some(buckets)));
        Ok(())
    }

    /// Removes a service: its servers go to the trash, its connections stay.
    ///
    /// What is returned keeps the module loaded until the command is over.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`]; nothing is changed then. [`Refusal::ServiceUnknown`].
    pub(crate) fn remove(
        &self,
        _: &Exclusive,
        service: &Service,
    ) -> Result<Option<Listed>, Refusal> {
        let buckets = self.now().ok_or(Refusal::ServiceUnknown)?;
        buckets.remove(service)?;
        self.counts(service.key().family()).remove(service);
        self.abandon(service);
        let listed = self.unlist(service.serial());
        if self.count() == 0 {
            drop(self.buckets.replace(None));
        } else {
            self.resize();
        }
        Ok(listed)
    }

    /// Removes all services; what is returned keeps the module loaded until the command is over.
    pub(crate) fn clear(&self, _: &Exclusive) -> KVVec<Listed> {
        drop(self.buckets.replace(None));
        self.v4.clear();
        self.v6.clear();
        let all = replace(&mut *self.order.lock(), KVVec::new());
        for listed in &all {
            self.abandon(&listed.service);
        }
        all
    }

    /// Brings the servers of a service that was removed to the trash.
    fn abandon(&self, service: &Service) {
        service.abandon(|dest| {
            self.servers.remove(&dest);
            self.trash.put(dest);
        });
    }

    /// Keeps the names of a service's scheduler and engine in use, which may be others now.
    pub(crate) fn use_parts(&self, _: &Exclusive, service: &Service) {
        let parts = names::use_parts(&service.settings_now());
        let mut order = self.order.lock();
        let index = vec_ext::partition_point(&order, |one| one.service.serial() < service.serial());
        if let Some(listed) = order.get_mut(index) {
            listed.parts = parts;
        }
    }

    /// Drops every server's route through a device that went down.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn drop_routes(&self, device: u32) {
        let mut serial = 0;
        while let Some(service) = self.after(serial) {
            rcu::read(|rcu| service.drop_routes(device, rcu));
            serial = service.serial();
        }
    }

    /// Changes the load factor, and the number of buckets with it.
    pub(crate) fn set_load_factor(&self, _: &Exclusive, factor: i32) {
        if self.factor.xchg(factor, Relaxed) != factor {
            let count = u64::from(self.count());
            self.rehash(size::refactored(count, factor, Limits::SERVICES));
        } else {
            self.resize();
        }
    }

    /// Brings the table to the size that users expect for what it holds.
    fn resize(&self) {
        let size = u64::try_from(self.buckets()).unwrap_or(u64::MAX);
        let (count, factor) = (u64::from(self.count()), self.factor.load(Relaxed));
        self.rehash(size::next(count, size, factor, Limits::SERVICES));
    }

    /// Gives the table so many buckets, if it has any; without memory it stays as it is.
    fn rehash(&self, size: u64) {
        let Some(buckets) = self.now() else { return };
        if u64::try_from(buckets.size()).is_ok_and(|present| present != size) {
            if let Ok(buckets) = self.rehashed(size) {
                drop(self.buckets.replace(Some(buckets)));
            }
        }
    }

    fn rehashed(&self, size: u64) -> Result<Arc<Buckets>, OutOfMemory> {
        let buckets = Buckets::new(size)?;
        for listed in &*self.order.lock() {
            buckets.insert(listed.service.clone())?;
        }
        Ok(buckets)
    }

    /// Returns a number for listings that was never given before.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Relaxed).wrapping_add(1)
    }

    fn unlist(&self, serial: u64) -> Option<Listed> {
        let mut order = self.order.lock();
        let index = vec_ext::partition_point(&order, |listed| listed.service.serial() < serial);
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

    fn now(&self) -> Option<Arc<Buckets>> {
        rcu::read(|rcu| self.buckets.read(rcu)?.upgrade())
    }
}
