// SPDX-License-Identifier: GPL-2.0
//! Locality-based least connections: who served an address before, or else wlc.
//!
//! A group is summed up as in wlc, with a mark if somebody in it has less than half the active
//! connections that its weight allows.

use super::least::{self, MARK};
use super::{to_index, wlc, Server, Servers, Summary};
use crate::addr::{words, Addr};

const BITS: u32 = 10;
/// How many buckets the addresses of a service are kept in.
pub const BUCKETS: usize = 1 << BITS;

/// Random factors that say which bucket an address belongs to.
///
/// Clients may choose the addresses, so who does not know the factors must not be able to make them
/// meet. (Thorup: High speed hashing for integers and strings, 3.)
#[derive(Clone, Copy)]
pub struct Factors(pub [u64; 4]);

impl Factors {
    /// Returns the bucket that an address belongs to.
    pub fn bucket(&self, addr: Addr) -> usize {
        let terms = self.0.into_iter().zip(words(addr));
        let sum = terms.fold(0_u64, |sum, (factor, word)| {
            sum.wrapping_add(factor.wrapping_mul(u64::from(word)))
        });
        to_index(u32::try_from(sum.wrapping_shr(u64::BITS.wrapping_sub(BITS))).unwrap_or(0))
    }
}

/// Picks the server for an address that has none.
pub(super) fn pick(servers: &impl Servers) -> Option<usize> {
    least::pick_by(servers, sum_up)
}

fn sum_up(group: &[impl Server]) -> Summary {
    let [cost, low] = least::sum_up(group, wlc::claim);
    let mark = if group.iter().any(is_underloaded) {
        MARK
    } else {
        0
    };
    [cost, low | mark]
}

fn is_underloaded(server: &impl Server) -> bool {
    u64::from(server.active()).wrapping_mul(2) < u64::from(server.weight())
}

/// Tells whether the server that served an address before serves it again.
///
/// That it is beyond its thresholds does not matter.
pub fn keeps(servers: &impl Servers, server: &impl Server) -> bool {
    server.available() && server.weight() != 0 && !is_overloaded(servers, server)
}

/// Tells whether a server has too much to do while another has too little.
pub(super) fn is_overloaded(servers: &impl Servers, server: &impl Server) -> bool {
    let marked = |group| {
        let [_, low] = servers.summary(group, sum_up);
        low & MARK != 0
    };
    server.active() > server.weight() && (0..servers.groups()).any(marked)
}
