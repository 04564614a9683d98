// SPDX-License-Identifier: GPL-2.0
//! Least connections: whoever has the smallest load, whatever its weight.

use super::least::Claim;
use super::{eligible, load, Server};

/// Its load.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    eligible(server).then(|| Claim {
        cost: load(server),
        weight: 1,
    })
}
