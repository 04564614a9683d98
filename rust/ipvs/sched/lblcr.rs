// SPDX-License-Identifier: GPL-2.0
//! Locality-based least connections with replication: the set of servers that serve an address.
//!
//! The set grows when its best has too much to do and shrinks when it was not changed for long.

use super::view::{accepts_new, load};
use super::{lblc, Replication, Server, Servers, Spec};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "lblcr",
    watches_counts: true,
    cells: None,
    table: None,
    cache: Some(Replication::Set),
};

/// Returns the place of the member that has the least load for its weight; of equals the first.
pub fn least<T: Server>(members: &[T]) -> Option<usize> {
    let fits = |server: &&T| accepts_new(*server) && server.is_linked();
    best(members, fits, |next, best| {
        product(best, next) > product(next, best)
    })
}

/// Returns the place of the member that has the most load for its weight; of equals the first.
pub fn most<T: Server>(members: &[T]) -> Option<usize> {
    let fits = |server: &&T| server.weight() != 0;
    best(members, fits, |next, most| {
        product(most, next) < product(next, most)
    })
}

/// Returns whether the best of a set serves its address alone, without another to help.
pub fn keeps(servers: &impl Servers, server: &impl Server) -> bool {
    !lblc::is_overloaded(servers, server)
}

/// The load of one times the weight of the other.
fn product(one: &impl Server, other: &impl Server) -> u128 {
    u128::from(load(one)).wrapping_mul(u128::from(other.weight()))
}

fn best<T>(
    members: &[T],
    fits: impl Fn(&&T) -> bool,
    beats: impl Fn(&T, &T) -> bool,
) -> Option<usize> {
    let mut best: Option<(usize, &T)> = None;
    let places = (0..members.len()).zip(members);
    for (place, next) in places.filter(|(_, server)| fits(server)) {
        if best.is_none_or(|(_, best)| beats(next, best)) {
            best = Some((place, next));
        }
    }
    best.map(|(place, _)| place)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_lblcr))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::sched::fixture::One;

    fn member(weight: u32, active: u32) -> One {
        One {
            weight,
            active,
            total: active,
            ..One::default()
        }
    }

    #[test]
    fn the_first_of_equals_is_the_least_and_the_most_loaded() {
        let members = [
            member(1, 2),
            member(2, 4),
            member(1, 9),
            member(1, 9),
            member(0, 99),
        ];
        assert_eq!(least(&members), Some(0));
        assert_eq!(most(&members), Some(2));
        assert_eq!((least::<One>(&[]), most::<One>(&[])), (None, None));
    }
}
