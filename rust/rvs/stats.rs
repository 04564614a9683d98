// SPDX-License-Identifier: GPL-2.0
//! Statistics of services, real servers and namespaces.
//!
//! A packet is counted on its server and on the namespace, on the CPU that sees it. A service is
//! the sum of its servers and of what those that were removed left behind. There is no thread: the
//! first packet that a CPU sees in a period folds what it counted in an earlier one into its share
//! of the rates, and a reader computes what the folding would give now.

use crate::util::OutOfMemory;
use ipvs::proto::Direction;
use ipvs::rate::{Counter, Rate, Sample, Samples, PERIOD};
use kernel::prelude::*;
use kernel::sync::barrier::{smp_mb, Read, Write};
use linux::percpu::{cpus, Cpu, Word, Words};
use linux::rcu::{self, Arc, Slot};
use linux::sync::{Acquire, AtomicU64, Relaxed, Release};

/// The counters come first, so that a packet touches one line.
const COUNTERS: usize = Counter::COUNT;
/// Then the period of the last folding.
const EPOCH: usize = COUNTERS;
/// Then what the counters were at the last folding.
const FOLDED: usize = EPOCH + 1;
/// Then the states of the rates.
const RATES: usize = FOLDED + COUNTERS;
/// All words of one CPU.
const WORDS: usize = RATES + COUNTERS;

const CONNS: Word<WORDS> = Word::at::<{ Counter::Conns.index() }>();
const IN_PACKETS: Word<WORDS> = Word::at::<{ Counter::InPackets.index() }>();
const OUT_PACKETS: Word<WORDS> = Word::at::<{ Counter::OutPackets.index() }>();
const IN_BYTES: Word<WORDS> = Word::at::<{ Counter::InBytes.index() }>();
const OUT_BYTES: Word<WORDS> = Word::at::<{ Counter::OutBytes.index() }>();

/// In place of the period while the folding is under way.
const FOLDING: u64 = u64::MAX;

/// The number of the present two-second period.
fn epoch() -> u32 {
    linux::clock::periods(PERIOD)
}

/// Counts a packet of a connection whose server is available, on the server and the namespace.
#[inline]
pub(crate) fn packet(server: &Stats, total: &Stats, direction: Direction, bytes: u32) {
    let epoch = epoch();
    server.packet(direction, bytes, epoch);
    total.packet(direction, bytes, epoch);
}

/// Counts a new connection, which is no template, on its server and the namespace.
pub(crate) fn conn(server: &Stats, total: &Stats) {
    let epoch = epoch();
    for stats in [server, total] {
        stats.fold_before(epoch);
        stats.words.add(CONNS, 1);
    }
}

/// The counters of a server or of a namespace.
pub(crate) struct Stats {
    words: Words<WORDS>,
    /// What users do not see any more: everything up to the last reset, if that was anything.
    zero: Slot<Samples>,
}

impl Stats {
    /// Makes counters that are zero.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(crate) fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            words: Words::new()?,
            zero: Slot::empty(),
        })
    }

    /// Returns what users see: what was counted since the last reset.
    pub(crate) fn shown(&self) -> Samples {
        let zero = rcu::read(|rcu| Some(*self.zero.read(rcu)?.get()));
        self.counted().minus(&zero.unwrap_or_default())
    }

    /// Returns everything counted, resets notwithstanding, as of now.
    pub(crate) fn counted(&self) -> Samples {
        let now = Samples {
            epoch: epoch(),
            ..Samples::default()
        };
        cpus().fold(now, |sum, cpu| sum.plus(&self.counted_on(cpu)))
    }

    /// Lets users see zero from here on.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`]; nothing is changed then.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn reset(&self) -> Result<(), OutOfMemory> {
        self.reset_to(self.counted())
    }

    /// Lets users see zero of what was counted up to a moment.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`]; nothing is changed then.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn reset_to(&self, counted: Samples) -> Result<(), OutOfMemory> {
        let zero = match counted.is_empty() {
            true => None,
            false => Some(Arc::new(counted, GFP_KERNEL)?),
        };
        drop(self.zero.replace(zero));
        Ok(())
    }

    /// Returns what a CPU counted, resets notwithstanding.
    pub(crate) fn on_cpu(&self, cpu: Cpu) -> [u64; COUNTERS] {
        let mut values = [0; COUNTERS];
        for (value, word) in values.iter_mut().zip(self.words.on(cpu)) {
            *value = word.load(Relaxed);
        }
        values
    }

    #[inline(always)]
    fn packet(&self, direction: Direction, bytes: u32, epoch: u32) {
        let (packets, volume) = match direction {
            Direction::Original => (IN_PACKETS, IN_BYTES),
            Direction::Reply => (OUT_PACKETS, OUT_BYTES),
        };
        self.fold_before(epoch);
        self.words.add(packets, 1);
        self.words.add(volume, u64::from(bytes));
    }

    /// Folds what this CPU counted before `epoch`, once per period.
    #[inline(always)]
    fn fold_before(&self, epoch: u32) {
        if self.words.here(Word::at::<EPOCH>()) != u64::from(epoch) {
            self.fold(epoch);
        }
    }

    #[cold]
    fn fold(&self, epoch: u32) {
        self.words.local(|words| fold(words, epoch));
    }

    /// Returns a CPU's share, as of the period in which it was folded last.
    fn counted_on(&self, cpu: Cpu) -> Samples {
        let words = self.words.on(cpu);
        loop {
            // Pairs with the release in `fold`: the words read below are of this folding or later.
            let epoch = epoch_of(words).load(Acquire);
            let samples = samples(words, epoch);
            // The second look must not come before the words.
            smp_mb(Read);
            if epoch != FOLDING && epoch_of(words).load(Relaxed) == epoch {
                return samples;
            }
            // The other CPU is not preempted in the few instructions this lasts.
            core::hint::spin_loop();
        }
    }
}

/// Brings one CPU's words up to `epoch`; runs on that CPU, alone.
fn fold(words: &[AtomicU64; WORDS], epoch: u32) {
    let before = epoch_of(words).load(Relaxed);
    let samples = samples(words, before).at(epoch);
    epoch_of(words).store(FOLDING, Relaxed);
    // A reader that sees any of the values below sees the mark as well.
    smp_mb(Write);
    let (folded, rates) = (words.iter().skip(FOLDED), words.iter().skip(RATES));
    for ((folded, rate), sample) in folded.zip(rates).zip(samples.counters) {
        folded.store(sample.total.wrapping_sub(sample.pending), Relaxed);
        rate.store(sample.rate.bits(), Relaxed);
    }
    // Pairs with the acquire in `counted_on`.
    let done = u64::from(samples.epoch);
    epoch_of(words).store(done, Release);
}

/// Reads one CPU's words as samples of the period in which they were folded last.
fn samples(words: &[AtomicU64; WORDS], epoch: u64) -> Samples {
    let mut samples = Samples {
        // A mark in its place makes the caller throw the samples away.
        epoch: u32::try_from(epoch).unwrap_or(u32::MAX),
        ..Samples::default()
    };
    let folded = words.iter().skip(FOLDED);
    let rates = words.iter().skip(RATES);
    let values = words.iter().zip(folded).zip(rates);
    for (sample, ((total, folded), rate)) in samples.counters.iter_mut().zip(values) {
        let total = total.load(Relaxed);
        *sample = Sample {
            total,
            pending: total.wrapping_sub(folded.load(Relaxed)),
            rate: Rate::from_bits(rate.load(Relaxed)),
        };
    }
    samples
}

/// Returns the word that says of which period the last folding was.
const fn epoch_of(words: &[AtomicU64; WORDS]) -> &AtomicU64 {
    // The compiler refuses an index beyond the words.
    &words[EPOCH]
}
