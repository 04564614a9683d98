// SPDX-License-Identifier: GPL-2.0
//! Round robin: one after the other, weights only say whether a server takes part.
//!
//! Cell 0 is the cursor: the server picked last. A chunk's aggregate is whether a server in it
//! takes part.

use super::cursor::{advance, first_around, split, Cursor};
use super::view::{accepts_new, to_index};
use super::{Aggregate, Change, Server, Servers, Spec, State, Transition};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "rr",
    watches_counts: false,
    cells: Some(migrate),
    table: None,
    cache: None,
};

/// Picks the first server after the cursor that takes part, wrapping once; the cursor moves to it.
pub(super) fn pick<S: Servers>(servers: &S) -> Option<usize> {
    let may = |chunk| servers.aggregate(chunk, any_accepts) != [0; 2];
    advance(servers.cell(0)?, |present| {
        match first_around(servers, cursor(present), may, accepts_new) {
            Some(number) => (cell(Cursor::at(number)), Some(number)),
            None => (present, None),
        }
    })
}

fn any_accepts(chunk: &[impl Server]) -> Aggregate {
    [u64::from(chunk.iter().any(accepts_new)), 0]
}

/// Keeps the cursor at its server; if that is gone, at the one before it in the list.
///
/// Before the newest there is only the head: the server that is added next is picked next then.
fn migrate([present, _]: State, transition: &Transition<'_>) -> State {
    let cursor = match (transition.change, cursor(present)) {
        (Change::Bound, _) | (_, Cursor::Head) => Cursor::Head,
        (_, Cursor::At(number)) => {
            (transition.moved)(to_index(number)).map_or(Cursor::Head, Cursor::at)
        }
    };
    [cell(cursor), 0]
}

fn cursor(cell: u64) -> Cursor {
    let (_, half) = split(cell);
    Cursor::from_half(half)
}

fn cell(cursor: Cursor) -> u64 {
    u64::from(cursor.to_half())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_rr))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn starts_with_the_newest() {
        let service = Service::of(Scheduler::Rr, b"A1 B1 C1");
        assert!(service.picks(b"CBACBA"));
    }

    #[test]
    fn skips_weight_zero_and_overload() {
        let mut service = Service::of(Scheduler::Rr, b"A1 B0 C1");
        assert!(service.picks(b"CACA"));
        service.overload(b'A');
        assert!(service.picks(b"CC"));
        service.overload(b'C');
        assert!(service.picks(b"--"));
    }

    #[test]
    fn a_server_added_after_the_wrap_is_visited() {
        let mut service = Service::of(Scheduler::Rr, b"A1 B1 C1");
        assert!(service.picks(b"C"));
        service.add(b'D', 1);
        assert!(service.picks(b"BADCBAD"));
    }

    #[test]
    fn goes_on_where_a_removed_server_was() {
        let mut service = Service::of(Scheduler::Rr, b"A1 B1 C1");
        assert!(service.picks(b"CB"));
        service.remove(b'B');
        assert!(service.picks(b"ACA"));
    }

    #[test]
    fn without_the_newest_the_server_added_next_is_picked() {
        let mut service = Service::of(Scheduler::Rr, b"A1 B1 C1");
        assert!(service.picks(b"C"));
        service.remove(b'C');
        service.add(b'D', 1);
        assert!(service.picks(b"DBAD"));
    }
}
