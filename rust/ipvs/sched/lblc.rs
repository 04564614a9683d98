// SPDX-License-Identifier: GPL-2.0
//! Locality-based least connections: the server that served an address before, or else wlc.
//!
//! A chunk's aggregate is that of wlc, with a bit set if a server in it has less than half the
//! active connections that its weight allows.

use super::least::{self, UNDERLOADED};
use super::{wlc, Aggregate, Replication, Server, Servers, Spec};
use crate::addr::{words, Addr};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "lblc",
    watches_counts: true,
    cells: None,
    table: None,
    cache: Some(Replication::Single),
};

const BITS: u32 = 10;
/// How many buckets the addresses of a service are kept in.
pub const BUCKETS: usize = 1 << BITS;

/// Random factors that say which bucket an address belongs to.
///
/// Clients may choose the addresses; without the factors they cannot choose such as meet in one
/// bucket. (Thorup: High speed hashing for integers and strings, 3.)
#[derive(Clone, Copy)]
pub struct Factors(pub [u64; 4]);

impl Factors {
    /// Returns the bucket that an address belongs to.
    pub fn bucket(&self, addr: Addr) -> usize {
        let terms = self.0.into_iter().zip(words(addr));
        let sum = terms.fold(0_u64, |sum, (factor, word)| {
            sum.wrapping_add(factor.wrapping_mul(u64::from(word)))
        });
        // The uppermost bits.
        let [.., low, high] = sum.to_le_bytes();
        usize::from(u16::from_le_bytes([low, high]).wrapping_shr(u16::BITS.wrapping_sub(BITS)))
    }
}

/// Picks the server for an address that has none.
pub(super) fn pick(servers: &impl Servers) -> Option<usize> {
    least::pick_by(servers, aggregate)
}

fn aggregate(chunk: &[impl Server]) -> Aggregate {
    let [cost, low] = least::best_of(chunk, wlc::claim);
    let bit = if chunk.iter().any(is_underloaded) {
        UNDERLOADED
    } else {
        0
    };
    [cost, low | bit]
}

fn is_underloaded(server: &impl Server) -> bool {
    u64::from(server.active()).wrapping_mul(2) < u64::from(server.weight())
}

/// Returns whether the server that served an address before serves it again.
///
/// That it is beyond its thresholds does not matter.
pub fn keeps(servers: &impl Servers, server: &impl Server) -> bool {
    server.is_linked() && server.weight() != 0 && !is_overloaded(servers, server)
}

/// Returns whether a server has too much to do while another has too little.
pub(super) fn is_overloaded(servers: &impl Servers, server: &impl Server) -> bool {
    let has_underloaded = |chunk| {
        let [_, low] = servers.aggregate(chunk, aggregate);
        low & UNDERLOADED != 0
    };
    server.active() > server.weight() && (0..servers.chunks()).any(has_underloaded)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_lblc))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn a_busy_server_is_kept_unless_another_is_idle() {
        let mut service = Service::of(Scheduler::Lblc, b"A2 B2");
        assert!(keeps(&service, &service.named(b'A')));
        service.load(b'A', 3, 3);
        assert!(!keeps(&service, &service.named(b'A')));
        service.load(b'B', 1, 1);
        assert!(keeps(&service, &service.named(b'A')));
        service.edit(b'A', 0);
        assert!(!keeps(&service, &service.named(b'A')));
    }
}
