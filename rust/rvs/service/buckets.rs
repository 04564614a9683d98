// SPDX-License-Identifier: GPL-2.0
//! The hash table of services: readers take no lock, a change copies one bucket.

use super::virtual_service::Service;
use crate::util::OutOfMemory;
use ipvs::service::ServiceKey;
use kernel::prelude::*;
use linux::rcu::{self, Arc, Borrow, Reader, Slot};

/// Buckets of services.
pub(super) struct Buckets {
    buckets: KVVec<Slot<Bucket>>,
    /// Spreads the keys.
    seed: u64,
}

/// The services of one bucket.
struct Bucket(KVec<Arc<Service>>);

/// How many buckets have 0 to 6 services, and how many have more.
pub(crate) type Lengths = [u32; 8];

impl Buckets {
    /// Makes a table of `size` empty buckets.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(super) fn new(size: u64) -> Result<Arc<Self>, OutOfMemory> {
        let [seed] = linux::random::words();
        let size = usize::try_from(size).map_err(|_large| OutOfMemory)?;
        let mut buckets = KVVec::with_capacity(size, GFP_KERNEL)?;
        for _ in 0..size {
            buckets.push_within_capacity(Slot::empty())?;
        }
        Ok(Arc::new(Self { buckets, seed }, GFP_KERNEL)?)
    }

    /// Returns how many buckets there are.
    pub(super) fn size(&self) -> usize {
        self.buckets.len()
    }

    /// Finds a service by its key.
    #[inline]
    pub(super) fn find<'g>(
        &'g self,
        rcu: Reader<'g>,
        key: &ServiceKey,
    ) -> Option<Borrow<'g, Service>> {
        let bucket = self.bucket(key)?.read(rcu)?.get();
        let service = bucket.0.iter().find(|service| service.key() == key)?;
        Some(service.borrow(rcu))
    }

    /// Adds a service.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`]; nothing is changed then.
    ///
    /// # Locking
    ///
    /// Under `control`; sleeps.
    pub(super) fn insert(&self, service: Arc<Service>) -> Result<(), OutOfMemory> {
        let slot = self.bucket(service.key()).ok_or(OutOfMemory)?;
        let present = held(slot);
        let others = present.as_ref().map_or(&[][..], |bucket| &bucket.0);
        let len = others.len().saturating_add(1);
        let bucket = Bucket::of(len, Iterator::chain(others.iter(), [&service]))?;
        drop(slot.replace(Some(bucket)));
        Ok(())
    }

    /// Takes a service out.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`]; nothing is changed then.
    ///
    /// # Locking
    ///
    /// Under `control`; sleeps.
    pub(super) fn remove(&self, service: &Service) -> Result<(), OutOfMemory> {
        let slot = self.bucket(service.key()).ok_or(OutOfMemory)?;
        let present = held(slot);
        let all = present.as_ref().map_or(&[][..], |bucket| &bucket.0);
        let others = all
            .iter()
            .filter(|other| other.serial() != service.serial());
        let bucket = match all.len() {
            // It was alone: emptying takes no memory.
            0 | 1 => None,
            len => Some(Bucket::of(len, others)?),
        };
        drop(slot.replace(bucket));
        Ok(())
    }

    /// Counts the buckets by their length.
    pub(super) fn lengths(&self) -> Lengths {
        let mut lengths = [0_u32; 8];
        for slot in &self.buckets {
            let length = held(slot).map_or(0, |bucket| bucket.0.len());
            if let Some(count) = lengths.get_mut(length.min(7)) {
                *count = count.saturating_add(1);
            }
        }
        lengths
    }

    #[inline]
    fn bucket(&self, key: &ServiceKey) -> Option<&Slot<Bucket>> {
        // The size is a power of two.
        let mask = self.buckets.len().wrapping_sub(1);
        let hash = usize::try_from(key.hash(self.seed)).ok()?;
        self.buckets.get(hash & mask)
    }
}

impl Bucket {
    fn of<'a>(
        len: usize,
        services: impl Iterator<Item = &'a Arc<Service>>,
    ) -> Result<Arc<Self>, OutOfMemory> {
        let mut list = KVec::with_capacity(len, GFP_KERNEL)?;
        for service in services {
            list.push_within_capacity(service.clone())?;
        }
        Ok(Arc::new(Self(list), GFP_KERNEL)?)
    }
}

/// Keeps what a slot publishes, so that memory can be waited for.
fn held(slot: &Slot<Bucket>) -> Option<Arc<Bucket>> {
    rcu::read(|rcu| slot.read(rcu)?.upgrade())
}
