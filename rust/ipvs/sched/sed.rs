// SPDX-License-Identifier: GPL-2.0
//! Shortest expected delay: the fewest active connections for its weight, were it chosen.

use super::least::Claim;
use super::{Server, Spec};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "sed",
    watches_counts: true,
    cells: None,
    table: None,
    cache: None,
};

/// One more than its active connections, for its weight.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    let weight = server.weight();
    (weight != 0 && !server.is_overloaded()).then(|| Claim {
        cost: u64::from(server.active()).wrapping_add(1),
        weight,
    })
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_sed))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn the_connection_to_come_counts() {
        let mut service = Service::of(Scheduler::Sed, b"A9 B1 C1");
        service.load(b'A', 1, 1);
        assert!(service.picks(b"A"));
        service.load(b'A', 9, 9);
        assert!(service.picks(b"C"));
    }
}
