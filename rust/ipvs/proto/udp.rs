// SPDX-License-Identifier: GPL-2.0
//! UDP has one state, refreshed by packets of both directions.

use super::StateCode;

/// The only state.
pub const NORMAL: StateCode = StateCode(0);

/// The shortest header, in bytes.
pub const HEADER: usize = 8;

/// Returns the name of a state as listings show it.
pub fn state_name(state: StateCode) -> &'static str {
    if state == NORMAL {
        "UDP"
    } else {
        "ERR!"
    }
}
