// SPDX-License-Identifier: GPL-2.0
//! Least connections: the server with the smallest load, whatever its weight.

use super::least::Claim;
use super::view::{accepts_new, load};
use super::{Server, Spec};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "lc",
    watches_counts: true,
    cells: None,
    table: None,
    cache: None,
};

/// Its load.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    accepts_new(server).then(|| Claim {
        cost: load(server),
        weight: 1,
    })
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_lc))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn weights_but_zero_are_ignored() {
        let mut service = Service::of(Scheduler::Lc, b"A9 B1 C0");
        service.load(b'A', 1, 1);
        assert!(service.picks(b"BB"));
        service.load(b'B', 1, 1);
        assert!(service.picks(b"BB"));
        service.load(b'B', 0, 258);
        assert!(service.picks(b"A"));
    }
}
