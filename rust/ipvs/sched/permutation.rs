// SPDX-License-Identifier: GPL-2.0
//! The order in which a server asks for the slots of mh's table.

use super::hashing::fold;
use crate::addr::{Endpoint, Family};
use crate::hash::{self, Seed};

/// A slot that names no server; a table of them is zeroed memory.
pub const NO_SERVER: u16 = 0;

/// The slots of the table: a prime, so that every step leads through all of them.
pub(super) const PRIME: u32 = 4093;
/// The same as a length.
pub(super) const SLOTS: usize = 4093;

pub(super) const FIRST: Seed = Seed([2_654_435_761; 2]);
const SECOND: Seed = Seed([2_654_446_892; 2]);

/// Hashes an address and a port; `offset` gives another hash of the same.
pub(super) fn digest(folded: u32, port: u32, seed: &Seed, offset: u32) -> u32 {
    let value = offset.wrapping_add(port).wrapping_add(folded);
    // C hashes the bytes as they are in memory.
    hash::short(seed, u32::from_le_bytes(value.to_ne_bytes()))
}

/// The slot that a hash means.
pub(super) fn slot(hash: u32) -> u32 {
    hash % PRIME
}

/// Returns a number of 16 bits as such.
const fn low_16(number: u32) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// The order in which a server asks for the slots of the table: its preference list.
///
/// # Invariants
///
/// `next` is a slot, and `skip` is at least 1 and less than the number of slots: as that is a
/// prime, steps of `skip` lead to every slot before one comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutation {
    /// The slot that it asks for next; the offset of the list at first.
    next: u16,
    skip: u16,
}

impl Permutation {
    /// All slots in their order.
    pub const FIRST: Self = Self { next: 0, skip: 1 };

    /// Returns the list that two hashes of a server mean.
    pub fn new(offset: u32, skip: u32) -> Self {
        let skip = (skip % (PRIME - 1)).wrapping_add(1);
        // Remainders of a number of 16 bits.
        Self {
            next: low_16(slot(offset)),
            skip: low_16(skip),
        }
    }

    /// Returns the list of a server with this address and port, in a service of `family`.
    pub fn of(family: Family, server: Endpoint) -> Self {
        let folded = fold(family, server.addr);
        let port = u32::from(server.port.host());
        let skip = digest(folded, port, &SECOND, 0);
        let offset = digest(folded, port, &FIRST, 0);
        Self::new(offset, skip)
    }

    /// Gives the server called `name` the next slots of its list that are free, so many of them.
    ///
    /// There must be as many.
    #[inline]
    pub(super) fn take(&mut self, turns: usize, name: u16, slots: &mut [u16; SLOTS]) {
        let (mut at, skip) = (usize::from(self.next), usize::from(self.skip));
        for _ in 0..turns {
            at = first_free(at, skip, slots);
            if let Some(slot) = slots.get_mut(at) {
                *slot = name;
            }
            at = after(at, skip);
        }
        let [low, high, ..] = at.to_le_bytes();
        self.next = u16::from_le_bytes([low, high]);
    }
}

/// Returns the first slot that is free, from one on in steps of `skip`: there must be one, and
/// `skip` as in [`Permutation`], so that every slot is come to.
#[inline]
fn first_free(mut at: usize, skip: usize, slots: &[u16; SLOTS]) -> usize {
    while slots.get(at).is_some_and(|slot| *slot != NO_SERVER) {
        at = after(at, skip);
    }
    at
}

/// Goes a step round the table.
#[inline]
fn after(at: usize, skip: usize) -> usize {
    // A step back by the rest of the table, as its borrow says at once whether it leads beyond 0.
    let back = SLOTS.wrapping_sub(skip);
    match at.overflowing_sub(back) {
        (next, false) => next,
        (next, true) => next.wrapping_add(SLOTS),
    }
}

#[cfg_attr(
    CONFIG_KUNIT = "y",
    kernel::prelude::kunit_tests(rvs_sched_permutation)
)]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn a_preference_list_has_every_slot_once() {
        for skip in [0, 1, 2_000, 4_091, u32::MAX] {
            let mut slots = [NO_SERVER; SLOTS];
            Permutation::new(7, skip).take(SLOTS, 9, &mut slots);
            assert!(slots.iter().all(|slot| *slot == 9));
        }
    }
}
