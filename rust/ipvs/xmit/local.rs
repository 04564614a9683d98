// SPDX-License-Identifier: GPL-2.0
//! The server is this host: the packet goes on, and no byte changes.

use super::{LocalRule, Row, Way};

/// The row of the table.
pub(super) const ROW: Row = Row {
    way: Way::Deliver,
    local: LocalRule::Unchanged,
    rewrites: false,
    sees_replies: false,
    has_reply_key: false,
};
