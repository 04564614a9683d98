// SPDX-License-Identifier: GPL-2.0
//! The choice that most schedulers make: the smallest cost for its weight, of equals the newest.
//!
//! They differ in who may be chosen and in what a connection costs. The best of each group is
//! remembered, with what it cost then: while nothing changes in a group, none of its servers is
//! looked at.

use super::{number_of, Server, Servers, Summary};

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
    pick_by(servers, |group| sum_up(group, &claim))
}

/// Picks the server with the best claim; `sum_up` is this file's, or one that adds [`MARK`].
pub(super) fn pick_by<S: Servers>(
    servers: &S,
    sum_up: impl Fn(&[S::Server]) -> Summary,
) -> Option<usize> {
    let mut best: Option<(Claim, usize)> = None;
    for group in (0..servers.groups()).rev() {
        let summary = servers.summary(group, &sum_up);
        if let Some((claim, slot)) = unpack(summary) {
            if best.is_none_or(|(best, _)| claim.beats(best)) {
                best = Some((claim, number_of(group, slot)));
            }
        }
    }
    best.map(|(_, number)| number)
}

/// Finds the best of a group.
pub(super) fn sum_up<T: Server>(group: &[T], claim: impl Fn(&T) -> Option<Claim>) -> Summary {
    let mut best: Option<(Claim, usize)> = None;
    for slot in (0..group.len()).rev() {
        let Some(next) = group.get(slot).and_then(&claim) else {
            continue;
        };
        if best.is_none_or(|(best, _)| next.beats(best)) {
            best = Some((next, slot));
        }
    }
    best.map_or([0; 2], pack)
}

/// A bit of the second word that is free for another use.
pub(super) const MARK: u64 = 1 << 63;

/// Puts the best into two words: its cost; its weight above its place. No weight is nobody.
fn pack((claim, slot): (Claim, usize)) -> Summary {
    let slot = u64::try_from(slot).unwrap_or(0) & 0xff;
    [claim.cost, u64::from(claim.weight) << 8 | slot]
}

fn unpack([cost, low]: Summary) -> Option<(Claim, usize)> {
    let weight = u32::try_from((low & !MARK) >> 8).unwrap_or(0);
    let slot = usize::try_from(low & 0xff).unwrap_or(0);
    (weight != 0).then_some((Claim { cost, weight }, slot))
}
