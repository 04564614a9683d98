// SPDX-License-Identifier: GPL-2.0
//! Locality-based least connections with replication: the set of servers that serve an address.
//!
//! The set grows when its best has too much to do and shrinks when it was not changed for long.

use super::{eligible, lblc, load, Server, Servers};

/// Returns the place of the member that has the least load for its weight; of equals the first.
pub fn least<T: Server>(members: &[T]) -> Option<usize> {
    let fits = |server: &&T| eligible(*server) && server.available();
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

/// Tells whether the best of a set serves its address alone, without another to help.
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
