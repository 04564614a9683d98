// SPDX-License-Identifier: GPL-2.0
//! Maglev hashing: the client decides, and few clients change servers when a server goes.
//!
//! Each server has a preference list of all slots of the table; the servers take turns, by weight,
//! and each takes the first slot of its list that is free. (Eisenbud and others: Maglev, a fast and
//! reliable software network load balancer, 3.4.)

use super::table::{fold, port_of, search, Candidate, Filling, TableSpec};
use super::view::{to_index, Weights};
use super::{Change, Options, Servers, Spec, NO_SERVER};
use crate::addr::{Endpoint, Family};
use crate::flow::Flow;
use crate::hash::{self, Seed};

/// The slots of the table: a prime, so that every step leads through all of them.
const PRIME: u32 = 4093;
/// The same as a length.
const SLOTS: usize = 4093;
/// In a round a server takes at most so many slots, as a number of bits.
const TURN_BITS: u32 = 6;

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "mh",
    watches_counts: false,
    cells: None,
    table: Some(TableSpec {
        slots: SLOTS,
        is_refilled_by,
        filling: Filling::Choose(fill),
    }),
    cache: None,
};

const FIRST: Seed = Seed([2_654_435_761; 2]);
const SECOND: Seed = Seed([2_654_446_892; 2]);

/// Hashes an address and a port; `offset` gives another hash of the same.
fn digest(folded: u32, port: u32, seed: &Seed, offset: u32) -> u32 {
    let value = offset.wrapping_add(port).wrapping_add(folded);
    // C hashes the bytes as they are in memory.
    hash::short(seed, u32::from_le_bytes(value.to_ne_bytes()))
}

/// The slot that a hash means.
fn slot(hash: u32) -> u32 {
    hash % PRIME
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

    /// Returns the list that two hashes of a server stand for.
    pub fn new(offset: u32, skip: u32) -> Self {
        let skip = (skip % (PRIME - 1)).wrapping_add(1);
        // Remainders of a number of 16 bits.
        Self {
            next: u16::try_from(slot(offset)).unwrap_or(0),
            skip: u16::try_from(skip).unwrap_or(1),
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
    fn take(&mut self, turns: usize, name: u16, slots: &mut [u16; SLOTS]) {
        let (mut at, skip) = (usize::from(self.next), usize::from(self.skip));
        for _ in 0..turns {
            // Ends: by the invariant it comes to every slot, and one is free. A step that leads
            // beyond the end leads to the beginning.
            loop {
                match slots.get_mut(at) {
                    Some(slot) if *slot == NO_SERVER => {
                        *slot = name;
                        break;
                    }
                    Some(_) => at = at.wrapping_add(skip),
                    None => at = at.wrapping_sub(SLOTS),
                }
            }
            at = at.wrapping_add(skip);
        }
        let next = at.checked_sub(SLOTS).unwrap_or(at);
        self.next = u16::try_from(next).unwrap_or(0);
    }
}

/// A server without weight keeps its slots: its clients come back when it does.
fn is_refilled_by(change: Change) -> bool {
    match change {
        Change::Bound | Change::Added | Change::Removed => true,
        Change::Edited { last_weight, .. } => last_weight,
    }
}

/// Has the candidates take turns until no slot is free.
fn fill(candidates: &mut [Candidate], slots: &mut [u16]) {
    let Ok(slots) = <&mut [u16; SLOTS]>::try_from(slots) else {
        return;
    };
    let mut free = match set_turns(candidates) {
        0 => 0,
        _ => SLOTS,
    };
    while free != 0 {
        for candidate in &mut *candidates {
            let turns = free.min(usize::from(candidate.turns));
            candidate.permutation.take(turns, candidate.name, slots);
            free = free.wrapping_sub(turns);
        }
    }
}

/// Sets how many slots each takes in a round, by its weight; returns how many all of them take.
fn set_turns(candidates: &mut [Candidate]) -> u32 {
    let weights = Weights::among(candidates.iter().map(|candidate| candidate.last_weight));
    let most = weights.greatest.checked_div(weights.divisor).unwrap_or(0);
    let bits = u32::BITS.wrapping_sub(most.leading_zeros());
    let shift = bits.saturating_sub(TURN_BITS);
    let mut round = 0_u32;
    for candidate in candidates {
        let weight = candidate.last_weight;
        let share = weight.checked_div(weights.divisor).unwrap_or(0);
        let turns = share.wrapping_shr(shift).max(weight.min(1));
        candidate.turns = u8::try_from(turns).unwrap_or(u8::MAX);
        round = round.wrapping_add(turns);
    }
    round
}

/// Picks the server of the client's slot; with the fallback, one at another hash of the client.
pub(super) fn pick(servers: &impl Servers, flow: &Flow, options: Options) -> Option<usize> {
    let (folded, port) = (fold(flow.family(), flow.source.addr), port_of(flow, options));
    let slot = |offset| slot(digest(folded, port, &FIRST, offset));
    let first = slot(0);
    let offsets = (0..PRIME).map(|step| step.wrapping_add(first) % PRIME);
    let others = offsets.map(|offset| to_index(slot(offset)));
    search(servers, to_index(first), options, others)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_mh))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    fn candidate(name: u16, last_weight: u32) -> Candidate {
        Candidate {
            name,
            last_weight,
            permutation: Permutation::new(u32::from(name), u32::from(name)),
            ..Candidate::NONE
        }
    }

    #[test]
    fn servers_get_slots_by_the_ratio_of_their_weights() {
        let mut candidates = [candidate(1, 300), candidate(2, 100), candidate(3, 0)];
        let mut slots = [NO_SERVER; SLOTS];
        fill(&mut candidates, &mut slots);
        let count = |name| slots.iter().filter(|slot| **slot == name).count();
        assert_eq!([0, 1, 2, 3].map(count), [0, 3070, 1023, 0]);
    }

    #[test]
    fn servers_without_weight_get_no_slots() {
        let mut slots = [NO_SERVER; SLOTS];
        fill(&mut [candidate(1, 0)], &mut slots);
        fill(&mut [], &mut slots);
        assert!(slots.iter().all(|slot| *slot == NO_SERVER));
    }

    #[test]
    fn a_preference_list_has_every_slot_once() {
        for skip in [0, 1, 2_000, 4_091, u32::MAX] {
            let mut slots = [NO_SERVER; SLOTS];
            Permutation::new(7, skip).take(SLOTS, 9, &mut slots);
            assert!(slots.iter().all(|slot| *slot == 9));
        }
    }

    #[test]
    fn only_a_weight_that_is_not_zero_makes_another_table() {
        let edited = |last_weight| Change::Edited {
            weight: true,
            last_weight,
        };
        assert!(is_refilled_by(edited(true)) && !is_refilled_by(edited(false)));
        assert!(is_refilled_by(Change::Bound) && is_refilled_by(Change::Removed));
    }
}
