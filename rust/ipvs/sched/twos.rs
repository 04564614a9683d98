// SPDX-License-Identifier: GPL-2.0
//! The better of two servers drawn at random, by weight (`ip_vs_twos`: the power of two choices).
//!
//! A chunk's aggregate is the weight of the servers in it that take connections.

use super::view::{accepts_new, load, number_of};
use super::{Aggregate, Server, Servers, Spec};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "twos",
    watches_counts: false,
    cells: None,
    table: None,
    cache: None,
};

/// Draws two and picks the one with less load for its weight.
pub(super) fn pick(servers: &impl Servers) -> Option<usize> {
    let chunks = 0..servers.chunks();
    let weights = chunks.map(|chunk| weight(servers, chunk));
    let total = weights.fold(0, u64::wrapping_add);
    if total == 0 {
        return None;
    }
    let draw = || drawn(servers, servers.random(total));
    let (first, second) = (draw(), draw());
    match (first, second) {
        (Some(first), Some(second)) if beats(servers, second, first) => Some(second),
        (first, second) => first.or(second),
    }
}

/// The weight of the servers in a chunk that take connections.
fn weight(servers: &impl Servers, chunk: usize) -> u64 {
    let [weight, _] = servers.aggregate(chunk, weights_of);
    weight
}

fn weights_of(chunk: &[impl Server]) -> Aggregate {
    let shares = chunk.iter().map(share);
    [shares.fold(0, u64::wrapping_add), 0]
}

/// What a server adds to the sum.
fn share(server: &impl Server) -> u64 {
    if accepts_new(server) {
        u64::from(server.weight())
    } else {
        0
    }
}

/// The server with which the sum of weights, the newest first, reaches `draw`.
///
/// The last that takes connections, if a server stopped to do so meanwhile.
fn drawn(servers: &impl Servers, draw: u64) -> Option<usize> {
    let (mut rest, mut last) = (draw, None);
    let chunks = servers.chunks();
    for chunk in (0..chunks).rev() {
        // A draw always falls into a single one.
        let weight = if chunks == 1 {
            u64::MAX
        } else {
            weight(servers, chunk)
        };
        if weight == 0 {
            continue;
        }
        if weight < rest {
            rest = rest.wrapping_sub(weight);
            last = Some(chunk);
            continue;
        }
        if let Some(place) = within(servers.chunk(chunk), rest) {
            return Some(number_of(chunk, place));
        }
    }
    let chunk = last?;
    within(servers.chunk(chunk), u64::MAX).map(|place| number_of(chunk, place))
}

/// The same within a chunk.
fn within(chunk: &[impl Server], draw: u64) -> Option<usize> {
    let (mut sum, mut last) = (0_u64, None);
    let places = (0..chunk.len()).rev();
    for (place, server) in places.zip(chunk.iter().rev()) {
        let share = share(server);
        if share == 0 {
            continue;
        }
        sum = sum.wrapping_add(share);
        last = Some(place);
        if sum >= draw {
            break;
        }
    }
    last
}

/// Whether `second` has strictly less load for its weight than `first`.
fn beats(servers: &impl Servers, second: usize, first: usize) -> bool {
    let of = |number| {
        let server = servers.server(number);
        server.map_or((0, 0), |server| {
            (u128::from(server.weight()), u128::from(load(server)))
        })
    };
    let ((first_weight, first_load), (weight, load)) = (of(first), of(second));
    weight.wrapping_mul(first_load) > first_weight.wrapping_mul(load)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_twos))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn the_less_loaded_of_two_is_taken() {
        let mut service = Service::of(Scheduler::Twos, b"A1 B2 C0");
        service.load(b'B', 9, 9);
        // The draws are 0, 1, 2 and so on: B is up to 2, A is 3.
        assert!(service.picks(b"BA"));
        service.overload(b'A');
        service.overload(b'B');
        assert!(service.picks(b"--"));
    }
}
