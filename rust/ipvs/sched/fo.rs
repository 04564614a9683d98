// SPDX-License-Identifier: GPL-2.0
//! Weighted failover: all to the heaviest server that takes connections.

use super::least::Claim;
use super::{Server, Spec};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "fo",
    watches_counts: false,
    cells: None,
    table: None,
    cache: None,
};

/// The same cost for all: the heaviest has the best claim.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    let weight = server.weight();
    (weight != 0 && !server.is_overloaded()).then_some(Claim { cost: 1, weight })
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_fo))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn the_heaviest_server_gets_all() {
        let mut service = Service::of(Scheduler::Fo, b"A1 B3 C3");
        assert!(service.picks(b"CC"));
        service.load(b'C', 4, 4);
        assert!(service.picks(b"C"));
        service.overload(b'C');
        assert!(service.picks(b"B"));
        service.overload(b'B');
        assert!(service.picks(b"A"));
    }
}
