// SPDX-License-Identifier: GPL-2.0
//! The servers of all services whose packets are rewritten, by where they send from.
//!
//! Packets that belong to no connection are asked about: was that a server? Readers take no lock. One
//! backend can be a server of thousands of services, so a bucket has one place for all of these, the
//! newest of them, and the others are a list behind it: whatever is asked, added or removed looks at
//! the places of one bucket only. A removal takes no memory: it empties a place, which the next
//! insertion may fill.

use crate::dest::Dest;
use crate::util::OutOfMemory;
use ipvs::service::Sender;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::rcu::{self, Arc, Borrow, Reader, Slot};

/// The servers of a namespace that packets may come from.
///
/// Changes are made under `control`.
pub(crate) struct ByAddress {
    buckets: Slot<Buckets>,
    /// How many places are taken.
    count: Atomic<usize>,
}

/// A power of two of them.
struct Buckets {
    buckets: KVVec<Slot<Bucket>>,
    /// Spreads the senders.
    seed: u64,
}

/// Places, some of them empty: of each sender its newest server.
struct Bucket(KVec<Slot<Dest>>);

/// The number of buckets at first.
const FIRST: usize = 16;
/// How many places a bucket has at most, on average.
const FULL: usize = 2;

impl ByAddress {
    /// Makes an index without servers.
    pub(super) const fn new() -> Self {
        Self {
            buckets: Slot::empty(),
            count: Atomic::new(0),
        }
    }

    /// Finds the newest server of those that are such a sender.
    pub(crate) fn find<'g>(&self, rcu: Reader<'g>, sender: Sender) -> Option<Borrow<'g, Dest>> {
        let bucket = self.buckets.read(rcu)?.get().at(sender)?.read(rcu)?.get();
        let mut places = bucket.0.iter().filter_map(|place| place.read(rcu));
        places.find(|dest| dest.sender() == sender)
    }

    /// Adds a server.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`]; nothing is changed then.
    ///
    /// # Locking
    ///
    /// Under `control`; sleeps.
    pub(crate) fn insert(&self, dest: &Arc<Dest>) -> Result<(), OutOfMemory> {
        let present = self.now();
        if present
            .as_ref()
            .and_then(|buckets| buckets.join(dest))
            .is_some()
        {
            return Ok(());
        }
        let count = self.count.load(Relaxed);
        let size = present.as_ref().map_or(0, |buckets| buckets.buckets.len());
        let buckets = match present.filter(|_| count < size.saturating_mul(FULL)) {
            Some(buckets) => buckets,
            None => self.resize(size.saturating_mul(2).max(FIRST))?,
        };
        buckets.insert(dest)?;
        self.count.store(count.wrapping_add(1), Relaxed);
        Ok(())
    }

    /// Takes a server out, if it is there.
    ///
    /// # Locking
    ///
    /// Under `control`; sleeps.
    pub(crate) fn remove(&self, dest: &Dest) {
        if leave(dest) {
            return;
        }
        let Some(buckets) = self.now() else { return };
        if buckets.remove(dest) == Some(true) {
            self.count_less(&buckets);
        }
    }

    /// Counts a place that was emptied.
    fn count_less(&self, buckets: &Buckets) {
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

    /// Publishes the same places in so many buckets.
    fn resize(&self, size: usize) -> Result<Arc<Buckets>, OutOfMemory> {
        let buckets = Buckets::new(size)?;
        if let Some(present) = self.now() {
            for dest in present.places() {
                buckets.insert(&dest)?;
            }
        }
        drop(self.buckets.replace(Some(buckets.clone())));
        Ok(buckets)
    }

    fn now(&self) -> Option<Arc<Buckets>> {
        rcu::read(|rcu| self.buckets.read(rcu)?.upgrade())
    }
}

/// Takes a server out of the list behind a place; returns whether it was in one.
fn leave(dest: &Dest) -> bool {
    let Some(newer) = dest.alike.newer.replace(None) else {
        return false;
    };
    let older = dest.alike.older.replace(None);
    if let Some(older) = &older {
        drop(older.alike.newer.replace(Some(newer.clone())));
    }
    drop(newer.alike.older.replace(older));
    true
}

impl Buckets {
    fn new(size: usize) -> Result<Arc<Self>, OutOfMemory> {
        let [seed] = linux::random::words();
        let mut buckets = KVVec::with_capacity(size, GFP_KERNEL)?;
        for _ in 0..size {
            buckets.push_within_capacity(Slot::empty())?;
        }
        Ok(Arc::new(Self { buckets, seed }, GFP_KERNEL)?)
    }

    fn at(&self, sender: Sender) -> Option<&Slot<Bucket>> {
        let mask = self.buckets.len().wrapping_sub(1);
        let hash = usize::try_from(sender.hash(self.seed)).ok()?;
        self.buckets.get(hash & mask)
    }

    /// Makes a server the newest of its sender's, if there is one.
    fn join(&self, dest: &Arc<Dest>) -> Option<()> {
        let sender = dest.sender();
        let bucket = held(self.at(sender)?)?;
        let (place, newest) = bucket.find(|other| other.sender() == sender)?;
        drop(newest.alike.newer.replace(Some(dest.clone())));
        drop(dest.alike.older.replace(Some(newest)));
        drop(place.replace(Some(dest.clone())));
        Some(())
    }

    /// Gives a place to a server, the newest of its sender's.
    fn insert(&self, dest: &Arc<Dest>) -> Result<(), OutOfMemory> {
        let slot = self.at(dest.sender()).ok_or(OutOfMemory)?;
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
            bucket.push_within_capacity(Slot::new(dest))?;
        }
        drop(slot.replace(Some(Arc::new(Bucket(bucket), GFP_KERNEL)?)));
        Ok(())
    }

    /// Gives the place of a server to the next older one; returns whether the place is empty now.
    fn remove(&self, dest: &Dest) -> Option<bool> {
        let bucket = held(self.at(dest.sender())?)?;
        let (place, _) = bucket.find(|other| core::ptr::eq(other, dest))?;
        let older = dest.alike.older.replace(None);
        if let Some(older) = &older {
            drop(older.alike.newer.replace(None));
        }
        let is_empty = older.is_none();
        drop(place.replace(older));
        Some(is_empty)
    }

    /// Returns what has a place.
    fn places(&self) -> impl Iterator<Item = Arc<Dest>> + '_ {
        let buckets = self.buckets.iter().filter_map(held);
        buckets.flat_map(|bucket| Places { bucket, next: 0 })
    }
}

impl Bucket {
    fn find(&self, wanted: impl Fn(&Dest) -> bool) -> Option<(&Slot<Dest>, Arc<Dest>)> {
        self.0.iter().find_map(|place| {
            let dest = held(place).filter(|dest| wanted(dest))?;
            Some((place, dest))
        })
    }
}

/// What has a place in one bucket.
struct Places {
    bucket: Arc<Bucket>,
    next: usize,
}

impl Iterator for Places {
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
