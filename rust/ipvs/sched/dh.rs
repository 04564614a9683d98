// SPDX-License-Identifier: GPL-2.0
//! Destination hashing: the address that clients ask for decides.

use super::hashing::{fold, hash32};
use super::table::{accepting_in, Filling, TableSpec};
use super::{Change, Servers, Spec};
use crate::flow::Flow;

const BITS: u32 = 8;
const SLOTS: usize = 1 << BITS;

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "dh",
    watches_counts: false,
    cells: None,
    table: Some(TableSpec {
        slots: SLOTS,
        is_refilled_by,
        filling: Filling::InTurn,
    }),
    cache: None,
};

/// Weights do not matter.
fn is_refilled_by(change: Change) -> bool {
    match change {
        Change::Bound | Change::Added | Change::Removed => true,
        Change::Edited { .. } => false,
    }
}

/// Picks the server of the address's slot, if it takes connections.
pub(super) fn pick(servers: &impl Servers, flow: &Flow) -> Option<usize> {
    accepting_in(servers, hash32(fold(flow.family(), flow.dest.addr), BITS))
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_dh))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn the_address_asked_for_decides() {
        let mut service = Service::of(Scheduler::Dh, b"A1 B1 C1");
        assert!(service.picks_of([10, 0, 0, 9], [192, 0, 2, 1], b'A'));
        assert!(service.picks_of([10, 0, 0, 8], [192, 0, 2, 1], b'A'));
        service.overload(b'A');
        assert!(service.picks_of([10, 0, 0, 9], [192, 0, 2, 1], b'-'));
    }
}
