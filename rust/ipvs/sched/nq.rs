// SPDX-License-Identifier: GPL-2.0
//! Never queue: an idle server at once, or else the shortest expected delay.

use super::least::Claim;
use super::{sed, Server};

/// Nothing if it is idle, which nobody beats; or else as in sed.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    let claim = sed::claim(server)?;
    Some(match claim.cost {
        1 => Claim { cost: 0, ..claim },
        _ => claim,
    })
}
