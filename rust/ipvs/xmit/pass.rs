// SPDX-License-Identifier: GPL-2.0
//! Methods that nothing transmits: the packet goes on as if there were no connection.

use super::{LocalRule, Row, Way};

/// The row of the table.
pub(super) const ROW: Row = Row {
    way: Way::Pass,
    local: LocalRule::Unchanged,
    rewrites: false,
    sees_replies: false,
    has_reply_key: false,
};
