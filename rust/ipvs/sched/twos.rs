// SPDX-License-Identifier: GPL-2.0
//! The better of two servers drawn at random, by weight.
//!
//! A group is summed up as the weight of those in it that take connections.

use super::{eligible, load, number_of, Server, Servers, Summary};

/// Draws two and picks the one with less load for its weight.
pub(super) fn pick(servers: &impl Servers) -> Option<usize> {
    let groups = 0..servers.groups();
    let weights = groups.map(|group| weight(servers, group));
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

/// The weight of those in a group that take connections.
fn weight(servers: &impl Servers, group: usize) -> u64 {
    let [weight, _] = servers.summary(group, sum_up);
    weight
}

fn sum_up(group: &[impl Server]) -> Summary {
    let weights = group.iter().map(share);
    [weights.fold(0, u64::wrapping_add), 0]
}

/// What a server adds to the sum.
fn share(server: &impl Server) -> u64 {
    if eligible(server) {
        u64::from(server.weight())
    } else {
        0
    }
}

/// The server with which the sum of weights, the newest first, reaches `draw`.
///
/// The last that takes connections, if somebody stopped to do so meanwhile.
fn drawn(servers: &impl Servers, draw: u64) -> Option<usize> {
    let (mut rest, mut last) = (draw, None);
    let groups = servers.groups();
    for group in (0..groups).rev() {
        // Of a single one it is known that the draw falls into it.
        let weight = if groups == 1 {
            u64::MAX
        } else {
            weight(servers, group)
        };
        if weight == 0 {
            continue;
        }
        if weight < rest {
            rest = rest.wrapping_sub(weight);
            last = Some(group);
            continue;
        }
        if let Some(slot) = within(servers.group(group), rest) {
            return Some(number_of(group, slot));
        }
    }
    let group = last?;
    within(servers.group(group), u64::MAX).map(|slot| number_of(group, slot))
}

/// The same within a group.
fn within(group: &[impl Server], draw: u64) -> Option<usize> {
    let (mut sum, mut last) = (0_u64, None);
    for slot in (0..group.len()).rev() {
        let share = group.get(slot).map_or(0, share);
        if share == 0 {
            continue;
        }
        sum = sum.wrapping_add(share);
        last = Some(slot);
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
