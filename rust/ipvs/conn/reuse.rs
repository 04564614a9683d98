// SPDX-License-Identifier: GPL-2.0
//! Whether a packet of a known connection still belongs to it.
//!
//! A client takes a port again while the entry of its last connection still waits, or the server
//! of the entry was removed: then the entry goes and the packet is scheduled as a new one, unless
//! connection tracking is in the way.

use super::state::ConnState;
use crate::packet::Header;
use crate::proto::Transport;

/// What is known about the server of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The connection has none.
    None,
    /// It was removed.
    Gone,
    /// It takes no new connection: its weight is 0.
    Draining,
    /// It is there.
    Alive,
}

/// The packet, the connection and the settings, as far as they matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReuseInput {
    /// The protocol.
    pub transport: Transport,
    /// The packet's transport header.
    pub header: Header,
    /// The state of the connection.
    pub conn: ConnState,
    /// The server of the connection.
    pub server: Server,
    /// Whether connection tracking has a confirmed entry for the packet.
    pub is_tracked: bool,
    /// The setting `conn_reuse_mode`.
    pub reuse_mode: i32,
    /// The setting `expire_nodest_conn`.
    pub expires_gone: bool,
}

/// What becomes of the packet and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReuseDecision {
    /// The packet belongs to the connection.
    Keep,
    /// The connection ends, without its tracked one, and the packet is scheduled as a new one.
    Reschedule,
    /// The connection ends with its tracked one; the packet is dropped, its repetition will be new.
    ExpireAndDrop,
    /// The packet is dropped, the connection stays.
    Drop,
}

/// Decides about a packet from a client that was found to belong to a connection.
///
/// `is_controlled` tells whether a template keeps the connection with its server: then the next
/// connection from the same port would go there as well, and is this one.
#[inline(always)]
pub fn decide(input: &ReuseInput, is_controlled: impl FnOnce() -> bool) -> ReuseDecision {
    let is_opening = input.transport.is_opening(input.header);
    if is_opening && (input.is_draining() || (input.is_over() && !is_controlled())) {
        return input.end();
    }
    match input.server {
        Server::Gone if input.expires_gone => input.end(),
        Server::Gone => ReuseDecision::Drop,
        Server::None | Server::Draining | Server::Alive => ReuseDecision::Keep,
    }
}

impl ReuseInput {
    #[inline(always)]
    fn is_draining(&self) -> bool {
        self.expires_gone && self.server == Server::Draining
    }

    /// The client is free to take the port again.
    #[inline(always)]
    fn is_over(&self) -> bool {
        self.transport.is_over(self.conn, self.reuse_mode)
    }

    #[inline(always)]
    fn end(&self) -> ReuseDecision {
        if self.is_tracked {
            ReuseDecision::ExpireAndDrop
        } else {
            ReuseDecision::Reschedule
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_conn_reuse))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::packet::tcp::Flags;
    use crate::proto::tcp::State;

    #[test]
    fn packets_of_a_living_connection_belong_to_it() {
        for state in State::ALL {
            assert_eq!(decide(&in_state(state, INPUT)), ReuseDecision::Keep);
        }
        assert_eq!(decide(&OPENING), ReuseDecision::Keep);
    }

    #[test]
    fn opening_packet_is_scheduled_where_the_connection_is_over() {
        for state in State::ALL {
            let over = matches!(state, State::TimeWait | State::Close);
            let expected = match over {
                true => ReuseDecision::Reschedule,
                false => ReuseDecision::Keep,
            };
            assert_eq!(decide(&in_state(state, OPENING)), expected);
        }
    }

    #[test]
    fn mode_zero_reuses_nothing() {
        let input = ReuseInput {
            reuse_mode: 0,
            ..in_state(State::TimeWait, OPENING)
        };
        assert_eq!(decide(&input), ReuseDecision::Keep);
    }

    #[test]
    fn udp_is_never_over() {
        let input = ReuseInput {
            transport: Transport::Udp,
            ..in_state(State::Close, OPENING)
        };
        assert_eq!(decide(&input), ReuseDecision::Keep);
    }

    #[test]
    fn tracked_packet_is_dropped_for_its_connection_to_go() {
        let input = ReuseInput {
            is_tracked: true,
            ..in_state(State::Close, OPENING)
        };
        assert_eq!(decide(&input), ReuseDecision::ExpireAndDrop);
        let gone = ReuseInput {
            server: Server::Gone,
            expires_gone: true,
            is_tracked: true,
            ..INPUT
        };
        assert_eq!(decide(&gone), ReuseDecision::ExpireAndDrop);
    }

    #[test]
    fn packets_to_a_removed_server_are_dropped() {
        let input = ReuseInput {
            server: Server::Gone,
            ..INPUT
        };
        assert_eq!(decide(&input), ReuseDecision::Drop);
    }

    #[test]
    fn packets_to_a_removed_server_are_scheduled_when_so_set() {
        let input = ReuseInput {
            server: Server::Gone,
            expires_gone: true,
            ..INPUT
        };
        assert_eq!(decide(&input), ReuseDecision::Reschedule);
    }

    #[test]
    fn opening_packet_leaves_a_draining_server_when_so_set() {
        let input = ReuseInput {
            server: Server::Draining,
            ..OPENING
        };
        assert_eq!(decide(&input), ReuseDecision::Keep);
        let leaving = ReuseInput {
            expires_gone: true,
            ..input
        };
        assert_eq!(decide(&leaving), ReuseDecision::Reschedule);
        let later = ReuseInput {
            server: Server::Draining,
            expires_gone: true,
            ..INPUT
        };
        assert_eq!(decide(&later), ReuseDecision::Keep);
    }

    const INPUT: ReuseInput = ReuseInput {
        transport: Transport::Tcp,
        header: Header::Tcp(Flags::ACK),
        conn: ConnState {
            state: State::Established.code(),
            flags: 0,
        },
        server: Server::Alive,
        is_tracked: false,
        reuse_mode: 1,
        expires_gone: false,
    };

    const OPENING: ReuseInput = ReuseInput {
        header: Header::Tcp(Flags::SYN),
        ..INPUT
    };

    fn in_state(state: State, input: ReuseInput) -> ReuseInput {
        ReuseInput {
            conn: ConnState {
                state: state.code(),
                flags: 0,
            },
            ..input
        }
    }

    #[test]
    fn client_of_a_template_takes_its_port_again_in_the_same_connection() {
        let over = in_state(State::TimeWait, OPENING);
        assert_eq!(super::decide(&over, || true), ReuseDecision::Keep);
        let draining = ReuseInput {
            server: Server::Draining,
            expires_gone: true,
            ..over
        };
        assert_eq!(super::decide(&draining, || true), ReuseDecision::Reschedule);
    }

    fn decide(input: &ReuseInput) -> ReuseDecision {
        super::decide(input, || false)
    }
}
