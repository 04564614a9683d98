// SPDX-License-Identifier: GPL-2.0
//! Weighted least connections: the smallest load for its weight.

use super::{eligible, load, Servers};

/// A server and what decides about it, read once.
#[derive(Clone, Copy)]
struct Candidate {
    index: usize,
    load: u64,
    weight: u64,
}

impl Candidate {
    /// Whether this one has strictly less load for its weight.
    ///
    /// Cross multiplication: loads are below 2^41, weights below 2^31; beyond 64 bits the products
    /// saturate, and the earlier one is kept.
    fn beats(&self, other: &Candidate) -> bool {
        other.load.saturating_mul(self.weight) > self.load.saturating_mul(other.weight)
    }
}

/// Picks the eligible server with the smallest load for its weight; of equals the newest.
pub(super) fn pick(servers: &impl Servers) -> Option<usize> {
    let mut best: Option<Candidate> = None;
    for index in (0..servers.len()).rev() {
        if !eligible(servers, index) {
            continue;
        }
        let next = Candidate {
            index,
            load: load(servers, index),
            weight: u64::from(servers.weight(index)),
        };
        if best.is_none_or(|best| next.beats(&best)) {
            best = Some(next);
        }
    }
    best.map(|best| best.index)
}
