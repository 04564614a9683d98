// SPDX-License-Identifier: GPL-2.0
//! VS/NAT: one end's address and port are replaced, in replies the other way round.

use super::{LocalRule, NextHop, Row, Way};

/// The row of the table.
pub(super) const ROW: Row = Row {
    way: Way::Route(NextHop::Table),
    local: LocalRule::Rewritten,
    rewrites: true,
    sees_replies: true,
    has_reply_key: true,
};
