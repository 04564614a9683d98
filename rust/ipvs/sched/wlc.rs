// SPDX-License-Identifier: GPL-2.0
//! Weighted least connections: the smallest load for its weight.

use super::least::Claim;
use super::view::load;
use super::{Server, Spec};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "wlc",
    watches_counts: true,
    cells: None,
    table: None,
    cache: None,
};

/// Its load for its weight.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    let weight = server.weight();
    (weight != 0 && !server.is_overloaded()).then(|| Claim {
        cost: load(server),
        weight,
    })
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_wlc))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn load_is_compared_for_weight() {
        let mut service = Service::of(Scheduler::Wlc, b"A2 B1 C1");
        assert!(service.picks(b"C"));
        service.load(b'C', 0, 1);
        service.load(b'B', 0, 1);
        service.load(b'A', 0, 1);
        assert!(service.picks(b"A"));
        service.load(b'A', 0, 2);
        assert!(service.picks(b"C"));
        service.overload(b'C');
        assert!(service.picks(b"B"));
    }
}
