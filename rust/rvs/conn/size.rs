// SPDX-License-Identifier: GPL-2.0
//! The size of the connection table that listings show.

use ipvs::size::{self, Limits};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full, Relaxed};
use linux::{memory, namesake};

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
}

/// The largest size of all tables, as a power of two; 0 before there is a table.
static LARGEST: Atomic<u32> = Atomic::new(0);

/// Takes the largest size from the parameter, which shows from now on what became of it.
fn decide() -> Limits {
    let bits = namesake::conn_tab_bits().max(0).unsigned_abs();
    let limits = Limits::conns(bits, memory::total_bytes());
    match LARGEST.cmpxchg(0, limits.max_bits, Full) {
        Ok(_) => {
            show(limits.max_bits);
            limits
        }
        Err(bits) => Limits::conns(bits, u64::MAX),
    }
}

fn show(bits: u32) {
    namesake::show_conn_tab_bits(i32::try_from(bits).unwrap_or(i32::MAX));
}

/// A user may have given the parameter another value; it is too late once there is a table.
pub(crate) fn parameter_given() {
    let bits = LARGEST.load(Relaxed);
    let given = namesake::conn_tab_bits();
    if bits != 0 && u32::try_from(given) != Ok(bits) {
        pr_warn!("conn_tab_bits={given} comes too late: there are connection tables, with {bits} at most\n");
        show(bits);
    }
}

/// The parameter goes; before there is a table it is as if it never was given.
pub(crate) fn parameter_gone() {
    if LARGEST.load(Relaxed) == 0 {
        namesake::show_conn_tab_bits(namesake::CONN_TAB_BITS);
    }
}

/// Returns between which sizes tables move; the first to ask decides it for all.
fn limits() -> Limits {
    match LARGEST.load(Relaxed) {
        0 => decide(),
        bits => Limits::conns(bits, u64::MAX),
    }
}

impl Size {
    pub(super) fn new(factor: i32) -> Self {
        Self {
            shown: Atomic::new(0),
            factor: Atomic::new(factor),
            chosen_for: Atomic::new(factor),
            most: Atomic::new(u64::MAX),
        }
    }

    /// Returns whether `count` connections are too many.
    #[inline]
    pub(super) fn is_small_for(&self, count: u64) -> bool {
        count > self.most.load(Relaxed)
    }

    /// Begins with the smallest size.
    pub(super) fn begin(&self) {
        self.set(limits().min(), self.factor.load(Relaxed));
    }

    /// Chooses the size for `count` connections; returns whether it is above the smallest.
    pub(super) fn choose(&self, count: u64) -> bool {
        let factor = self.factor.load(Relaxed);
        let shown = if factor == self.chosen_for.load(Relaxed) {
            size::desired(count, self.shown.load(Relaxed), factor, limits())
        } else {
            size::refactored(count, factor, limits())
        };
        self.set(shown, factor);
        shown > limits().min()
    }

    fn set(&self, shown: u64, factor: i32) {
        let most = size::threshold(shown, factor, limits());
        self.shown.store(shown, Relaxed);
        self.chosen_for.store(factor, Relaxed);
        self.most.store(most.unwrap_or(u64::MAX), Relaxed);
    }
}
