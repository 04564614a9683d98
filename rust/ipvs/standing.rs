// SPDX-License-Identifier: GPL-2.0
//! How a connection stands, in one word, and what a packet makes of it.

use crate::addr::Protocol;
use crate::flags::conn::{FWD_MASK, INACTIVE, NFCT, NO_OUTPUT, TEMPLATE};
use crate::proto::{tcp, Direction, StateCode};
use crate::xmit::Method;

/// The state and the flags of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The state of its protocol.
    pub state: StateCode,
    /// Its flags, as in [`crate::flags::conn`].
    pub flags: u32,
}

/// What a packet says to the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which way it goes.
    pub direction: Direction,
    /// The flags byte of its header, if it is of TCP.
    pub tcp_flags: u8,
    /// How wary the machine is.
    pub guard: tcp::Guard,
}

/// The flags that exist: 17 bits, in a word behind the 8 bits of the state.
const FLAGS: u64 = 0x1_ffff;

impl Standing {
    /// Returns how a new connection stands, not counted as active.
    pub const fn new(method: Method, flags: u32) -> Self {
        let no_output = match method {
            Method::Nat => 0,
            // The server's answers do not come this way.
            _ => NO_OUTPUT,
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
    pub fn unpack(word: u64) -> Self {
        let [state, ..] = word.to_le_bytes();
        Self {
            state: StateCode(state),
            // Seventeen bits fit.
            flags: u32::try_from(word >> 8 & FLAGS).unwrap_or(0),
        }
    }

    /// Returns how packets get to the server.
    #[inline]
    pub fn method(self) -> Method {
        Method::from_number(self.flags)
    }

    /// Tells whether the connection counts as active on its server.
    #[inline]
    pub fn is_active(self) -> bool {
        self.flags & INACTIVE == 0
    }

    /// Tells whether no packet of the server was seen.
    #[inline]
    pub fn has_no_output(self) -> bool {
        self.flags & NO_OUTPUT != 0
    }

    /// Tells whether it is a persistence template.
    #[inline]
    pub fn is_template(self) -> bool {
        self.flags & TEMPLATE != 0
    }

    /// Tells whether connection tracking keeps an entry of it.
    #[inline]
    pub fn is_tracked(self) -> bool {
        self.flags & NFCT != 0
    }

    /// Returns how the connection stands after a packet.
    #[inline]
    pub fn after(self, protocol: Protocol, seen: &Seen) -> Self {
        match protocol {
            Protocol::TCP => self.after_tcp(seen),
            _ => self,
        }
    }

    #[inline(never)]
    fn after_tcp(self, seen: &Seen) -> Self {
        let (table, mut flags) = match seen.direction {
            Direction::Out => (tcp::Table::Output, self.flags & !NO_OUTPUT),
            Direction::In if self.has_no_output() => (tcp::Table::InputOnly, self.flags),
            Direction::In => (tcp::Table::Input, self.flags),
        };
        let event = tcp::Event::from_flags(seen.tcp_flags);
        let old = tcp::State::from_code(self.state);
        let new = old.next(table, event, seen.guard);
        let state = new.code();
        if state != self.state {
            flags = match new.is_active() {
                true => flags & !INACTIVE,
                false => flags | INACTIVE,
            };
        }
        Self { state, flags }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_standing))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn packing_loses_nothing() {
        let standing = Standing {
            state: StateCode(10),
            flags: 0x1_ffff,
        };
        assert_eq!(Standing::unpack(standing.pack()), standing);
        assert!(standing.pack() < 1 << 25);
    }

    #[test]
    fn new_connection_is_inactive() {
        let nat = Standing::new(Method::Nat, 0);
        let direct = Standing::new(Method::Direct, NFCT);
        assert_eq!(nat.flags, INACTIVE);
        assert_eq!(direct.flags, INACTIVE | NO_OUTPUT | NFCT | 3);
        assert_eq!(direct.method(), Method::Direct);
    }

    #[test]
    fn opening_makes_active_and_closing_inactive() {
        let open = Standing::new(Method::Nat, 0).after(Protocol::TCP, &seen(tcp::FLAG_SYN));
        assert_eq!(open.state, tcp::State::SynRecv.code());
        assert!(open.is_active());
        let closed = open.after(Protocol::TCP, &seen(tcp::FLAG_FIN));
        assert_eq!(closed.state, tcp::State::TimeWait.code());
        assert!(!closed.is_active());
    }

    #[test]
    fn packet_that_changes_no_state_changes_no_activity() {
        let open = Standing {
            state: tcp::State::Established.code(),
            flags: INACTIVE,
        };
        assert_eq!(open.after(Protocol::TCP, &seen(tcp::FLAG_ACK)), open);
    }

    #[test]
    fn answer_of_the_server_ends_input_only() {
        let direct = Standing::new(Method::Direct, 0);
        let answer = Seen {
            direction: Direction::Out,
            ..seen(tcp::FLAG_ACK)
        };
        assert!(direct.has_no_output());
        assert!(!direct.after(Protocol::TCP, &answer).has_no_output());
    }

    #[test]
    fn input_only_guesses_the_servers_fin() {
        let open = Standing {
            state: tcp::State::Established.code(),
            flags: NO_OUTPUT,
        };
        let closed = open.after(Protocol::TCP, &seen(tcp::FLAG_FIN));
        assert_eq!(closed.state, tcp::State::FinWait.code());
    }

    #[test]
    fn udp_stands_still() {
        let new = Standing::new(Method::Direct, 0);
        let answer = Seen {
            direction: Direction::Out,
            ..seen(0)
        };
        assert_eq!(new.after(Protocol::UDP, &answer), new);
    }

    fn seen(tcp_flags: u8) -> Seen {
        Seen {
            direction: Direction::In,
            tcp_flags,
            guard: tcp::Guard::Normal,
        }
    }
}
