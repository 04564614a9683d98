// SPDX-License-Identifier: GPL-2.0
//! Weighted least connections: the smallest load for its weight.

use super::least::Claim;
use super::{load, Server};

/// Its load for its weight.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    let weight = server.weight();
    (weight != 0 && server.usable()).then(|| Claim {
        cost: load(server),
        weight,
    })
}
