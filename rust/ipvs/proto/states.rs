// SPDX-License-Identifier: GPL-2.0
//! What the states of all protocols have in common: a number, a code, a name, and how transitions are chosen.

use super::Direction;
use crate::conn::state::ConnState;

/// Makes the type `State` of a protocol from its states in the order of their numbers: what each means,
/// its number in sync messages, and the name that listings show.
///
/// The first, `None`, is that of a connection of which no packet was seen.
macro_rules! states {
    ($($(#[$meaning:meta])* $state:ident = $number:literal, $name:literal;)*) => {
        /// The state of a connection; the numbers are those of sync messages.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum State {
            $($(#[$meaning])* $state = $number,)*
        }

        impl State {
            /// All states in the order of their numbers.
            pub const ALL: [State; [$($number),*].len()] = [$(State::$state),*];

            /// Returns the state with a number of the ABI.
            pub const fn from_number(number: u8) -> Option<State> {
                match number {
                    $($number => Some(State::$state),)*
                    _ => None,
                }
            }

            /// Returns the state of a code; what no connection can have counts as [`State::None`].
            pub const fn from_code(code: StateCode) -> State {
                match Self::from_number(code.0) {
                    Some(state) => state,
                    None => State::None,
                }
            }

            /// Returns the state as a code.
            pub const fn code(self) -> StateCode {
                // The discriminants are the numbers of the ABI.
                StateCode(self as u8)
            }

            /// Returns the name that listings show.
            pub const fn name(self) -> &'static str {
                match self {
                    $(State::$state => $name,)*
                }
            }
        }
    };
}
pub(super) use states;

/// Which part of a protocol's table of states applies to a packet, in the order of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transitions {
    /// From the client; both directions are seen.
    Input,
    /// From the real server.
    Output,
    /// From the client; nothing of the server was seen yet.
    InputOnly,
}

impl Transitions {
    /// Returns the part for a packet of this direction, and the connection as it is then: a reply shows that its output is seen.
    pub(super) const fn of(conn: ConnState, direction: Direction) -> (Self, ConnState) {
        match direction {
            Direction::Reply => (Self::Output, conn.with_output()),
            Direction::Original if conn.has_no_output() => (Self::InputOnly, conn),
            Direction::Original => (Self::Input, conn),
        }
    }
}
