// SPDX-License-Identifier: GPL-2.0
//! Real servers, their counters and the trash.
//!
//! A server that was removed keeps its counters and its connections in the trash, and is taken out
//! again when the same server is added to the same service.

use crate::stats::Stats;
use crate::util::hash_index::HashIndex;
use crate::util::OutOfMemory;
use ipvs::addr::Endpoint;
use ipvs::conn::state::Activity;
use ipvs::sched::Permutation;
use ipvs::service::{
    DestKey, DestSettings, Forwarding, Overload, Sender, ServiceKey, ThresholdEvent, Thresholds,
    TunnelSettings,
};
use ipvs::xmit::Method;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full, Relaxed};
use kernel::sync::{new_mutex, Mutex};
use linux::clock::{Jiffies, Ticks};
use linux::lock::{new_spinlock_bh, SpinLockBh};
use linux::rcu::{self, Arc, Reader, Slot};
use linux::route::Cache;
use linux::version::Version;
use linux::work::{Delayed, Task};

/// A real server of one service.
///
/// Everything that packets read or change is atomic; commands change it under the namespace's
/// `control` lock.
#[pin_data]
pub(crate) struct Dest {
    key: DestKey,
    service: ServiceKey,
    /// Its place in the list of its service: never reused, new each time it is added.
    serial: Atomic<u64>,
    /// The serial of the service object that it belongs or belonged to.
    owner: Atomic<u64>,
    available: Atomic<bool>,
    overloaded: Atomic<bool>,
    weight: Atomic<u32>,
    /// The weight it had when that was not 0 last.
    last_weight: Atomic<u32>,
    active: Atomic<u32>,
    /// Active and inactive connections, without templates.
    total: Atomic<u32>,
    persistent: Atomic<u32>,
    upper: Atomic<u32>,
    lower: Atomic<u32>,
    /// See [`Forwarding::pack`].
    forwarding: Atomic<u64>,
    /// Held while `overloaded` is decided, so that the last to decide has seen the last count.
    #[pin]
    threshold: SpinLockBh<()>,
    permutation: Permutation,
    /// Counts the changes of what a scheduler may have summed up.
    version: Slot<Version>,
    /// Its neighbours among the servers that send from the same place.
    pub(crate) alike: Alike,
    /// How packets get there, if known.
    pub(crate) route: Cache,
    /// What was counted.
    pub(crate) stats: Stats,
}

impl Dest {
    /// Makes a server that is in no list yet.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(crate) fn new(
        key: DestKey,
        service: ServiceKey,
        settings: &DestSettings,
    ) -> impl PinInit<Self, OutOfMemory> + '_ {
        try_pin_init!(Self {
            key,
            service,
            serial: Atomic::new(0),
            owner: Atomic::new(0),
            available: Atomic::new(false),
            overloaded: Atomic::new(false),
            weight: Atomic::new(settings.weight),
            last_weight: Atomic::new(settings.weight),
            active: Atomic::new(0),
            total: Atomic::new(0),
            persistent: Atomic::new(0),
            upper: Atomic::new(settings.upper),
            lower: Atomic::new(settings.lower),
            forwarding: Atomic::new(settings.forwarding().pack()),
            threshold <- new_spinlock_bh!((), "rvs_dest"),
            permutation: Permutation::of(service.family(), Endpoint { addr: key.addr, port: key.port }),
            version: Slot::empty(),
            alike: Alike::none(),
            route: Cache::new(),
            stats: Stats::new()?,
        }? OutOfMemory)
    }

    /// Returns what identifies it in its service.
    pub(crate) fn key(&self) -> &DestKey {
        &self.key
    }

    /// Returns what identifies the service it belongs or belonged to.
    pub(crate) fn service(&self) -> &ServiceKey {
        &self.service
    }

    /// Returns its place in the list of its service: the newest has the highest.
    pub(crate) fn serial(&self) -> u64 {
        self.serial.load(Relaxed)
    }

    /// Returns whether it still is in the list of its service.
    #[inline]
    pub(crate) fn is_available(&self) -> bool {
        self.available.load(Relaxed)
    }

    /// Returns whether its thresholds keep new connections off.
    #[inline]
    pub(crate) fn is_overloaded(&self) -> bool {
        self.overloaded.load(Relaxed)
    }

    /// Returns its share of new connections.
    #[inline]
    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// Returns the share it had when that was not 0 last.
    pub(crate) fn last_weight(&self) -> u32 {
        self.last_weight.load(Relaxed)
    }

    /// Returns the way it takes through a Maglev table.
    pub(crate) fn permutation(&self) -> Permutation {
        self.permutation
    }

    /// Counts changes of what a scheduler may have summed up in `version` from now on.
    ///
    /// The version that changes went to until now is retired, since none will follow there.
    ///
    /// # Locking
    ///
    /// Under `control`.
    pub(crate) fn report_to(&self, version: &Arc<Version>) {
        rcu::read(|rcu| {
            if let Some(before) = self.version.read(rcu) {
                before.retire();
            }
        });
        drop(self.version.replace(Some(version.clone())));
    }

    /// Returns whether changes are counted in `version`.
    #[inline]
    pub(crate) fn reports_to(&self, version: &Arc<Version>, rcu: Reader<'_>) -> bool {
        let reported = self.version.read(rcu);
        reported.is_some_and(|reported| reported.ptr_eq(version.borrow(rcu)))
    }

    /// Returns how new connections are forwarded.
    #[inline]
    pub(crate) fn method(&self) -> Method {
        self.forwarding().method
    }

    /// Returns the flags besides the method that new connections begin with.
    pub(crate) fn inherited(&self) -> u32 {
        self.forwarding().inherited
    }

    /// Returns what its packets have in common.
    pub(crate) fn sender(&self) -> Sender {
        Sender::of(&self.key, &self.service)
    }

    /// Returns what a tunnel to it looks like.
    pub(crate) fn tunnel(&self) -> TunnelSettings {
        self.forwarding().tunnel
    }

    fn forwarding(&self) -> Forwarding {
        Forwarding::unpack(self.forwarding.load(Relaxed))
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds {
            upper: self.upper.load(Relaxed),
            lower: self.lower.load(Relaxed),
        }
    }

    /// Returns what can be changed about it.
    pub(crate) fn settings(&self) -> DestSettings {
        let Forwarding {
            method,
            inherited,
            tunnel,
        } = self.forwarding();
        let thresholds = self.thresholds();
        DestSettings {
            method,
            inherited,
            weight: self.weight(),
            upper: thresholds.upper,
            lower: thresholds.lower,
            tunnel,
        }
    }

    /// Changes everything that can be changed; connections keep their method.
    ///
    /// # Locking
    ///
    /// Process context, under `control`.
    pub(crate) fn edit(&self, settings: &DestSettings) {
        let before = self.thresholds();
        self.weight.store(settings.weight, Relaxed);
        if settings.weight != 0 {
            self.last_weight.store(settings.weight, Relaxed);
        }
        self.upper.store(settings.upper, Relaxed);
        self.lower.store(settings.lower, Relaxed);
        self.forwarding.store(settings.forwarding().pack(), Relaxed);
        if before != settings.thresholds() {
            self.decide(ThresholdEvent::Edited);
        }
        self.route.clear();
        self.count_change();
    }

    /// Takes an edit back that could not be published.
    ///
    /// # Locking
    ///
    /// As for [`Dest::edit`].
    pub(crate) fn restore(&self, settings: &DestSettings, last_weight: u32) {
        self.edit(settings);
        self.last_weight.store(last_weight, Relaxed);
    }

    /// Counts a change of which connections it takes.
    fn count_change(&self) {
        rcu::read(|rcu| {
            if let Some(version) = self.version.read(rcu) {
                version.count();
            }
        });
    }

    /// Counts a change of how many connections it has; the caller's change was fully ordered.
    #[inline]
    fn count_if_watched(&self, rcu: Reader<'_>) {
        if let Some(version) = self.version.read(rcu) {
            version.count_if_watched();
        }
    }

    /// Returns how many connections are active.
    #[inline]
    pub(crate) fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// Returns how many connections it has, templates not counted.
    #[inline]
    pub(crate) fn total(&self) -> u32 {
        self.total.load(Relaxed)
    }

    /// Returns how many connections are not active.
    pub(crate) fn inactive(&self) -> u32 {
        self.total().saturating_sub(self.active())
    }

    /// Returns how many templates it has.
    pub(crate) fn persistent(&self) -> u32 {
        self.persistent.load(Relaxed)
    }

    /// Counts a new connection, which is inactive.
    #[inline]
    pub(crate) fn bind(&self, rcu: Reader<'_>) {
        let total = self.total.fetch_add(1, Full).wrapping_add(1);
        if self.thresholds().is_reached(total) {
            self.decide(ThresholdEvent::Reached);
        }
        self.count_if_watched(rcu);
    }

    /// Counts a connection no more.
    pub(crate) fn unbind(&self, was: Activity) {
        if was == Activity::Active {
            self.active.fetch_sub(1, Relaxed);
        }
        let total = self.total.fetch_sub(1, Full);
        if self.thresholds().is_left(total) {
            self.decide(ThresholdEvent::Fell);
        }
        rcu::read(|rcu| self.count_if_watched(rcu));
    }

    /// Counts a connection as active that was not.
    pub(crate) fn activate(&self, rcu: Reader<'_>) {
        self.active.fetch_add(1, Full);
        self.count_if_watched(rcu);
    }

    /// Counts a connection as inactive that was active.
    pub(crate) fn deactivate(&self, rcu: Reader<'_>) {
        self.active.fetch_sub(1, Full);
        self.count_if_watched(rcu);
    }

    /// Counts a template.
    pub(crate) fn bind_template(&self) {
        self.persistent.add(1, Relaxed);
    }

    /// Counts a template no more.
    pub(crate) fn unbind_template(&self) {
        self.persistent.fetch_sub(1, Relaxed);
    }

    #[cold]
    fn decide(&self, event: ThresholdEvent) {
        let guard = self.threshold.lock();
        let overloaded = match self.thresholds().decide(event, self.total()) {
            Overload::Set => true,
            Overload::Clear => false,
            Overload::Keep => return,
        };
        // Fully ordered before `version` is read. Pairs with the exchange in `report_to`: either this is
        // counted there, or a reader of the list that is published afterwards sees it.
        self.overloaded.xchg(overloaded, Full);
        drop(guard);
        self.count_change();
    }

    /// Returns the serial of the service object that it belongs or belonged to.
    pub(crate) fn owner(&self) -> u64 {
        self.owner.load(Relaxed)
    }

    /// Becomes a server of the service object `owner`, at the place `serial` of its list.
    ///
    /// # Locking
    ///
    /// Under `control`; before it is published in the list.
    pub(crate) fn join(&self, owner: u64, serial: u64) {
        // As in C, a server that comes back from the trash without weight has lost the one it had.
        self.last_weight.store(self.weight(), Relaxed);
        self.owner.store(owner, Relaxed);
        self.serial.store(serial, Relaxed);
        self.available.store(true, Relaxed);
    }

    /// Belongs to no service from here on; its connections find it gone.
    ///
    /// # Locking
    ///
    /// Under `control`; after it left the list.
    pub(crate) fn leave(&self) {
        self.available.store(false, Relaxed);
        self.route.clear();
        drop(self.version.replace(None));
    }
}

/// The neighbours of a server in a list of servers that send from the same place: see
/// `service/by_address.rs`, which alone reads and changes it.
pub(crate) struct Alike {
    pub(crate) newer: Slot<Dest>,
    pub(crate) older: Slot<Dest>,
}

impl Alike {
    const fn none() -> Self {
        Self {
            newer: Slot::empty(),
            older: Slot::empty(),
        }
    }
}

/// How often the trash is looked through, in seconds.
const ROUND: u32 = 60;
/// How long a server that nothing refers to stays in the trash, in seconds.
const STAY: u32 = 120;

/// A server in the trash.
struct Trashed {
    dest: Arc<Dest>,
    /// When it was first found with nothing that refers to it: no connection, and no scheduler that
    /// remembers it.
    idle_since: Option<Jiffies>,
}

impl Trashed {
    /// Looks at it; returns whether its time is over.
    fn is_over(&mut self, now: Jiffies) -> bool {
        if self.dest.is_shared() {
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        now.since(since) >= Ticks::from_seconds(STAY)
    }
}

/// The servers that were removed from the services of a namespace.
#[pin_data]
pub(crate) struct Trash {
    #[pin]
    rounds: Delayed<Heap>,
}

impl Trash {
    /// Makes an empty trash.
    pub(crate) fn new() -> impl PinInit<Self, OutOfMemory> {
        try_pin_init!(Self {
            rounds <- Delayed::new(Heap::new()?),
        }? OutOfMemory)
    }

    /// Keeps a removed server; without memory for that it can only not be taken out again.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn put(&self, dest: Arc<Dest>) {
        if self.rounds.put(dest).is_ok() {
            self.rounds.schedule_once(Ticks::from_seconds(ROUND));
        }
    }

    /// Takes out the server with this key that belonged to such a service.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn take(&self, key: &DestKey, service: &ServiceKey) -> Option<Arc<Dest>> {
        self.rounds.take(key, service)
    }

    /// Lets go of everything, for the end of the namespace.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn clear(&self) {
        self.rounds.cancel();
        self.rounds.clear();
    }
}

/// What lies in the trash: after a flush there may be thousands.
struct Heap(Pin<KBox<Mutex<HashIndex<Trashed>>>>);

impl Heap {
    fn new() -> Result<Self, OutOfMemory> {
        let index = KBox::pin_init(new_mutex!(HashIndex::new()), GFP_KERNEL);
        index.map(Self).map_err(|_error| OutOfMemory)
    }

    fn put(&self, dest: Arc<Dest>) -> Result<(), OutOfMemory> {
        let digest = dest.key().digest(dest.service());
        let trashed = Trashed {
            dest,
            idle_since: None,
        };
        self.0.lock().insert(digest, trashed)
    }

    fn take(&self, key: &DestKey, service: &ServiceKey) -> Option<Arc<Dest>> {
        let found = self.0.lock().remove(key.digest(service), |trashed| {
            trashed.dest.key() == key && trashed.dest.service().owns_like(service)
        });
        Some(found?.dest)
    }

    fn clear(&self) {
        let index = core::mem::replace(&mut *self.0.lock(), HashIndex::new());
        drop(index);
    }
}

impl Task for Heap {
    fn run(&self) -> Option<Ticks> {
        let mut index = self.0.lock();
        let now = Jiffies::now();
        index.retain(|trashed| !trashed.is_over(now));
        (!index.is_empty()).then_some(Ticks::from_seconds(ROUND))
    }
}
