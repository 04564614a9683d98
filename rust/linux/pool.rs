// SPDX-License-Identifier: GPL-2.0
//! What all tables share: the slab cache, the stripe locks, the expiry wheel and the way of memory back.
//!
//! C header: `include/linux/slab.h`

use crate::bindings;
use crate::clock::Jiffies;
use crate::deferred::Deferred;
use crate::rcu::{self, Arc, Slot};
use crate::sync::{self, Locks, Pinned, FIRST_BITS};
use crate::wheel::{Link, Wheel};
use crate::work::Queue;
use core::ffi::c_void;
use core::ptr::NonNull;
use kernel::prelude::*;

/// The size of an entry with everything: three cache lines.
pub(crate) const ENTRY_SIZE: usize = 192;

/// The cache that entries come from.
///
/// # Invariants
///
/// A cache of `ENTRY_SIZE` bytes, aligned to 64.
struct Cache(NonNull<bindings::kmem_cache>);

// SAFETY: The kernel guards its caches.
unsafe impl Send for Cache {}
// SAFETY: The kernel guards its caches against other CPUs.
unsafe impl Sync for Cache {}

impl Cache {
    fn new() -> Result<Self> {
        // SAFETY: Process context; the name is static. The size is the entries', and the function
        // stays as long as the module.
        let cache =
            unsafe { bindings::rvs_helper_kmem_cache_create(ENTRY_SIZE as u32, Some(Self::keep)) };
        NonNull::new(cache).map(Self).ok_or(ENOMEM)
    }

    /// Leaves new memory as it is.
    ///
    /// The kernel does not clear what has a constructor each time it is allocated. An entry is
    /// written whole, from one place, before anybody else sees it.
    ///
    /// # Safety
    ///
    /// None: C's type of a constructor is that of an unsafe function.
    unsafe extern "C" fn keep(_memory: *mut c_void) {}
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: Every entry was handed to `free` before its table let go of the pool, which freed all
        // of them before it came to the cache.
        unsafe { bindings::kmem_cache_destroy(self.0.as_ptr()) };
    }
}

/// What all tables share.
pub(crate) struct Pool {
    wheel: Pinned<Wheel>,
    stripes: Locks<()>,
    /// Before the cache, so that it is emptied first.
    deferred: Deferred,
    cache: Cache,
}

/// The pool of this module while it runs.
static POOL: Slot<Pool> = Slot::empty();

impl Pool {
    /// Returns the pool that [`start`] made.
    ///
    /// # Errors
    ///
    /// `ENODEV` when there is none.
    pub(crate) fn get() -> Result<Arc<Self>> {
        rcu::read(|rcu| POOL.read(rcu)?.upgrade()).ok_or(ENODEV)
    }

    /// Allocates the memory of an entry: `ENTRY_SIZE` bytes, aligned to 64.
    #[inline]
    pub(crate) fn alloc(&self) -> Option<NonNull<()>> {
        // SAFETY: The cache exists as long as the pool; atomic memory may be asked for anywhere.
        let memory = unsafe { bindings::rvs_helper_kmem_cache_alloc_atomic(self.cache.0.as_ptr()) };
        NonNull::new(memory.cast())
    }

    /// Frees an entry's memory after a grace period.
    ///
    /// # Safety
    ///
    /// `memory` came from [`Pool::alloc`], no new reader can find it, and `link`, which is inside of it,
    /// is not used again.
    pub(crate) unsafe fn free(&self, memory: NonNull<()>, link: NonNull<Link>) {
        // SAFETY: By the caller's promise; what a link has to spare is what waiting takes.
        unsafe { self.deferred.free(memory, Link::spare(link)) };
    }

    /// Runs `work` while the lock of a stripe is held.
    #[inline]
    pub(crate) fn locked<T>(&self, stripe: usize, work: impl FnOnce() -> T) -> T {
        let _guard = self
            .stripes
            .get(stripe & STRIPES_MASK)
            .map(|lock| lock.lock());
        work()
    }

    /// Returns the expiry wheel.
    #[inline]
    pub(crate) fn wheel(&self) -> &Wheel {
        &self.wheel
    }

    /// Has the wheel looked at as the next second begins.
    pub(crate) fn wake(&self) {
        self.wheel.schedule_once(Jiffies::now().to_next_second());
    }
}

/// Keeps a stripe's number inside the array of locks.
const STRIPES_MASK: usize = (1 << FIRST_BITS) - 1;

/// Keeps the pool for new tables; each table keeps it for itself until it is gone.
pub struct Running(());

/// Makes the pool.
///
/// # Errors
///
/// `ENOMEM`, or `EBUSY` when there is one.
pub fn start() -> Result<Running> {
    if Pool::get().is_ok() {
        return Err(EBUSY);
    }
    // SAFETY: Reads a number that does not change once the machine runs.
    let cpus = unsafe { bindings::rvs_helper_nr_cpu_ids() };
    let queue = Queue::new(c"rvs_expire")?;
    let wheel = Wheel::new(&queue, cpus, Jiffies::now())?;
    let pool = Pool {
        wheel: sync::pinned_on(&queue, wheel)?,
        stripes: sync::locks(1 << FIRST_BITS, || Ok(()))?,
        // A queue of its own: a worker that waits for readers would hold up the wheel's.
        deferred: Deferred::new(&Queue::new(c"rvs_free")?, cpus)?,
        cache: Cache::new()?,
    };
    drop(POOL.replace(Some(Arc::new(pool, GFP_KERNEL)?)));
    Ok(Running(()))
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(POOL.replace(None));
    }
}
