// SPDX-License-Identifier: GPL-2.0
//! Memory that is freed after a grace period, much of it at once.
//!
//! Each CPU has a lane: a list of what it gave up, linked through that memory itself, and a work
//! item, which takes the list, waits for one grace period and frees all of it in process context. A
//! callback for each, or the kernel's own for a few dozen, would run in softirq: 100,000 entries
//! that end at once would hold up all other softirqs of their CPU.
//!
//! What waits is what a CPU gave up while a list gathers ([`GATHER`]) and in two grace periods, and
//! as long as the worker waits for a CPU. No limit on entries counts it.

use crate::bindings;
use crate::clock::{Ticks, HZ};
use crate::rcu;
use crate::sync::{self, AtomicPtr, Full, Pinned, Queue, Relaxed, Vector};
use crate::work::Task;
use core::ptr::{self, NonNull};
use kernel::error::Result;

/// What the memory keeps of itself while it waits: two words.
#[repr(C)]
pub(crate) struct Waiting {
    next: *mut Waiting,
    memory: NonNull<()>,
}

/// How long a list gathers before a grace period is asked for, which may interrupt all CPUs: 20 ms.
const GATHER: Ticks = Ticks(HZ.div_ceil(50));

/// Pieces of memory that are freed between two looks at whether another task wants the CPU.
const BATCH: usize = 32;

/// What one CPU gave up.
///
/// # Invariants
///
/// Every `Waiting` of the list is inside of memory from the kernel's slab that belongs to the list.
struct Lane(AtomicPtr<Waiting>);

// SAFETY: What the list leads to belongs to it and may be freed on any CPU.
unsafe impl Send for Lane {}
// SAFETY: The list is only pushed to and taken whole, by atomic operations.
unsafe impl Sync for Lane {}

impl Lane {
    /// Puts memory on the list; returns whether it is the first there.
    ///
    /// # Safety
    ///
    /// As for [`Deferred::free`].
    unsafe fn push(&self, memory: NonNull<()>, place: NonNull<Waiting>) -> bool {
        let mut next = self.0.load(Relaxed);
        loop {
            // SAFETY: By the caller's promise the place is unused, and large enough.
            unsafe { place.write(Waiting { next, memory }) };
            // Pairs with the exchange in `empty`: what is found there was written.
            match self.0.cmpxchg(next, place.as_ptr(), Full) {
                Ok(_) => return next.is_null(),
                Err(found) => next = found,
            }
        }
    }

    /// Frees what is on the list, after a grace period.
    fn empty(&self) {
        let mut next = self.0.xchg(ptr::null_mut(), Full);
        if next.is_null() {
            return;
        }
        rcu::synchronize();
        let mut count = 0_usize;
        while let Some(place) = NonNull::new(next) {
            // SAFETY: The exchange made the list ours, and nothing of it is freed before it was read.
            let waiting = unsafe { place.read() };
            next = waiting.next;
            // SAFETY: By the invariant; no reader that may have found it is left.
            unsafe { bindings::kfree(waiting.memory.as_ptr().cast()) };
            count = count.wrapping_add(1);
            if count % BATCH == 0 {
                sync::pause();
            }
        }
    }
}

impl Task for Lane {
    fn run(&self) -> Option<Ticks> {
        self.empty();
        None
    }
}

/// The work item is cancelled by then.
impl Drop for Lane {
    fn drop(&mut self) {
        self.empty();
    }
}

/// The lanes of all CPUs.
///
/// What was given to it is freed before it is gone. Dropping it sleeps.
pub(crate) struct Deferred(Vector<Pinned<Lane>>);

impl Deferred {
    /// Makes empty lanes, which a queue's workers empty.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn new(queue: &Queue, cpus: u32) -> Result<Self> {
        let lane = || sync::pinned_on(queue, Lane(AtomicPtr::new(ptr::null_mut())));
        Ok(Self(sync::filled(cpus, lane)?))
    }

    /// Frees memory after a grace period.
    ///
    /// # Safety
    ///
    /// `memory` came from a cache of the kernel's slab that outlives `self`, and belongs to the caller;
    /// no new reader can find it. `place` is inside of it, aligned, and nothing uses it any more, not
    /// even a reader that is still at the rest.
    ///
    /// # Locking
    ///
    /// Any context but an interrupt's.
    pub(crate) unsafe fn free(&self, memory: NonNull<()>, place: NonNull<Waiting>) {
        // CAST: `usize` has 32 bits or more. Any lane will do for any CPU, and there is one.
        let own = self.0.get(sync::this_cpu() as usize);
        let Some(lane) = own.or_else(|| self.0.first()) else {
            return;
        };
        // SAFETY: By the caller's promise.
        if unsafe { lane.push(memory, place) } {
            lane.schedule_once(GATHER);
        }
    }
}
