// SPDX-License-Identifier: GPL-2.0
//! Never queue: an idle server at once, or else the shortest expected delay.

use super::least::Claim;
use super::{sed, Server, Spec};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "nq",
    watches_counts: true,
    cells: None,
    table: None,
    cache: None,
};

/// Nothing if it is idle, which no claim beats; or else as in sed.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    let claim = sed::claim(server)?;
    Some(match claim.cost {
        1 => Claim { cost: 0, ..claim },
        _ => claim,
    })
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_nq))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn idle_servers_come_first() {
        let mut service = Service::of(Scheduler::Nq, b"A9 B1 C1");
        service.load(b'A', 1, 1);
        assert!(service.picks(b"C"));
        service.load(b'C', 1, 1);
        assert!(service.picks(b"B"));
        service.load(b'B', 1, 1);
        assert!(service.picks(b"A"));
    }
}
