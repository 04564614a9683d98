// SPDX-License-Identifier: GPL-2.0
//! Source hashing: the client's address decides, and its port if the service wants that.

use super::hashing::{fold, hash32, port_of};
use super::table::{search, Filling, TableSpec};
use super::{Change, Options, Servers, Spec};
use crate::flow::Flow;

const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "sh",
    watches_counts: false,
    cells: None,
    table: Some(TableSpec {
        slots: SLOTS,
        is_refilled_by,
        filling: Filling::InTurnByWeight,
    }),
    cache: None,
};

fn is_refilled_by(change: Change) -> bool {
    match change {
        Change::Bound | Change::Added | Change::Removed => true,
        Change::Edited { weight, .. } => weight,
    }
}

/// Picks the server of the client's slot; with the fallback, the next that takes connections.
pub(super) fn pick(servers: &impl Servers, flow: &Flow, options: Options) -> Option<usize> {
    let key = port_of(flow, options).wrapping_add(fold(flow.family(), flow.source.addr));
    let hash = hash32(key, BITS);
    // C's search begins at twice the slot and goes round once.
    let others = (0..SLOTS).map(|offset| hash.wrapping_mul(2).wrapping_add(offset) % SLOTS);
    search(servers, hash, options, others)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_sh))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn the_client_decides_by_weight() {
        let vip = [192, 0, 2, 1];
        let sources = [
            [10, 0, 0, 1],
            [10, 0, 0, 2],
            [192, 0, 2, 1],
            [198, 51, 100, 7],
        ];
        let service = Service::of(Scheduler::Sh, b"A1 B2 C3");
        let named = sources.into_iter().zip(*b"BACB");
        assert!(named
            .clone()
            .all(|(source, name)| service.picks_of(source, vip, name)));
    }

    #[test]
    fn another_server_is_taken_only_with_the_flag() {
        let mut service = Service::of(Scheduler::Sh, b"A1 B1");
        service.overload(b'A');
        service.overload(b'B');
        assert!(service.picks(b"-"));
        let mut service = Service::of(Scheduler::Sh, b"A1 B0");
        let free = (0..32_u8).filter(|last| service.picks_of([10, 0, 0, *last], [0; 4], b'-'));
        assert!(free.count() > 8);
        service.options.fallback = true;
        assert!((0..32_u8).all(|last| service.picks_of([10, 0, 0, last], [0; 4], b'A')));
    }
}
