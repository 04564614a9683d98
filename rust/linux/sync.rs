// SPDX-License-Identifier: GPL-2.0
//! Atomics, locks and arrays under short names: the one swap point for loom.
//!
//! `list.rs`, `table.rs` and `wheel.rs` name these things only through this module, so that
//! `tests/host/loom` can compile the same files against a model of memory.

use crate::bindings;
use crate::lock::{new_spinlock_bh, SpinLockBh};
pub(crate) use crate::work::Queue;
use crate::work::{Delayed, Task};
use core::alloc::Layout;
use core::pin::Pin;
use core::ptr::NonNull;
use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
pub use kernel::sync::atomic::{Acquire, Full, Relaxed, Release};

/// A 32-bit word that several CPUs change.
pub type AtomicU32 = Atomic<u32>;
/// A 64-bit word that several CPUs change.
pub type AtomicU64 = Atomic<u64>;
/// A pointer that several CPUs change.
pub type AtomicPtr<T> = Atomic<*mut T>;

/// The first bits of a hash that choose a stripe: 1,024 of them, so that CPUs seldom meet.
pub(crate) const FIRST_BITS: u32 = 10;
/// The most bits that a table uses for its buckets: what C's table allows at most.
pub(crate) const MAX_BITS: u32 = 27;
/// Arrays of markers that a table of `MAX_BITS` has.
pub(crate) const SEGMENTS: usize = (MAX_BITS - FIRST_BITS + 1) as usize;
/// One-second slots of the expiry wheel.
pub(crate) const SLOTS: usize = 1024;

/// An array of fixed length.
pub(crate) type Vector<T> = KVVec<T>;

/// Allocates an array of `len` equal values.
pub(crate) fn vector<T: Clone>(len: usize, value: T) -> Result<Vector<T>> {
    Ok(KVVec::from_elem(value, len, GFP_KERNEL)?)
}

/// A value behind a lock, in memory of its own.
pub(crate) type Locked<T> = Pin<KBox<SpinLockBh<T>>>;

/// Allocates a lock over a value.
pub(crate) fn locked<T>(value: T) -> Result<Locked<T>> {
    KBox::pin_init(new_spinlock_bh!(value, "rvs_table"), GFP_KERNEL)
}

/// Locks, each in memory of its own.
pub(crate) type Locks<T> = Vector<Locked<T>>;

/// Allocates `len` locks over what `make` returns.
pub(crate) fn locks<T>(len: u32, make: impl Fn() -> Result<T>) -> Result<Locks<T>> {
    filled(len, || locked(make()?))
}

/// Allocates an array of `len` values that `make` returns.
pub(crate) fn filled<T>(len: u32, make: impl Fn() -> Result<T>) -> Result<Vector<T>> {
    // CAST: `usize` has 32 bits or more.
    let mut values = Vector::with_capacity(len as usize, GFP_KERNEL)?;
    for _ in 0..len {
        values.push_within_capacity(make()?).map_err(|_| ENOMEM)?;
    }
    Ok(values)
}

/// A value with a work item of its own.
pub(crate) type Pinned<T> = Pin<KBox<Delayed<T>>>;

/// Allocates a value with a work item.
pub(crate) fn pinned<T: Task>(task: T) -> Result<Pinned<T>> {
    KBox::pin_init(Delayed::new(task), GFP_KERNEL)
}

/// Allocates a value with a work item that a queue's workers run.
pub(crate) fn pinned_on<T: Task>(queue: &Queue, task: T) -> Result<Pinned<T>> {
    KBox::pin_init(Delayed::on(queue, task), GFP_KERNEL)
}

/// How hard memory is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// As for any command of a user.
    Must,
    /// Nothing is killed for it, and its lack not reported.
    May,
}

/// Allocates an array of what `make` returns for each index.
///
/// # Errors
///
/// `ENOMEM`.
///
/// # Locking
///
/// Process context; sleeps.
pub(crate) fn array<T>(len: usize, need: Need, make: impl Fn(usize) -> T) -> Result<NonNull<T>> {
    let mut array = match need {
        Need::Must => KVVec::with_capacity(len, GFP_KERNEL)?,
        Need::May => spare(len)?,
    };
    for index in 0..len {
        array
            .push_within_capacity(make(index))
            .map_err(|_| ENOMEM)?;
        if index % 4096 == 0 {
            pause();
        }
    }
    let (pointer, _, _) = array.into_raw_parts();
    NonNull::new(pointer).ok_or(ENOMEM)
}

/// Allocates an empty array if that takes no great effort.
fn spare<T>(len: usize) -> Result<KVVec<T>> {
    let layout = Layout::array::<T>(len).map_err(|_| ENOMEM)?;
    // SAFETY: Process context, as every caller of `array` is in; the memory is checked below.
    let memory = unsafe { bindings::rvs_helper_kvmalloc_spare(layout.size()) };
    let memory = NonNull::new(memory.cast::<T>()).ok_or(ENOMEM)?;
    // SAFETY: It came from `kvmalloc` like all memory of a `KVVec`, is as large as `len` elements
    // and aligned for what needs no more than a word's alignment.
    Ok(unsafe { KVVec::from_raw_parts(memory.as_ptr(), 0, len) })
}

/// Frees an array.
///
/// # Safety
///
/// It came from [`array`] with the same length, and is no longer used.
pub(crate) unsafe fn free_array<T>(array: NonNull<T>, len: usize) {
    // SAFETY: By the caller's promise; `array` filled its capacity.
    drop(unsafe { KVVec::from_raw_parts(array.as_ptr(), len, len) });
}

/// Says that the caller sleeps, or may: kernels that check report it where that is forbidden.
pub(crate) fn might_sleep() {
    // SAFETY: May be called anywhere; that is what it is for.
    unsafe { bindings::rvs_helper_might_sleep() };
}

/// Lets others run: between the steps of long work in process context.
pub(crate) fn pause() {
    // SAFETY: Callers are in process context and hold no lock and no RCU section.
    unsafe { bindings::rvs_helper_cond_resched() };
}

/// Reports what keeps a table from closing.
pub(crate) fn report_pinned(count: u64) {
    pr_warn!("table: {count} entries are still pinned while their table is closed\n");
}

/// Sleeps for about a millisecond.
pub(crate) fn rest() {
    // SAFETY: As in `pause`.
    unsafe { bindings::msleep(1) };
}

/// Returns the number of the CPU this runs on; it may have changed when the caller looks.
pub(crate) fn this_cpu() -> u32 {
    // SAFETY: May be called anywhere.
    unsafe { bindings::rvs_helper_raw_smp_processor_id() }
}
