// SPDX-License-Identifier: GPL-2.0
//! Weighted overflow: the heaviest server until its active connections exceed its weight, then the
//! next.

use super::least::Claim;
use super::{fo, Server};

/// As in fo, for who has no more active connections than weight.
pub(super) fn claim(server: &impl Server) -> Option<Claim> {
    fo::claim(server).filter(|claim| server.active() <= claim.weight)
}
