// SPDX-License-Identifier: GPL-2.0
//! The size of the connection table that listings show.

use ipvs::size::{self, Limits};
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::memory;

/// The size that listings show, and what it is chosen by.
///
/// The table itself grows by a rule of its own.
pub(super) struct Size {
    /// In buckets; 0 before there is a table.
    pub(super) shown: Atomic<u64>,
    /// What users want the load factor to be.
    pub(super) factor: Atomic<i32>,
    /// The load factor that the size was chosen for.
    chosen_for: Atomic<i32>,
    /// How many connections the size is good for.
    most: Atomic<u64>,
    limits: Limits,
}

impl Size {
    pub(super) fn new(factor: i32, max_bits: u32) -> Self {
        Self {
            shown: Atomic::new(0),
            factor: Atomic::new(factor),
            chosen_for: Atomic::new(factor),
            most: Atomic::new(u64::MAX),
            limits: Limits::conns(max_bits, memory::total_bytes()),
        }
    }

    /// Tells whether `count` connections are too many.
    #[inline]
    pub(super) fn is_small_for(&self, count: u64) -> bool {
        count > self.most.load(Relaxed)
    }

    /// Begins with the smallest size.
    pub(super) fn begin(&self) {
        self.set(self.limits.min(), self.factor.load(Relaxed));
    }

    /// Chooses the size for `count` connections; tells whether it is above the smallest.
    pub(super) fn choose(&self, count: u64) -> bool {
        let factor = self.factor.load(Relaxed);
        let shown = if factor == self.chosen_for.load(Relaxed) {
            size::desired(count, self.shown.load(Relaxed), factor, self.limits)
        } else {
            size::refactored(count, factor, self.limits)
        };
        self.set(shown, factor);
        shown > self.limits.min()
    }

    fn set(&self, shown: u64, factor: i32) {
        let most = size::threshold(shown, factor, self.limits);
        self.shown.store(shown, Relaxed);
        self.chosen_for.store(factor, Relaxed);
        self.most.store(most.unwrap_or(u64::MAX), Relaxed);
    }
}
