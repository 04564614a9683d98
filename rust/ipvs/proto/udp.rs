// SPDX-License-Identifier: GPL-2.0
//! UDP has one state, refreshed by packets of both directions.

use super::StateCode;

/// Returns the name of a state as listings show it, if it is the only one there is.
pub fn state_name(state: StateCode) -> Option<&'static str> {
    (state == StateCode::NEW).then_some("UDP")
}
