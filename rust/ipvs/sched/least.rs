// SPDX-License-Identifier: GPL-2.0
//! The choice that most schedulers make: the smallest cost for its weight, of equals the newest.
//!
//! They differ in which servers may be chosen and in what a connection costs. The best of each is
//! kept, with what it cost then: while nothing changes in a chunk, none of its servers is looked
//! at.

use super::view::number_of;
use super::{Aggregate, Server, Servers};

/// What speaks for a server: the smaller `cost / weight` is, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// What its connections cost.
    pub(super) cost: u64,
    /// By how much that is divided; not 0.
    pub(super) weight: u32,
}

impl Claim {
    /// Whether it costs strictly less for its weight.
    fn beats(self, other: Claim) -> bool {
        product(other.cost, self.weight) > product(self.cost, other.weight)
    }
}

/// Costs are below 2^41 and weights below 2^32: 64 bits may not do.
#[inline]
fn product(cost: u64, weight: u32) -> u128 {
    u128::from(cost).wrapping_mul(u128::from(weight))
}

/// Picks the server with the best claim.
pub(super) fn pick<S: Servers>(
    servers: &S,
    claim: impl Fn(&S::Server) -> Option<Claim>,
) -> Option<usize> {
    pick_by(servers, |chunk| best_of(chunk, &claim))
}

/// Picks the server with the best claim; `best_of` is this file's, or one that adds [`UNDERLOADED`].
pub(super) fn pick_by<S: Servers>(
    servers: &S,
    best_of: impl Fn(&[S::Server]) -> Aggregate,
) -> Option<usize> {
    let mut best: Option<(Claim, usize)> = None;
    for chunk in (0..servers.chunks()).rev() {
        let aggregate = servers.aggregate(chunk, &best_of);
        if let Some((claim, place)) = unpack(aggregate) {
            if best.is_none_or(|(best, _)| claim.beats(best)) {
                best = Some((claim, number_of(chunk, place)));
            }
        }
    }
    best.map(|(_, number)| number)
}

/// Finds the best of a chunk.
pub(super) fn best_of<T: Server>(chunk: &[T], claim: impl Fn(&T) -> Option<Claim>) -> Aggregate {
    let mut best: Option<(Claim, usize)> = None;
    let places = (0..chunk.len()).rev();
    for (place, server) in places.zip(chunk.iter().rev()) {
        let Some(next) = claim(server) else {
            continue;
        };
        if best.is_none_or(|(best, _)| next.beats(best)) {
            best = Some((next, place));
        }
    }
    best.map_or([0; 2], pack)
}

/// A bit of the second word for lblc: a server of the chunk is underloaded.
pub(super) const UNDERLOADED: u64 = 1 << 63;

/// Puts the best into two words: its cost; its weight above its place. No weight means no server.
fn pack((claim, place): (Claim, usize)) -> Aggregate {
    // A place is one byte: a chunk has at most 32 servers.
    let [place, ..] = place.to_le_bytes();
    [claim.cost, u64::from(claim.weight) << 8 | u64::from(place)]
}

fn unpack([cost, low]: Aggregate) -> Option<(Claim, usize)> {
    let [place, a, b, c, d, ..] = low.to_le_bytes();
    let weight = u32::from_le_bytes([a, b, c, d]);
    (weight != 0).then_some((Claim { cost, weight }, usize::from(place)))
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_least))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn two_words_hold_any_claim() {
        for weight in [1, 2, u32::MAX] {
            for place in [0, 1, 31] {
                let best = (Claim { cost: 7, weight }, place);
                assert_eq!(unpack(pack(best)), Some(best));
            }
        }
    }
}
