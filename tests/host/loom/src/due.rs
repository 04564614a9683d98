// SPDX-License-Identifier: GPL-2.0
//! What the wheel asks of a record, counted.

use crate::clock::Jiffies;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// When a record's time is over, and what happened to it.
pub struct Due {
    at: AtomicU32,
    burials: AtomicU32,
    holds: AtomicU32,
}

impl Due {
    /// Makes one whose time is over at a moment.
    pub fn new(at: u32) -> Self {
        Self {
            at: AtomicU32::new(at),
            burials: AtomicU32::new(0),
            holds: AtomicU32::new(0),
        }
    }

    /// Moves the moment, as a packet does.
    pub fn set(&self, at: u32) {
        self.at.store(at, Relaxed);
    }

    /// Returns the moment. What has ended may be freed: the wheel must not know it any more.
    pub fn deadline(&self) -> Jiffies {
        assert!(!self.is_buried());
        Jiffies(self.at.load(Relaxed))
    }

    /// Counts that the record was held, and lets its time be over at another moment.
    pub fn hold(&self, until: u32) {
        self.holds.fetch_add(1, Relaxed);
        self.set(until);
    }

    /// Returns how often the record was held.
    pub fn holds(&self) -> u32 {
        self.holds.load(Relaxed)
    }

    /// Counts the burial, of which there is one.
    pub fn end(&self) {
        assert_eq!(self.burials.fetch_add(1, Relaxed), 0);
    }

    /// Returns whether it has ended.
    pub fn is_buried(&self) -> bool {
        self.burials.load(Relaxed) != 0
    }
}
