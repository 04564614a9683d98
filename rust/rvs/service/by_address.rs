// SPDX-License-Identifier: GPL-2.0
//! The servers of all services by the address and port that lead to them.
//!
//! Packets that belong to no connection are asked about: was that a server? Readers take no lock. A
//! removal takes no memory: it empties a place, which the next insertion may fill.

use crate::dest::Dest;
use ipvs::addr::Endpoint;
use ipvs::service::place_hash;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::rcu::{self, Arc, Reader, Slot};

/// The servers of a namespace that have a place: see [`Dest::place`].
///
/// Changes are made under `control`.
pub(crate) struct ByAddress {
    buckets: Slot<Buckets>,
    count: Atomic<usize>,
}

/// A power of two of them.
struct Buckets {
    buckets: KVVec<Slot<Bucket>>,
    /// Spreads the places.
    seed: u64,
}

/// Places of servers, some of them empty.
struct Bucket(KVec<Slot<Dest>>);

/// The number of buckets at first.
const FIRST: usize = 16;
/// How many servers a bucket has at most, on average.
const FULL: usize = 2;

impl ByAddress {
    /// Makes an index without servers.
    pub(super) const fn new() -> Self {
        Self {
            buckets: Slot::empty(),
            count: Atomic::new(0),
        }
    }

    /// Finds a server that is `wanted` among those at a place.
    pub(crate) fn find<'g>(
        &self,
        rcu: Reader<'g>,
        place: Endpoint,
        wanted: impl Fn(&Dest) -> bool,
    ) -> Option<&'g Dest> {
        let bucket = self.buckets.read(rcu)?.get().at(place)?.read(rcu)?.get();
        let servers = bucket
            .0
            .iter()
            .filter_map(|slot| Some(slot.read(rcu)?.get()));
        let mut here = servers.filter(|dest| dest.place() == Some(place));
        here.find(|dest| wanted(dest))
    }

    /// Adds a server at its place, if it has one.
    ///
    /// # Errors
    ///
    /// As [`ByAddress::insert_at`].
    ///
    /// # Locking
    ///
    /// Under `control`; sleeps.
    pub(crate) fn insert(&self, dest: &Arc<Dest>) -> Result {
        dest.place()
            .map_or(Ok(()), |place| self.insert_at(dest, place))
    }

    /// Adds a server at a place, which it may have only later.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is changed then.
    ///
    /// # Locking
    ///
    /// Under `control`; sleeps.
    pub(crate) fn insert_at(&self, dest: &Arc<Dest>, place: Endpoint) -> Result {
        let count = self.count.load(Relaxed);
        let present = self.now();
        let size = present.as_ref().map_or(0, |buckets| buckets.buckets.len());
        let buckets = match present.filter(|_| count < size.saturating_mul(FULL)) {
            Some(buckets) => buckets,
            None => self.resize(size.saturating_mul(2).max(FIRST))?,
        };
        buckets.insert(dest, place)?;
        self.count.store(count.wrapping_add(1), Relaxed);
        Ok(())
    }

    /// Takes a server out that was added at its place.
    ///
    /// # Locking
    ///
    /// Under `control`; sleeps.
    pub(crate) fn remove(&self, dest: &Dest) {
        if let Some(place) = dest.place() {
            self.remove_at(dest, place);
        }
    }

    /// Takes a server out that was added at a place.
    ///
    /// # Locking
    ///
    /// Under `control`; sleeps.
    pub(crate) fn remove_at(&self, dest: &Dest, place: Endpoint) {
        let Some(buckets) = self.now() else { return };
        if !buckets.remove(dest, place) {
            return;
        }
        let count = self.count.load(Relaxed).wrapping_sub(1);
        self.count.store(count, Relaxed);
        let size = buckets.buckets.len();
        if count == 0 {
            drop(self.buckets.replace(None));
        } else if size > FIRST && count < size >> 3 {
            // Without memory it stays as large as it is.
            let _ = self.resize(size >> 1);
        }
    }

    /// Takes all servers out.
    ///
    /// # Locking
    ///
    /// Under `control`.
    pub(super) fn clear(&self) {
        drop(self.buckets.replace(None));
        self.count.store(0, Relaxed);
    }

    /// Publishes the same servers in so many buckets.
    fn resize(&self, size: usize) -> Result<Arc<Buckets>> {
        let buckets = Buckets::new(size)?;
        if let Some(present) = self.now() {
            for dest in present.servers() {
                // Where it is about to have another place, its present one counts.
                if let Some(place) = dest.place() {
                    buckets.insert(&dest, place)?;
                }
            }
        }
        drop(self.buckets.replace(Some(buckets.clone())));
        Ok(buckets)
    }

    fn now(&self) -> Option<Arc<Buckets>> {
        rcu::read(|rcu| self.buckets.read(rcu)?.upgrade())
    }
}

impl Buckets {
    fn new(size: usize) -> Result<Arc<Self>> {
        let [seed] = linux::random::words();
        let mut buckets = KVVec::with_capacity(size, GFP_KERNEL)?;
        for _ in 0..size {
            let pushed = buckets.push_within_capacity(Slot::empty());
            pushed.map_err(|_full| ENOMEM)?;
        }
        Arc::new(Self { buckets, seed }, GFP_KERNEL)
    }

    fn at(&self, place: Endpoint) -> Option<&Slot<Bucket>> {
        let mask = self.buckets.len().wrapping_sub(1);
        let hash = usize::try_from(place_hash(self.seed, place)).ok()?;
        self.buckets.get(hash & mask)
    }

    fn insert(&self, dest: &Arc<Dest>, place: Endpoint) -> Result {
        let slot = self.at(place).ok_or(EINVAL)?;
        let present = held(slot);
        let places = present.as_ref().map_or(&[][..], |bucket| &bucket.0);
        if let Some(free) = places.iter().find(|place| held(place).is_none()) {
            drop(free.replace(Some(dest.clone())));
            return Ok(());
        }
        let len = places.len().saturating_add(1);
        let mut bucket = KVec::with_capacity(len, GFP_KERNEL)?;
        let others = places.iter().filter_map(held);
        for dest in Iterator::chain([dest.clone()].into_iter(), others) {
            let pushed = bucket.push_within_capacity(Slot::new(dest));
            pushed.map_err(|_full| ENOMEM)?;
        }
        drop(slot.replace(Some(Arc::new(Bucket(bucket), GFP_KERNEL)?)));
        Ok(())
    }

    /// Returns whether the server was there.
    fn remove(&self, dest: &Dest, place: Endpoint) -> bool {
        let Some(bucket) = self.at(place).and_then(held) else {
            return false;
        };
        let is_it =
            |slot: &&Slot<Dest>| held(slot).is_some_and(|other| core::ptr::eq(&*other, dest));
        let found = bucket.0.iter().find(is_it);
        found.is_some_and(|slot| slot.replace(None).is_some())
    }

    fn servers(&self) -> impl Iterator<Item = Arc<Dest>> + '_ {
        let buckets = self.buckets.iter().filter_map(held);
        buckets.flat_map(|bucket| Servers { bucket, next: 0 })
    }
}

/// The servers of one bucket.
struct Servers {
    bucket: Arc<Bucket>,
    next: usize,
}

impl Iterator for Servers {
    type Item = Arc<Dest>;

    fn next(&mut self) -> Option<Arc<Dest>> {
        loop {
            let slot = self.bucket.0.get(self.next)?;
            self.next = self.next.wrapping_add(1);
            if let Some(dest) = held(slot) {
                return Some(dest);
            }
        }
    }
}

/// Keeps what a slot publishes.
fn held<T: Send + Sync>(slot: &Slot<T>) -> Option<Arc<T>> {
    rcu::read(|rcu| slot.read(rcu)?.upgrade())
}
