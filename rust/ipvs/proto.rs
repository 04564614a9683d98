// SPDX-License-Identifier: GPL-2.0
//! What each transport protocol needs: ports, states, time-outs.

use crate::addr::Protocol;

pub mod tcp;
pub mod udp;

/// Which way a packet of a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the virtual service.
    In,
    /// From the real server to the client.
    Out,
}

/// A state of some protocol's machine, as a number: small enough for a packed word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCode(pub u8);

impl StateCode {
    /// The state of a connection that has seen no packet.
    pub const NEW: StateCode = StateCode(0);
}

/// The three time-outs that user space may change, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// An established TCP connection.
    pub tcp: u32,
    /// A TCP connection in FIN_WAIT.
    pub tcp_fin: u32,
    /// UDP.
    pub udp: u32,
}

impl Timeouts {
    /// What a new namespace starts with.
    pub const DEFAULT: Timeouts = Timeouts {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The seconds that a connection lives after its first packet if no transition replaces them.
pub const INITIAL_TIMEOUT: u32 = 3;

/// Returns how many seconds a connection of `protocol` in `state` lives without a packet.
#[inline]
pub fn timeout(protocol: Protocol, state: StateCode, settings: &Timeouts) -> u32 {
    match protocol {
        Protocol::TCP => tcp::State::from_code(state).timeout(settings),
        _ => settings.udp,
    }
}

/// Returns whether a connection of `protocol` in `state` counts as active on its server.
pub fn is_active(protocol: Protocol, state: StateCode) -> bool {
    match protocol {
        Protocol::TCP => tcp::State::from_code(state).is_active(),
        _ => false,
    }
}

/// Returns the name of a state as listings show it.
pub fn state_name(protocol: Protocol, state: StateCode) -> &'static str {
    match protocol {
        Protocol::TCP => tcp::State::from_number(state.0).map_or("ERR!", tcp::State::name),
        Protocol::UDP => udp::state_name(state),
        Protocol::NONE => "NONE",
        _ => "ERR!",
    }
}

/// Returns whether packets of `protocol` may create connections.
pub fn is_scheduled(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP | Protocol::SCTP)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_proto))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn listings_name_states() {
        assert_eq!(state_name(Protocol::TCP, StateCode(0)), "NONE");
        assert_eq!(state_name(Protocol::TCP, StateCode(10)), "SYNACK");
        assert_eq!(state_name(Protocol::TCP, StateCode(11)), "ERR!");
        assert_eq!(state_name(Protocol::UDP, StateCode(0)), "UDP");
        assert_eq!(state_name(Protocol::UDP, StateCode(1)), "ERR!");
        assert_eq!(state_name(Protocol::NONE, StateCode(0)), "NONE");
        assert_eq!(state_name(Protocol(47), StateCode(0)), "ERR!");
    }

    #[test]
    fn only_the_three_settings_move_timeouts() {
        let settings = Timeouts {
            tcp: 1,
            tcp_fin: 7,
            udp: 9,
        };
        assert_eq!(timeout(Protocol::TCP, StateCode(1), &settings), 1);
        assert_eq!(timeout(Protocol::TCP, StateCode(4), &settings), 7);
        assert_eq!(timeout(Protocol::TCP, StateCode(5), &settings), 120);
        assert_eq!(timeout(Protocol::UDP, StateCode(0), &settings), 9);
    }

    #[test]
    fn udp_is_never_active() {
        assert!(!is_active(Protocol::UDP, StateCode(0)));
        assert!(!is_active(Protocol::UDP, StateCode(1)));
        assert!(is_active(Protocol::TCP, StateCode(1)));
    }
}
