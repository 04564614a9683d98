// SPDX-License-Identifier: GPL-2.0
//! The state and the flags of a connection, in one word.

use crate::flags::conn::{FWD_MASK, INACTIVE, NFCT, NO_OUTPUT, ONE_PACKET, TEMPLATE};
use crate::proto::StateCode;
use crate::xmit::Method;

/// Whether a connection counts as active on its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It does.
    Active,
    /// It does not.
    Inactive,
}

/// The state and the flags of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnState {
    /// The state of its protocol.
    pub state: StateCode,
    /// Its flags, as in [`crate::flags::conn`].
    pub flags: u32,
}

/// The flags that exist: 17 bits, in a word behind the 8 bits of the state.
const FLAGS: u64 = 0x1_ffff;

impl ConnState {
    /// Returns the state of a new connection, not counted as active.
    pub const fn new(method: Method, flags: u32) -> Self {
        let no_output = match method.row().sees_replies {
            true => 0,
            false => NO_OUTPUT,
        };
        Self {
            state: StateCode::NEW,
            flags: (flags & !FWD_MASK) | method.number() | no_output | INACTIVE,
        }
    }

    /// Puts it into 25 bits.
    #[inline]
    pub fn pack(self) -> u64 {
        (u64::from(self.flags) & FLAGS) << 8 | u64::from(self.state.0)
    }

    /// Takes it out of 25 bits.
    #[inline]
    pub const fn unpack(word: u64) -> Self {
        let [state, ..] = word.to_le_bytes();
        let [a, b, c, d, ..] = (word >> 8 & FLAGS).to_le_bytes();
        Self {
            state: StateCode(state),
            flags: u32::from_le_bytes([a, b, c, d]),
        }
    }

    /// Returns the forwarding method.
    #[inline]
    pub const fn method(self) -> Method {
        Method::from_number(self.flags)
    }

    /// Returns whether the connection counts as active on its server.
    #[inline]
    pub const fn activity(self) -> Activity {
        match self.flags & INACTIVE {
            0 => Activity::Active,
            _ => Activity::Inactive,
        }
    }

    /// Returns whether the connection counts as active on its server.
    #[inline]
    pub const fn is_active(self) -> bool {
        self.flags & INACTIVE == 0
    }

    /// Returns whether no packet of the server was seen.
    #[inline]
    pub const fn has_no_output(self) -> bool {
        self.flags & NO_OUTPUT != 0
    }

    /// Returns whether it is a persistence template.
    #[inline]
    pub const fn is_template(self) -> bool {
        self.flags & TEMPLATE != 0
    }

    /// Returns whether it is for a single packet.
    #[inline]
    pub const fn is_one_packet(self) -> bool {
        self.flags & ONE_PACKET != 0
    }

    /// Returns whether connection tracking keeps an entry of it.
    #[inline]
    pub const fn is_tracked(self) -> bool {
        self.flags & NFCT != 0
    }

    /// Returns it after a packet of the server was seen.
    #[inline]
    pub const fn with_output(self) -> Self {
        Self {
            flags: self.flags & !NO_OUTPUT,
            ..self
        }
    }

    /// Returns it in another state of its protocol.
    #[inline]
    pub const fn moved(self, state: StateCode, activity: Activity) -> Self {
        let flags = match activity {
            Activity::Active => self.flags & !INACTIVE,
            Activity::Inactive => self.flags | INACTIVE,
        };
        Self { state, flags }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_conn_state))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn packing_loses_nothing() {
        let full = ConnState {
            state: StateCode(10),
            flags: 0x1_ffff,
        };
        assert_eq!(ConnState::unpack(full.pack()), full);
        assert!(full.pack() < 1 << 25);
    }

    #[test]
    fn new_connection_is_inactive() {
        let nat = ConnState::new(Method::Nat, 0);
        let direct = ConnState::new(Method::Direct, NFCT);
        assert_eq!(nat.flags, INACTIVE);
        assert_eq!(direct.flags, INACTIVE | NO_OUTPUT | NFCT | 3);
        assert_eq!(direct.method(), Method::Direct);
        assert_eq!(nat.activity(), Activity::Inactive);
    }

    #[test]
    fn move_changes_state_and_activity_only() {
        let conn = ConnState {
            state: StateCode(1),
            flags: NFCT | NO_OUTPUT | INACTIVE,
        };
        let moved = conn.moved(StateCode(2), Activity::Active);
        assert_eq!((moved.state, moved.flags), (StateCode(2), NFCT | NO_OUTPUT));
        assert!(moved.is_active() && !moved.with_output().has_no_output());
        let back = moved.moved(StateCode(1), Activity::Inactive);
        assert_eq!(back, conn);
    }
}
