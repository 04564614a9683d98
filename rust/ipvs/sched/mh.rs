// SPDX-License-Identifier: GPL-2.0
//! Maglev hashing: the client decides, and few clients change servers when a server goes.
//!
//! Each server has a preference list of all slots of the table; the servers take turns, by weight,
//! and each takes the first slot of its list that is free. (Eisenbud and others: Maglev, a fast and
//! reliable software network load balancer, 3.4.)

use super::hashing::{fold, port_of};
use super::permutation::{digest, slot, FIRST, PRIME, SLOTS};
use super::table::{search, Candidate, Filling, TableSpec};
use super::view::{to_index, Weights};
use super::{Change, Options, Servers, Spec};
use crate::flow::Flow;

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
    let most = weights.greatest / weights.divisor;
    let bits = u32::BITS.wrapping_sub(most.leading_zeros());
    let shift = bits.saturating_sub(TURN_BITS);
    let mut round = 0_u32;
    for candidate in candidates {
        let weight = candidate.last_weight;
        let share = weight / weights.divisor;
        let turns = share.wrapping_shr(shift).max(weight.min(1));
        candidate.turns = u8::try_from(turns).unwrap_or(u8::MAX);
        round = round.wrapping_add(turns);
    }
    round
}

/// Picks the server of the client's slot; with the fallback, one at another hash of the client.
pub(super) fn pick(servers: &impl Servers, flow: &Flow, options: Options) -> Option<usize> {
    let (folded, port) = (
        fold(flow.family(), flow.source.addr),
        port_of(flow, options),
    );
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
    use crate::sched::{Permutation, NO_SERVER};

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
    fn only_a_weight_that_is_not_zero_makes_another_table() {
        let edited = |last_weight| Change::Edited {
            weight: true,
            last_weight,
        };
        assert!(is_refilled_by(edited(true)) && !is_refilled_by(edited(false)));
        assert!(is_refilled_by(Change::Bound) && is_refilled_by(Change::Removed));
    }
}
