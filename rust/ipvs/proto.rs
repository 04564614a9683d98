// SPDX-License-Identifier: GPL-2.0
//! The table of transport protocols: what differs between them, one row each.
//!
//! A row is a variant of [`Transport`] with a file of its own; every question is one exhaustive
//! `match` here. States and events are opaque to everything else.

use crate::addr::{Addr, Family, Protocol};
use crate::conn::state::ConnState;
use crate::flow::Flow;
use crate::packet::Header;

mod ipsec;
pub mod sctp;
mod states;
pub mod tcp;
pub mod udp;

pub use states::Transitions;

/// A transport protocol whose packets belong to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Transport {
    /// TCP.
    Tcp = 6,
    /// UDP.
    Udp = 17,
    /// SCTP.
    Sctp = 132,
}

/// What packets of an IP protocol are to a director.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// They belong to connections.
    Transport(Transport),
    /// They may be errors about packets that belong to connections.
    Icmp,
    /// They have no ports, and follow the connection of another protocol between the same hosts.
    Follower,
    /// They never belong to connections.
    Other,
}

impl Role {
    /// Returns the role of a protocol's packets of a family: each has an ICMP of its own.
    #[inline]
    pub const fn of(family: Family, protocol: Protocol) -> Role {
        if let Some(transport) = Transport::of(protocol) {
            return Role::Transport(transport);
        }
        match (family, protocol) {
            (Family::V4, Protocol::ICMP) | (Family::V6, Protocol::ICMPV6) => Role::Icmp,
            (Family::V4 | Family::V6, Protocol::AH | Protocol::ESP) => Role::Follower,
            (Family::V4 | Family::V6, Protocol(_)) => Role::Other,
        }
    }

    /// Returns whether a fragment is put together with the others before anything else.
    ///
    /// Only the first one shows the ports.
    pub const fn needs_whole(self) -> bool {
        match self {
            Role::Transport(_) | Role::Icmp => true,
            Role::Follower | Role::Other => false,
        }
    }
}

/// Returns the flow of the connection that packets of a [`Role::Follower`] between two hosts follow.
pub const fn leader(source: Addr, dest: Addr) -> Flow {
    ipsec::leader(source, dest)
}

/// Which way a packet of a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the virtual service.
    Original,
    /// From the real server to the client.
    Reply,
}

/// A state of some protocol's machine, as a number: small enough for a packed word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateCode(pub u8);

impl StateCode {
    /// The state of a connection that has seen no packet.
    pub const NEW: StateCode = StateCode(0);
}

/// What a packet says to the state machine of its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which way it goes.
    pub direction: Direction,
    /// Its transport header.
    pub header: Header,
    /// How wary the machine is.
    pub guard: Guard,
}

/// How wary state machines are (`secure_tcp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// As in normal times.
    Normal,
    /// As under attack: an established state takes an answer of the server.
    Secure,
}

/// What `drop_entry` does with an entry that it meets and no other depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It stays.
    Stay,
    /// It goes.
    Go,
    /// It is sampled: see [`crate::defence::Lots`].
    Sample,
}

/// Which first packets may create a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Creation {
    /// For TCP, all but resets (`sloppy_tcp`), else only those that open one.
    pub sloppy_tcp: bool,
    /// For SCTP, all but aborts (`sloppy_sctp`), else only those that open one.
    pub sloppy_sctp: bool,
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

/// The protocol that services chosen by firewall mark show, and under which the templates of a mark
/// are found.
pub const OF_MARKS: Transport = Transport::Tcp;

/// The protocol that templates of services chosen by firewall mark show.
pub const OF_TEMPLATES_OF_MARKS: Protocol = Protocol::NONE;

/// What listings show for a state that a protocol does not have.
const UNKNOWN: &str = "ERR!";

impl Transport {
    /// Returns the row of a protocol, if it has one.
    #[inline]
    pub const fn of(protocol: Protocol) -> Option<Transport> {
        match protocol {
            Protocol::TCP => Some(Transport::Tcp),
            Protocol::UDP => Some(Transport::Udp),
            Protocol::SCTP => Some(Transport::Sctp),
            Protocol(_) => None,
        }
    }

    /// Returns the number of the protocol.
    pub const fn protocol(self) -> Protocol {
        // The discriminants are the numbers.
        Protocol(self as u8)
    }

    /// Returns whether its headers begin with a source and a destination port.
    pub const fn has_ports(self) -> bool {
        match self {
            Transport::Tcp | Transport::Udp | Transport::Sctp => true,
        }
    }

    /// Returns whether a packet with this header may be the first of a connection.
    pub fn may_create(self, header: Header, rule: Creation) -> bool {
        match self {
            Transport::Tcp => tcp::may_create(header, rule),
            Transport::Udp => true,
            Transport::Sctp => sctp::may_create(header, rule),
        }
    }

    /// Returns whether a packet with this header ends a connection at once, so that no error is sent
    /// about it.
    pub const fn is_abort(self, header: Header) -> bool {
        match self {
            Transport::Tcp => tcp::is_abort(header),
            Transport::Udp => false,
            Transport::Sctp => sctp::is_abort(header),
        }
    }

    /// Returns whether a service may make each packet a connection of its own.
    pub const fn can_be_one_packet(self) -> bool {
        match self {
            Transport::Tcp | Transport::Sctp => false,
            Transport::Udp => true,
        }
    }

    /// Returns whether a packet with this header asks for a new connection although there is one.
    #[inline]
    pub const fn is_opening(self, header: Header) -> bool {
        match self {
            Transport::Tcp => tcp::is_opening(header),
            Transport::Udp => false,
            Transport::Sctp => sctp::is_opening(header),
        }
    }

    /// Returns whether a connection is so far over that its client may take the port again.
    ///
    /// `reuse_mode` is the setting `conn_reuse_mode`.
    #[inline]
    pub const fn is_over(self, conn: ConnState, reuse_mode: i32) -> bool {
        match self {
            Transport::Tcp => tcp::is_over(conn, reuse_mode),
            Transport::Udp => false,
            Transport::Sctp => sctp::is_over(conn, reuse_mode),
        }
    }

    /// Returns the state and the flags of a connection after a packet.
    #[inline]
    pub fn next(self, conn: ConnState, event: &Event) -> ConnState {
        match self {
            Transport::Tcp => tcp::next(conn, event),
            Transport::Udp => conn,
            Transport::Sctp => sctp::next(conn, event),
        }
    }

    /// Returns whether a packet that took a connection from the state `old` to `new` shows that both
    /// sides want it: it assures the connection's template.
    #[inline(always)]
    pub fn assures(self, old: StateCode, new: StateCode, direction: Direction) -> bool {
        match self {
            Transport::Tcp => old != new && new == tcp::State::Established.code(),
            Transport::Udp => direction == Direction::Reply,
            Transport::Sctp => old != new && new == sctp::State::Established.code(),
        }
    }

    /// Returns what becomes of a connection in `state` that `drop_entry` meets.
    pub const fn judge(self, state: StateCode) -> Judgement {
        match self {
            Transport::Tcp => tcp::State::from_code(state).judge(),
            Transport::Udp => Judgement::Sample,
            Transport::Sctp => sctp::State::from_code(state).judge(),
        }
    }

    /// Returns how many seconds a connection in `state` lives without a packet.
    #[inline]
    pub fn timeout(self, state: StateCode, settings: &Timeouts) -> u32 {
        match self {
            Transport::Tcp => tcp::State::from_code(state).timeout(settings),
            Transport::Udp => settings.udp,
            Transport::Sctp => sctp::State::from_code(state).timeout(),
        }
    }

    /// Returns the name of a state as listings show it.
    pub fn state_name(self, state: StateCode) -> &'static str {
        match self {
            Transport::Tcp => tcp::State::from_number(state.0).map_or(UNKNOWN, tcp::State::name),
            Transport::Udp => udp::state_name(state).unwrap_or(UNKNOWN),
            Transport::Sctp => sctp::State::from_number(state.0).map_or(UNKNOWN, sctp::State::name),
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_proto))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_number_of_its_protocol() {
        for protocol in [Protocol::TCP, Protocol::UDP, Protocol::SCTP] {
            assert_eq!(
                Transport::of(protocol).map(Transport::protocol),
                Some(protocol)
            );
        }
        let rows = (0..=u8::MAX).filter(|number| Transport::of(Protocol(*number)).is_some());
        assert_eq!(rows.count(), 3);
    }

    #[test]
    fn fragments_are_put_together_where_ports_are_looked_for() {
        for family in [Family::V4, Family::V6] {
            for protocol in [Protocol::TCP, Protocol::UDP, Protocol::SCTP] {
                assert!(Role::of(family, protocol).needs_whole());
            }
            for protocol in [Protocol::AH, Protocol::ESP, Protocol(47)] {
                assert!(!Role::of(family, protocol).needs_whole());
            }
            assert_eq!(Role::of(family, Protocol::ESP), Role::Follower);
            assert_eq!(Role::of(family, Protocol(47)), Role::Other);
        }
        assert!(Role::Icmp.needs_whole());
    }

    #[test]
    fn each_family_has_its_own_icmp() {
        for (family, own, other) in [
            (Family::V4, Protocol::ICMP, Protocol::ICMPV6),
            (Family::V6, Protocol::ICMPV6, Protocol::ICMP),
        ] {
            assert_eq!(Role::of(family, own), Role::Icmp);
            assert_eq!(Role::of(family, other), Role::Other);
        }
    }

    #[test]
    fn no_error_answers_what_ends_a_connection() {
        use crate::packet::tcp::Flags;
        let tcp = |flags| Transport::Tcp.is_abort(Header::Tcp(flags));
        assert!(tcp(Flags::RST) && !tcp(Flags::SYN));
        for transport in [Transport::Tcp, Transport::Udp, Transport::Sctp] {
            assert!(!transport.is_abort(Header::Missing));
        }
    }

    #[test]
    fn only_datagrams_are_connections_of_their_own() {
        assert!(Transport::Udp.can_be_one_packet() && !Transport::Tcp.can_be_one_packet());
    }

    #[test]
    fn listings_name_states() {
        let name = |transport: Transport, state| transport.state_name(StateCode(state));
        assert_eq!(name(Transport::Tcp, 0), "NONE");
        assert_eq!(name(Transport::Tcp, 10), "SYNACK");
        assert_eq!(name(Transport::Tcp, 11), "ERR!");
        assert_eq!(name(Transport::Udp, 0), "UDP");
        assert_eq!(name(Transport::Udp, 1), "ERR!");
        assert_eq!(name(Transport::Sctp, 13), "CLOSED");
        assert_eq!(name(Transport::Sctp, 14), "ERR!");
    }

    #[test]
    fn only_the_three_settings_move_timeouts() {
        let settings = Timeouts {
            tcp: 1,
            tcp_fin: 7,
            udp: 9,
        };
        let timeout = |transport: Transport, state| transport.timeout(StateCode(state), &settings);
        assert_eq!(timeout(Transport::Tcp, 1), 1);
        assert_eq!(timeout(Transport::Tcp, 4), 7);
        assert_eq!(timeout(Transport::Tcp, 5), 120);
        assert_eq!(timeout(Transport::Udp, 0), 9);
        assert_eq!(timeout(Transport::Sctp, 8), 900);
    }
}
