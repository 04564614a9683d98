// SPDX-License-Identifier: GPL-2.0
//! Shortest expected delay: the fewest active connections for its weight, were it chosen.

use super::least::Claim;
use super::Server;

/// One more than its active connections, for its weight.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    let weight = server.weight();
    (weight != 0 && server.usable()).then(|| Claim {
        cost: u64::from(server.active()).wrapping_add(1),
        weight,
    })
}
