// SPDX-License-Identifier: GPL-2.0
//! Weighted overflow: the heaviest server until its active connections exceed its weight, then the
//! next.

use super::least::Claim;
use super::{fo, Server, Spec};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "ovf",
    watches_counts: true,
    cells: None,
    table: None,
    cache: None,
};

/// As in fo, for a server with no more active connections than weight.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    fo::claim(server).filter(|claim| server.active() <= claim.weight)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_ovf))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn a_server_is_filled_before_the_next() {
        let mut service = Service::of(Scheduler::Ovf, b"A1 B3 C3");
        service.load(b'C', 3, 3);
        assert!(service.picks(b"C"));
        service.load(b'C', 4, 4);
        assert!(service.picks(b"B"));
        service.load(b'B', 3, 3);
        assert!(service.picks(b"B"));
        service.load(b'B', 4, 4);
        service.load(b'A', 2, 2);
        assert!(service.picks(b"-"));
    }
}
