// SPDX-License-Identifier: GPL-2.0
//! The destination cache of lblc and lblcr: which servers served an address before.
//!
//! Finding an address takes no lock; adding one does. An address that was not asked for in a long
//! time is forgotten, sooner if there are many.

use super::server_list::ServerRef;
use super::view::View;
use crate::config::CacheExpiry;
use crate::dest::Dest;
use crate::util::OutOfMemory;
use ipvs::addr::Addr;
use ipvs::flow::Flow;
use ipvs::sched::{lblc, lblcr, Replication};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::clock::{Jiffies, Ticks};
use linux::lock::{new_spinlock_bh, SpinLockBh};
use linux::random;
use linux::rcu::{self, Arc, Borrow, Reader, Slot};
use linux::work::{Delayed, Task};

/// From so many addresses on, idle ones are forgotten sooner.
const MANY: u32 = 16 * 1024;
/// The most addresses that one service keeps.
const MOST: u32 = MANY / 2 * 3;
/// The time between two looks at all addresses, in seconds.
const ROUND: u32 = 60;
/// In so many rounds there is one that forgets everything that is too old.
const FULL: u32 = 30;
/// How long an address must be idle to be forgotten when there are many, in seconds.
const IDLE: u32 = 6 * 60;

/// What one service's scheduler keeps.
pub(super) struct DestinationCache(Pin<KBox<Delayed<Addresses>>>);

impl DestinationCache {
    /// Makes an empty cache.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(super) fn new(
        replication: Replication,
        expiry: &CacheExpiry,
    ) -> Result<Arc<Self>, OutOfMemory> {
        let mut buckets = KVVec::with_capacity(lblc::BUCKETS, GFP_KERNEL)?;
        for _ in 0..lblc::BUCKETS {
            buckets.push_within_capacity(Slot::empty())?;
        }
        let state = KBox::pin_init(new_spinlock_bh!(CacheState::new(), "rvs_lblc"), GFP_KERNEL);
        let addresses = Addresses {
            replicates: replication == Replication::Set,
            expiry: expiry.clone(),
            factors: lblc::Factors(random::words()),
            buckets,
            state: state.map_err(|_error| OutOfMemory)?,
        };
        let rounds =
            KBox::pin_init(Delayed::new(addresses), GFP_KERNEL).map_err(|_error| OutOfMemory)?;
        rounds.schedule_once(Ticks::from_seconds(ROUND));
        Ok(Arc::new(Self(rounds), GFP_KERNEL)?)
    }

    /// Picks the server that served the address before, or else adds what `fresh` picks.
    pub(super) fn pick<'g>(
        &'g self,
        rcu: Reader<'g>,
        view: &View<'_>,
        flow: &Flow,
        fresh: impl FnOnce() -> Option<&'g Arc<Dest>>,
    ) -> Option<Borrow<'g, Dest>> {
        let addresses: &'g Addresses = &self.0;
        let addr = flow.dest.addr;
        let found = addresses.find(rcu, addr);
        let known = found.and_then(|place| addresses.known(rcu, view, place.get()));
        if known.is_some() {
            return known;
        }
        let dest = fresh()?;
        match found {
            Some(place) => addresses.also(rcu, place.get(), dest),
            None => addresses.remember(rcu, addr, dest),
        }
        Some(dest.borrow(rcu))
    }
}

/// The addresses that were asked for.
struct Addresses {
    /// An address may be served by several.
    replicates: bool,
    expiry: CacheExpiry,
    factors: lblc::Factors,
    buckets: KVVec<Slot<CachedAddress>>,
    /// Held while anything but the time of use changes.
    state: Pin<KBox<SpinLockBh<CacheState>>>,
}

struct CacheState {
    count: u32,
    /// The bucket that was looked at last.
    rover: usize,
    round: u32,
}

impl CacheState {
    const fn new() -> Self {
        Self {
            count: 0,
            rover: 0,
            round: 0,
        }
    }
}

/// An address and the servers that serve it.
struct CachedAddress {
    addr: Addr,
    /// When it was asked for last, in jiffies.
    used: Atomic<u32>,
    /// When the servers became others last, in jiffies.
    modified: Atomic<u32>,
    servers: Slot<ServerSet>,
    next: Slot<CachedAddress>,
}

/// The servers of an address, the one that came last first.
struct ServerSet(KVec<ServerRef>);

impl ServerSet {
    /// Makes a list of one, with others after it.
    fn of<'a>(
        first: Option<&'a Arc<Dest>>,
        len: usize,
        others: impl Iterator<Item = &'a ServerRef>,
    ) -> Result<Arc<Self>, OutOfMemory> {
        let mut list = KVec::with_capacity(len.saturating_add(1), GFP_ATOMIC)?;
        for dest in Iterator::chain(first.into_iter(), others.map(ServerRef::dest)) {
            list.push_within_capacity(ServerRef::new(dest))?;
        }
        Ok(Arc::new(Self(list), GFP_ATOMIC)?)
    }
}

impl Addresses {
    fn find<'g>(&self, rcu: Reader<'g>, addr: Addr) -> Option<Borrow<'g, CachedAddress>> {
        let mut next = self.buckets.get(self.factors.bucket(addr))?.read(rcu);
        while let Some(place) = next {
            if place.get().addr == addr {
                return Some(place);
            }
            next = place.get().next.read(rcu);
        }
        None
    }

    /// Returns the server of an address, unless another is to serve it from now on.
    fn known<'g>(
        &self,
        rcu: Reader<'g>,
        view: &View<'_>,
        place: &'g CachedAddress,
    ) -> Option<Borrow<'g, Dest>> {
        let now = Jiffies::now();
        place.used.store(now.0, Relaxed);
        let servers: &'g [ServerRef] = &place.servers.read(rcu)?.get().0;
        let (best, keeps) = if self.replicates {
            let best = lblcr::least(servers).and_then(|index| servers.get(index));
            self.shrink(rcu, place, now);
            (best, best.is_some_and(|best| lblcr::keeps(view, best)))
        } else {
            let only = servers.first();
            (only, only.is_some_and(|only| lblc::keeps(view, only)))
        };
        best.filter(|_| keeps).map(|best| best.dest().borrow(rcu))
    }

    /// Takes one server off an address whose servers have been the same for long.
    fn shrink(&self, rcu: Reader<'_>, place: &CachedAddress, now: Jiffies) {
        let is_old = || now.since(Jiffies(place.modified.load(Relaxed))) > self.expiration();
        let several = |servers: &ServerSet| servers.0.len() > 1;
        if !place
            .servers
            .read(rcu)
            .is_some_and(|servers| several(servers.get()))
            || !is_old()
        {
            return;
        }
        let _state = self.state.lock();
        let Some(servers) = place
            .servers
            .read(rcu)
            .filter(|servers| several(servers.get()))
        else {
            return;
        };
        let list = &servers.get().0;
        let Some(most) = lblcr::most(list) else {
            return;
        };
        let others = (0..list.len())
            .zip(list)
            .filter(|(index, _)| *index != most);
        let rest = ServerSet::of(None, list.len(), others.map(|(_, entry)| entry));
        if let Ok(rest) = rest {
            place.change(rest, now);
        }
    }

    /// Lets a server serve an address that is known.
    fn also(&self, rcu: Reader<'_>, place: &CachedAddress, dest: &Arc<Dest>) {
        let _state = self.state.lock();
        self.join(rcu, place, dest);
    }

    /// Puts a server first among those of an address. The lock is held.
    fn join(&self, rcu: Reader<'_>, place: &CachedAddress, dest: &Arc<Dest>) {
        let before = place.servers.read(rcu).filter(|_| self.replicates);
        let list = before.as_ref().map_or(&[][..], |servers| &servers.get().0);
        if list.iter().any(|entry| entry.dest().ptr_eq(dest)) {
            return;
        }
        if let Ok(servers) = ServerSet::of(Some(dest), list.len(), list.iter()) {
            place.change(servers, Jiffies::now());
        }
    }

    /// Lets a server serve an address that is not known, if there is room and memory for it.
    fn remember(&self, rcu: Reader<'_>, addr: Addr, dest: &Arc<Dest>) {
        let mut state = self.state.lock();
        if let Some(place) = self.find(rcu, addr) {
            return self.join(rcu, place.get(), dest);
        }
        let bucket = self.buckets.get(self.factors.bucket(addr));
        let (Some(bucket), true) = (bucket, state.count < MOST) else {
            return;
        };
        let now = Jiffies::now().0;
        let Ok(servers) = ServerSet::of(Some(dest), 0, core::iter::empty()) else {
            return;
        };
        let place = CachedAddress {
            addr,
            used: Atomic::new(now),
            modified: Atomic::new(now),
            servers: Slot::new(servers),
            next: Slot::empty(),
        };
        let Ok(place) = Arc::new(place, GFP_ATOMIC) else {
            return;
        };
        let first = bucket.read(rcu).and_then(Borrow::upgrade);
        drop(place.next.replace(first));
        drop(bucket.replace(Some(place)));
        state.count = state.count.saturating_add(1);
    }

    /// How long an address is remembered, and how long its servers stay the same.
    fn expiration(&self) -> Ticks {
        let setting = match self.replicates {
            true => &self.expiry.lblcr,
            false => &self.expiry.lblc,
        };
        // Users may write a time below zero, which is over at once.
        Ticks(setting.get().max(0).unsigned_abs())
    }

    /// Forgets what is idle for `age`, until `goal` addresses are forgotten.
    fn forget(&self, age: Ticks, goal: u32) {
        let now = Jiffies::now();
        let mut left = goal;
        for _ in 0..self.buckets.len() {
            let mut state = self.state.lock();
            state.rover = state.rover.wrapping_add(1) % lblc::BUCKETS;
            let Some(bucket) = self.buckets.get(state.rover) else {
                continue;
            };
            let gone = rcu::read(|rcu| {
                sweep(bucket, rcu, |place| {
                    now.since(Jiffies(place.used.load(Relaxed))) >= age
                })
            });
            state.count = state.count.saturating_sub(gone);
            left = left.saturating_sub(gone);
            if left == 0 {
                break;
            }
        }
    }
}

/// Removes from a bucket what is over; returns how many. The lock is held.
fn sweep(
    bucket: &Slot<CachedAddress>,
    rcu: Reader<'_>,
    is_over: impl Fn(&CachedAddress) -> bool,
) -> u32 {
    let mut gone = 0_u32;
    let mut link = bucket;
    while let Some(place) = link.read(rcu) {
        let place = place.get();
        if is_over(place) {
            // A reader that is at it still finds the rest of the chain.
            let next = place.next.read(rcu).and_then(Borrow::upgrade);
            drop(link.replace(next));
            gone = gone.saturating_add(1);
        } else {
            link = &place.next;
        }
    }
    gone
}

impl CachedAddress {
    fn change(&self, servers: Arc<ServerSet>, now: Jiffies) {
        drop(self.servers.replace(Some(servers)));
        self.modified.store(now.0, Relaxed);
    }
}

impl Task for Addresses {
    fn run(&self) -> Option<Ticks> {
        let mut state = self.state.lock();
        state.round = state.round.wrapping_add(1) % FULL;
        let (round, count) = (state.round, state.count);
        drop(state);
        if round == 0 {
            self.forget(self.expiration(), u32::MAX);
        } else if let Some(over @ 1..) = count.checked_sub(MANY) {
            let goal = over.saturating_mul(4) / 3;
            self.forget(Ticks::from_seconds(IDLE), goal.min(MANY / 2));
        }
        Some(Ticks::from_seconds(ROUND))
    }
}

impl Drop for Addresses {
    /// One by one: a chain that went by itself would take a grace period for each link.
    fn drop(&mut self) {
        for bucket in &self.buckets {
            let mut next = bucket.replace(None);
            while let Some(place) = next {
                next = place.next.replace(None);
            }
        }
    }
}
