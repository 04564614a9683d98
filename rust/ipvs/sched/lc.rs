// SPDX-License-Identifier: GPL-2.0
//! Least connections: whoever has the smallest load, whatever its weight.

use super::{eligible, load, Servers};

/// Picks the eligible server with the smallest load; of equals the newest.
pub(super) fn pick(servers: &impl Servers) -> Option<usize> {
    // `min_by_key` keeps the first of equals, which is the newest in this order.
    (0..servers.len())
        .rev()
        .filter(|index| eligible(servers, *index))
        .min_by_key(|index| load(servers, *index))
}
