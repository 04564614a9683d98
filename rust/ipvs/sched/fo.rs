// SPDX-License-Identifier: GPL-2.0
//! Weighted failover: all to the heaviest server that takes connections.

use super::least::Claim;
use super::Server;

/// The same cost for everyone: the heaviest has the best claim.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    let weight = server.weight();
    (weight != 0 && server.usable()).then_some(Claim { cost: 1, weight })
}
