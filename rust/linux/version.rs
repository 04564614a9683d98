// SPDX-License-Identifier: GPL-2.0
//! A version counter of things that change, and two words computed of them that are cached by it.
//!
//! A change of one of the things is added to their [`Version`] afterwards. A reader of the sum
//! compares that number with the one for which it was computed, and computes it again if they differ:
//! no lock, and a change computes nothing. A sum is right for some moment between the beginning of
//! the last change that is counted and the call; a change that is not counted yet has not returned
//! yet either.

use crate::sync::{Acquire, AtomicU64, Full, Relaxed, Release};

/// A counter of the changes of things that are summed up together.
///
/// Changes come in two kinds: some always count, some only while they are watched.
pub struct Version(AtomicU64);

/// They are watched.
const WATCHED: u64 = 1;
/// Nothing is remembered any more.
const RETIRED: u64 = 2;
/// One change.
const ONE: u64 = 4;

impl Default for Version {
    fn default() -> Self {
        Self::new()
    }
}

impl Version {
    /// Nothing changed yet, and nothing is watched.
    pub fn new() -> Self {
        Self(AtomicU64::new(ONE))
    }

    /// Counts a change. What was changed before is seen where the count is seen.
    #[inline]
    pub fn count(&self) {
        self.0.fetch_add(ONE, Full);
    }

    /// Counts a change if changes are watched.
    ///
    /// The change itself must be fully ordered before this call: then either it is counted, or
    /// a watch that begins afterwards sees it.
    #[inline]
    pub fn count_if_watched(&self) {
        if self.0.load(Relaxed) & WATCHED != 0 {
            self.count();
        }
    }

    /// Has all changes counted from here on. One caller at a time.
    pub fn watch(&self) {
        if self.0.load(Relaxed) & WATCHED == 0 {
            self.0.fetch_add(WATCHED, Full);
        }
    }

    /// Has only those changes counted that always are. One caller at a time.
    pub fn unwatch(&self) {
        if self.0.load(Relaxed) & WATCHED != 0 {
            // With a change counted: the number never was what it becomes.
            self.0.fetch_add(ONE.wrapping_sub(WATCHED), Full);
        }
    }

    /// Has everything computed anew from here on, since changes will be counted elsewhere.
    pub fn retire(&self) {
        if self.0.load(Relaxed) & RETIRED == 0 {
            self.0.fetch_add(RETIRED, Full);
        }
    }
}

/// Two words that were computed of things, and for which version of them.
pub struct Cached {
    /// The version; [`NEVER`] or [`BUSY`], which no version is.
    version: AtomicU64,
    words: [AtomicU64; 2],
}

/// Nothing is remembered.
const NEVER: u64 = 0;
/// A sum is being written.
const BUSY: u64 = 1;

impl Default for Cached {
    fn default() -> Self {
        Self::new()
    }
}

impl Cached {
    /// Nothing.
    pub fn new() -> Self {
        Self {
            version: AtomicU64::new(NEVER),
            words: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    /// Returns what `compute` returned when none of the things had changed since, or does now.
    #[inline]
    pub fn get(&self, version: &Version, compute: impl FnOnce() -> [u64; 2]) -> [u64; 2] {
        // Pairs with `count`: what is computed sees what was changed.
        let now = version.0.load(Acquire);
        // Pairs with the last store of `keep`.
        let cached = self.version.load(Acquire);
        if cached == now {
            let [first, second] = &self.words;
            // Pair with the stores of `keep`: where a word of it is seen, so is that it is being written.
            let words = [first.load(Acquire), second.load(Acquire)];
            if self.version.load(Relaxed) == now && now & RETIRED == 0 {
                return words;
            }
        }
        let words = compute();
        self.keep(cached, now, words);
        words
    }

    /// Remembers words unless another caller does.
    fn keep(&self, before: u64, now: u64, words: [u64; 2]) {
        // A newer version is never replaced by an older one: a reader that has begun with words of the
        // older would find its number again, and take words of two sums for one.
        let is_older = before > now;
        if is_older || before == BUSY || self.version.cmpxchg(before, BUSY, Full).is_err() {
            return;
        }
        for (word, value) in self.words.iter().zip(words) {
            word.store(value, Release);
        }
        self.version.store(now, Release);
    }
}
