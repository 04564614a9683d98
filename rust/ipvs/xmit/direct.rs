// SPDX-License-Identifier: GPL-2.0
//! VS/DR: the packet goes to the real server's link layer address; only the hop limit changes.

use super::{LocalRule, NextHop, Row, Way};

/// The row of the table.
pub(super) const ROW: Row = Row {
    way: Way::Route(NextHop::Server),
    local: LocalRule::Unchanged,
    rewrites: false,
    sees_replies: false,
    has_reply_key: false,
};
