// SPDX-License-Identifier: GPL-2.0
//! Past the real servers: the packet goes on to where it was going, with one hop less.

use super::{LocalRule, Row, Way};

/// The row of the table.
pub(super) const ROW: Row = Row {
    way: Way::Past,
    local: LocalRule::Never,
    rewrites: false,
    sees_replies: false,
    has_reply_key: false,
};
