// SPDX-License-Identifier: GPL-2.0
//! The TCP state machine of a balancer that may see only one direction.
//!
//! The tables are data, one row per present state, one column per event, so that they can be
//! compared with the specification at a glance. There are three directions because a director that
//! routes directly never sees what the real server answers.

use super::{StateCode, Timeouts};

/// The shortest header, in bytes.
pub const HEADER: usize = 20;

/// The state of a connection; the numbers are those of sync messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No packet was seen.
    None = 0,
    /// Data may flow.
    Established = 1,
    /// The real server opens a connection.
    SynSent = 2,
    /// The client opens a connection.
    SynRecv = 3,
    /// The real server (or, seen from one side, the client) closed its half.
    FinWait = 4,
    /// Both closed.
    TimeWait = 5,
    /// Reset or never open.
    Close = 6,
    /// The client closed its half.
    CloseWait = 7,
    /// Waits for the last acknowledgement.
    LastAck = 8,
    /// A listening socket: never reached by forwarding.
    Listen = 9,
    /// The handshake under secure_tcp, seen from one side.
    SynAck = 10,
}

impl State {
    /// All states in the order of their numbers.
    pub const ALL: [State; 11] = [
        State::None,
        State::Established,
        State::SynSent,
        State::SynRecv,
        State::FinWait,
        State::TimeWait,
        State::Close,
        State::CloseWait,
        State::LastAck,
        State::Listen,
        State::SynAck,
    ];

    /// Returns the state with a number of the ABI.
    pub fn from_number(number: u8) -> Option<State> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Returns the state of a code; what no TCP connection can have counts as [`State::None`].
    pub fn from_code(code: StateCode) -> State {
        Self::from_number(code.0).unwrap_or(State::None)
    }

    /// Returns the number of the state.
    pub const fn number(self) -> u8 {
        // The discriminants are the numbers of the ABI.
        self as u8
    }

    /// Returns the state as a code.
    pub const fn code(self) -> StateCode {
        StateCode(self.number())
    }

    /// Returns the name that listings show.
    pub fn name(self) -> &'static str {
        match self {
            State::None => "NONE",
            State::Established => "ESTABLISHED",
            State::SynSent => "SYN_SENT",
            State::SynRecv => "SYN_RECV",
            State::FinWait => "FIN_WAIT",
            State::TimeWait => "TIME_WAIT",
            State::Close => "CLOSE",
            State::CloseWait => "CLOSE_WAIT",
            State::LastAck => "LAST_ACK",
            State::Listen => "LISTEN",
            State::SynAck => "SYNACK",
        }
    }

    /// Returns whether the connection counts as active on its server.
    pub fn is_active(self) -> bool {
        matches!(
            self,
            State::Established | State::SynSent | State::SynRecv | State::SynAck
        )
    }

    /// Returns how many seconds the connection lives without a packet.
    pub fn timeout(self, settings: &Timeouts) -> u32 {
        match self {
            State::None => 2,
            State::Established => settings.tcp,
            State::FinWait => settings.tcp_fin,
            State::SynRecv | State::CloseWait => 60,
            State::Close => 10,
            State::LastAck => 30,
            State::SynSent | State::TimeWait | State::Listen | State::SynAck => 120,
        }
    }
}

/// What a packet means to the machine, in the order of the tables' columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Opens.
    Syn,
    /// Closes one half.
    Fin,
    /// Anything else with an acknowledgement.
    Ack,
    /// Resets.
    Rst,
    /// None of the four flags: a packet no sane peer sends. It has no column.
    None,
}

/// The FIN bit of the flags byte.
pub const FLAG_FIN: u8 = 0x01;
/// The SYN bit of the flags byte.
pub const FLAG_SYN: u8 = 0x02;
/// The RST bit of the flags byte.
pub const FLAG_RST: u8 = 0x04;
/// The ACK bit of the flags byte.
pub const FLAG_ACK: u8 = 0x10;

impl Event {
    /// Returns what the flags byte of a TCP header means: a reset outweighs everything, opening
    /// outweighs closing.
    pub fn from_flags(flags: u8) -> Event {
        if flags & FLAG_RST != 0 {
            Event::Rst
        } else if flags & FLAG_SYN != 0 {
            Event::Syn
        } else if flags & FLAG_FIN != 0 {
            Event::Fin
        } else if flags & FLAG_ACK != 0 {
            Event::Ack
        } else {
            Event::None
        }
    }
}

/// Which part of the table applies to a packet, in the order of the parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// From the client; both directions are seen.
    Input,
    /// From the real server.
    Output,
    /// From the client; nothing of the server was seen yet.
    InputOnly,
}

/// How wary the machine is (`secure_tcp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The normal table.
    Normal,
    /// The table under attack: an established state takes an answer of the server.
    Secure,
}

/// Which first packets may create a connection (`sloppy_tcp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// Only those that open one.
    Strict,
    /// All but resets.
    Sloppy,
}

/// Returns whether a packet with this flags byte may create a connection.
pub fn may_create(flags: u8, rule: Creation) -> bool {
    match Event::from_flags(flags) {
        Event::Rst => false,
        Event::Syn => true,
        Event::Fin | Event::Ack | Event::None => rule == Creation::Sloppy,
    }
}

/// Returns whether a packet with this flags byte asks for a new connection.
///
/// A reset counts if it carries SYN too: the test is on the bit alone.
pub fn is_opening(flags: u8) -> bool {
    flags & FLAG_SYN != 0
}

/// The four columns of one direction: SYN, FIN, ACK, RST.
type Row = [State; 4];
/// The columns of input, output and input-only for one present state.
type Rows = [Row; 3];

use State::{
    Close as CL, CloseWait as CW, Established as ES, FinWait as FW, LastAck as LA, Listen as LI,
    None as NO, SynAck as SA, SynRecv as SR, SynSent as SS, TimeWait as TW,
};

/// Rows: present state. Columns: input, output, input only, each SYN, FIN, ACK, RST.
#[rustfmt::skip]
const NORMAL: [(State, Rows); 11] = [
    (NO, [[SR, CL, ES, CL], [SS, TW, ES, CL], [SR, CL, ES, CL]]),
    (ES, [[ES, CW, ES, CL], [ES, FW, ES, CL], [ES, FW, ES, CL]]),
    (SS, [[ES, SS, SS, CL], [SS, SS, SS, SS], [ES, SS, SS, CL]]),
    (SR, [[SR, TW, ES, SR], [SR, TW, ES, CL], [SR, TW, ES, SR]]),
    (FW, [[SR, TW, FW, CL], [SS, FW, FW, CL], [SR, FW, FW, CL]]),
    (TW, [[SR, TW, TW, CL], [SS, TW, TW, TW], [SR, TW, TW, CL]]),
    (CL, [[SR, CL, CL, CL], [SS, CL, CL, CL], [SR, CL, CL, CL]]),
    (CW, [[SR, CW, CW, CL], [SS, TW, CW, CL], [SR, CW, CW, CL]]),
    (LA, [[SR, LA, CL, LA], [SS, LA, LA, CL], [SR, LA, CL, LA]]),
    (LI, [[SR, LI, LI, LI], [LI, LI, ES, CL], [SR, LI, LI, LI]]),
    (SA, [[SR, TW, ES, SR], [SR, TW, ES, CL], [SR, TW, ES, CL]]),
];

/// The same under secure_tcp.
#[rustfmt::skip]
const SECURE: [(State, Rows); 11] = [
    (NO, [[SR, CL, ES, CL], [SS, TW, ES, CL], [SA, CL, ES, CL]]),
    (ES, [[ES, CW, ES, CL], [ES, FW, ES, CL], [ES, FW, ES, CL]]),
    (SS, [[ES, SS, SS, CL], [SS, SS, SS, SS], [ES, SS, SS, CL]]),
    (SR, [[SR, TW, SR, SR], [SA, TW, ES, CL], [SR, TW, ES, SR]]),
    (FW, [[SR, TW, FW, CL], [SS, FW, FW, CL], [SA, FW, FW, CL]]),
    (TW, [[SR, TW, TW, CL], [SS, TW, TW, TW], [SA, TW, TW, CL]]),
    (CL, [[SR, CL, CL, CL], [SS, CL, CL, CL], [SA, CL, CL, CL]]),
    (CW, [[SR, CW, CW, CL], [SS, TW, CW, CL], [SA, CW, CW, CL]]),
    (LA, [[SR, LA, CL, LA], [SS, LA, LA, CL], [SA, LA, CL, LA]]),
    (LI, [[SR, LI, LI, LI], [LI, LI, ES, CL], [SA, LI, LI, LI]]),
    (SA, [[SA, SA, SA, CL], [SA, TW, ES, CL], [SA, TW, ES, CL]]),
];

impl State {
    /// Returns the state after a packet.
    ///
    /// A packet without any of the four flags closes.
    pub fn next(self, table: Table, event: Event, guard: Guard) -> State {
        let states = match guard {
            Guard::Normal => &NORMAL,
            Guard::Secure => &SECURE,
        };
        // The discriminants are the places in the tables.
        let (state, table, event) = (self as usize, table as usize, event as usize);
        let rows = states.get(state).map(|(_, rows)| rows);
        let row = rows.and_then(|rows| rows.get(table));
        row.and_then(|row| row.get(event))
            .map_or(State::Close, |state| *state)
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_proto_tcp))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_numbers() {
        assert!(in_order(&NORMAL));
        assert!(in_order(&SECURE));
        assert!(State::ALL
            .iter()
            .all(|state| State::from_number(state.number()) == Some(*state)));
    }

    #[test]
    fn handshake_and_close_seen_from_both_sides() {
        let walk = [
            (Table::Input, Event::Syn, SR),
            (Table::Output, Event::Syn, SR),
            (Table::Input, Event::Ack, ES),
            (Table::Input, Event::Fin, CW),
            (Table::Output, Event::Fin, TW),
        ];
        assert!(walks(&walk, Guard::Normal));
    }

    #[test]
    fn handshake_and_close_seen_from_one_side() {
        let walk = [
            (Table::InputOnly, Event::Syn, SR),
            (Table::InputOnly, Event::Ack, ES),
            (Table::InputOnly, Event::Fin, FW),
            (Table::InputOnly, Event::Ack, FW),
            (Table::InputOnly, Event::Rst, CL),
        ];
        assert!(walks(&walk, Guard::Normal));
    }

    #[test]
    fn secure_table_waits_for_the_server() {
        let walk = [
            (Table::Input, Event::Syn, SR),
            (Table::Input, Event::Ack, SR),
            (Table::Output, Event::Syn, SA),
            (Table::Output, Event::Ack, ES),
        ];
        assert!(walks(&walk, Guard::Secure));
    }

    #[test]
    fn packet_without_flags_closes() {
        assert_eq!(
            ES.next(Table::Input, Event::None, Guard::Normal),
            State::Close
        );
    }

    #[test]
    fn reset_outweighs_syn_outweighs_fin_outweighs_ack() {
        assert_eq!(Event::from_flags(0xff), Event::Rst);
        assert_eq!(Event::from_flags(0xfb), Event::Syn);
        assert_eq!(Event::from_flags(0xf9), Event::Fin);
        assert_eq!(Event::from_flags(0xf8), Event::Ack);
        assert_eq!(Event::from_flags(0xe8), Event::None);
    }

    #[test]
    fn only_syn_creates_unless_sloppy() {
        assert!(may_create(FLAG_SYN, Creation::Strict));
        assert!(may_create(FLAG_SYN | FLAG_ACK, Creation::Strict));
        assert!(!may_create(FLAG_ACK, Creation::Strict));
        assert!(may_create(FLAG_ACK, Creation::Sloppy));
        assert!(may_create(0, Creation::Sloppy));
        assert!(!may_create(FLAG_RST | FLAG_SYN, Creation::Sloppy));
    }

    #[test]
    fn syn_alone_or_not_asks_for_a_new_connection() {
        assert!(is_opening(FLAG_SYN) && is_opening(FLAG_SYN | FLAG_ACK | FLAG_RST));
        assert!(!is_opening(FLAG_ACK | FLAG_FIN | FLAG_RST));
    }

    #[test]
    fn active_states_are_four() {
        assert!(State::ALL.iter().filter(|state| state.is_active()).count() == 4);
        assert!(ES.is_active() && SS.is_active() && SR.is_active() && SA.is_active());
    }

    fn in_order(table: &[(State, Rows)]) -> bool {
        table
            .iter()
            .map(|(state, _)| *state)
            .eq(State::ALL.iter().copied())
    }

    fn walks(steps: &[(Table, Event, State)], guard: Guard) -> bool {
        let mut state = NO;
        steps.iter().all(|(table, event, expected)| {
            state = state.next(*table, *event, guard);
            state == *expected
        })
    }
}
