// SPDX-License-Identifier: GPL-2.0
//! Defence against floods in one namespace: its measures, and the look at the memory each second.
//!
//! Only a work item looks at the memory, as that takes a lock which packets may not wait for. It runs
//! while a measure is on, and costs packets nothing.

use ipvs::defence::{self, Memory, Mode};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::clock::Ticks;
use linux::net::{Handle, Net};
use linux::rcu::{self, Arc, Reader};
use linux::sysctl::OutOfRange;
use linux::work::Task;

/// A measure against floods, and when it is taken.
pub(crate) struct Measure(Atomic<i32>);

impl Measure {
    /// Makes one that is not taken.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(Mode::Off.number()))
    }

    /// Returns when it is taken.
    pub(crate) fn mode(&self) -> Mode {
        Mode::of(self.0.load(Relaxed)).unwrap_or(Mode::Off)
    }

    /// Returns whether it is taken, as of the last look at the memory.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.0.load(Relaxed) > Mode::Watching.number()
    }

    /// Changes when it is taken; returns whether that is new.
    ///
    /// # Errors
    ///
    /// There is no such mode.
    pub(crate) fn set(&self, mode: i32) -> Result<bool, OutOfRange> {
        let mode = Mode::of(mode).ok_or(OutOfRange)?.number();
        Ok(self.0.xchg(mode, Relaxed) != mode)
    }

    /// Decides whether it is taken, and returns its mode.
    pub(crate) fn evaluate(&self, memory: Memory) -> Mode {
        let mode = self.mode();
        let now = mode.evaluated(memory.is_short());
        // Lost against a writer: the writer's mode is the newer, and is evaluated as well.
        match self.0.cmpxchg(mode.number(), now.number(), Relaxed) {
            Ok(_) => now,
            Err(_) => self.mode(),
        }
    }
}

/// How many packets of one namespace `drop_packet` drops.
pub(crate) struct Dropping {
    /// Of how many packets one is dropped now; 0 for none.
    rate: Atomic<i32>,
    /// How many are left to the next one.
    left: Atomic<i32>,
}

impl Dropping {
    /// Drops none.
    pub(crate) const fn new() -> Self {
        Self {
            rate: Atomic::new(0),
            left: Atomic::new(0),
        }
    }

    /// Drops as many as `mode` asks for; `always` is the setting `am_droprate`.
    pub(crate) fn set(&self, mode: Mode, memory: Memory, always: i32) {
        let rate = defence::drop_rate(mode, memory, always);
        self.rate.store(rate, Relaxed);
        if mode == Mode::Acting {
            // As with C the count begins anew.
            self.left.store(rate, Relaxed);
        }
    }

    /// Returns whether a packet that would be the first of a connection is dropped.
    #[inline]
    pub(crate) fn drops_packet(&self) -> bool {
        let rate = self.rate.load(Relaxed);
        rate != 0 && self.count_down(rate)
    }

    #[inline(never)]
    fn count_down(&self, rate: i32) -> bool {
        let mut left = self.left.load(Relaxed);
        loop {
            let (is_dropped, next) = defence::count_down(left, rate);
            match self.left.cmpxchg(left, next, Relaxed) {
                Ok(_) => return is_dropped,
                Err(found) => left = found,
            }
        }
    }
}

/// How often the memory is looked at.
pub(crate) const LOOK: Ticks = Ticks::from_seconds(1);

/// The work item that looks at the memory.
pub(crate) struct Watch {
    handle: Arc<Handle>,
    look: Look,
}

/// Looks at the memory for a namespace and takes measures; returns when to do so again.
pub(crate) type Look = for<'g> fn(&'g Net, Reader<'g>) -> Option<Ticks>;

impl Watch {
    /// Makes that of a namespace.
    pub(crate) fn new(handle: Arc<Handle>, look: Look) -> Self {
        Self { handle, look }
    }
}

impl Task for Watch {
    fn run(&self) -> Option<Ticks> {
        rcu::read(|rcu| (self.look)(self.handle.read(rcu)?, rcu))
    }
}
