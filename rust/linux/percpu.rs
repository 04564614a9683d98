// SPDX-License-Identifier: GPL-2.0
//! Per-CPU words: counters without a shared write.
//!
//! Adding is one instruction where the machine has one, and right whatever interrupts it: in
//! process context with softirqs on, on a CPU that the task is just leaving, on PREEMPT_RT.
//!
//! C header: `include/linux/percpu.h`

use crate::bindings;
use crate::sync::{might_sleep, AtomicU64};
use core::mem::size_of;
use core::num::NonZeroUsize;
use kernel::alloc::AllocError;
use kernel::prelude::*;
use kernel::types::NotThreadSafe;

/// `N` words of 64 bits on every CPU, zero at first.
///
/// # Invariants
///
/// `base` came from the per-CPU allocator, for `N` words, and is freed by this value alone.
pub struct Words<const N: usize> {
    /// An offset rather than an address of memory.
    base: NonZeroUsize,
}

/// One of `N` words.
///
/// # Invariants
///
/// The number is below `N`.
#[derive(Clone, Copy)]
pub struct Word<const N: usize>(usize);

impl<const N: usize> Word<N> {
    /// Returns the word with a number; does not compile unless there is one.
    pub const fn at<const INDEX: usize>() -> Self {
        const { assert!(INDEX < N) };
        // INVARIANT: As just asserted.
        Self(INDEX)
    }
}

impl<const N: usize> Words<N> {
    /// Allocates the words of all possible CPUs.
    ///
    /// # Errors
    ///
    /// There is no memory.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub fn new() -> Result<Self, AllocError> {
        might_sleep();
        let size = N.checked_mul(size_of::<u64>()).ok_or(AllocError)?;
        // SAFETY: The allocator may be called in process context with any size.
        let base = unsafe { bindings::rvs_helper_alloc_percpu(size) };
        // INVARIANT: The allocation has the size of `N` words and nothing else knows it.
        let base = NonZeroUsize::new(base).ok_or(AllocError)?;
        Ok(Self { base })
    }

    /// Returns the per-CPU address of a word of this value.
    #[inline]
    fn address(&self, word: Word<N>) -> usize {
        // Inside the allocation, by the invariants of both.
        let offset = word.0.wrapping_mul(size_of::<u64>());
        self.base.get().wrapping_add(offset)
    }

    /// Adds to a word of the CPU that runs this.
    #[inline]
    pub fn add(&self, word: Word<N>, value: u64) {
        // SAFETY: By the type invariants it is the address of a per-CPU word; the addition is one
        // operation on whichever CPU executes it.
        unsafe { bindings::rvs_helper_this_cpu_add(self.address(word), value) };
    }

    /// Returns a word of the CPU that runs this.
    #[inline]
    pub fn here(&self, word: Word<N>) -> u64 {
        // SAFETY: By the type invariants it is the address of a per-CPU word.
        unsafe { bindings::rvs_helper_this_cpu_read(self.address(word)) }
    }

    /// Lends `f` the words of the CPU that runs this, which runs no other task and no softirq
    /// meanwhile, on PREEMPT_RT neither. Other CPUs may read, and a CPU that waits for `f` to end does
    /// not wait long.
    ///
    /// # Locking
    ///
    /// `f` must be short, take no lock and not sleep.
    pub fn local<R>(&self, f: impl FnOnce(&[AtomicU64; N]) -> R) -> R {
        let _section = Section::enter();
        // SAFETY: By the type invariant; the section keeps the task on its CPU.
        let words = unsafe { bindings::rvs_helper_this_cpu_ptr(self.base.get()) };
        // SAFETY: The per-CPU memory has `N` words, is as good as `AtomicU64`s in layout, is only
        // ever accessed atomically, and lives as long as `self`.
        f(unsafe { &*words.cast() })
    }

    /// Returns the words of a CPU, for reading.
    pub fn on(&self, cpu: Cpu) -> &[AtomicU64; N] {
        // SAFETY: By the type invariants the words exist on every possible CPU, and `cpu` is one.
        let words = unsafe { bindings::rvs_helper_per_cpu_ptr(self.base.get(), cpu.0) };
        // SAFETY: As in `local`.
        unsafe { &*words.cast() }
    }
}

impl<const N: usize> Drop for Words<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nothing has the address any more.
        unsafe { bindings::rvs_helper_free_percpu(self.base.get()) };
    }
}

/// No other task and no softirq runs on this CPU while this exists.
///
/// Softirqs that are off are enough but on PREEMPT_RT, where they are run by tasks.
struct Section(NotThreadSafe);

impl Section {
    fn enter() -> Self {
        // SAFETY: May be called anywhere but in hardware interrupts, where nothing of ours runs.
        unsafe { bindings::rvs_helper_local_bh_disable() };
        // SAFETY: May be called anywhere.
        unsafe { bindings::rvs_helper_preempt_disable() };
        Self(NotThreadSafe)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        // SAFETY: `enter` has turned it off, for the same task.
        unsafe { bindings::rvs_helper_preempt_enable() };
        // SAFETY: `enter` has turned them off, for the same task.
        unsafe { bindings::rvs_helper_local_bh_enable() };
    }
}

/// A CPU that exists or may come to exist.
///
/// # Invariants
///
/// The number is that of a possible CPU; the set of those is fixed at boot.
#[derive(Clone, Copy)]
pub struct Cpu(u32);

impl Cpu {
    /// Returns the kernel's number of the CPU.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Lists the possible CPUs in ascending order.
pub fn cpus() -> impl Iterator<Item = Cpu> {
    // SAFETY: A constant or a variable that is fixed after boot.
    let count = unsafe { bindings::rvs_helper_nr_cpu_ids() };
    (0..count)
        // SAFETY: The number is below the count of CPU numbers.
        .filter(|number| unsafe { bindings::rvs_helper_cpu_possible(*number) })
        // INVARIANT: Just checked.
        .map(Cpu)
}
