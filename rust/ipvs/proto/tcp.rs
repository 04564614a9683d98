// SPDX-License-Identifier: GPL-2.0
//! The TCP state machine of a balancer that may see only one direction.
//!
//! The tables are data, one row per present state, one column per event, so that they can be
//! compared with the specification at a glance. There are three directions because a director that
//! routes directly never sees what the real server answers.

use super::states::{states, Transitions};
use super::{Creation, Event, Guard, Judgement, StateCode, Timeouts};
use crate::conn::state::{Activity, ConnState};
use crate::packet::tcp::Flags;
use crate::packet::Header;

states! {
    /// No packet was seen.
    None = 0, "NONE";
    /// Data may flow.
    Established = 1, "ESTABLISHED";
    /// The real server opens a connection.
    SynSent = 2, "SYN_SENT";
    /// The client opens a connection.
    SynRecv = 3, "SYN_RECV";
    /// The real server (or, seen from one side, the client) closed its half.
    FinWait = 4, "FIN_WAIT";
    /// Both closed.
    TimeWait = 5, "TIME_WAIT";
    /// Reset or never open.
    Close = 6, "CLOSE";
    /// The client closed its half.
    CloseWait = 7, "CLOSE_WAIT";
    /// Waits for the last acknowledgement.
    LastAck = 8, "LAST_ACK";
    /// A listening socket: never reached by forwarding.
    Listen = 9, "LISTEN";
    /// The handshake under secure_tcp, seen from one side.
    SynAck = 10, "SYNACK";
}

impl State {
    /// Returns whether the connection counts as active on its server.
    pub const fn activity(self) -> Activity {
        match self {
            State::Established | State::SynSent | State::SynRecv | State::SynAck => {
                Activity::Active
            }
            State::None
            | State::FinWait
            | State::TimeWait
            | State::Close
            | State::CloseWait
            | State::LastAck
            | State::Listen => Activity::Inactive,
        }
    }

    /// Returns what becomes of a connection that `drop_entry` meets: half open it goes.
    pub const fn judge(self) -> Judgement {
        match self {
            State::SynRecv | State::SynAck => Judgement::Go,
            State::Established => Judgement::Sample,
            State::None
            | State::SynSent
            | State::FinWait
            | State::TimeWait
            | State::Close
            | State::CloseWait
            | State::LastAck
            | State::Listen => Judgement::Stay,
        }
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

/// The flag that decides what a packet means, in the order of the tables' columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Opens.
    Syn,
    /// Closes one half.
    Fin,
    /// Anything else with an acknowledgement.
    Ack,
    /// Resets.
    Rst,
    /// None of the four: a packet no sane peer sends. It has no column.
    None,
}

impl Flag {
    /// Returns the flag that decides: a reset outweighs everything, opening outweighs closing.
    pub const fn of(flags: Flags) -> Flag {
        if flags.has(Flags::RST) {
            Flag::Rst
        } else if flags.has(Flags::SYN) {
            Flag::Syn
        } else if flags.has(Flags::FIN) {
            Flag::Fin
        } else if flags.has(Flags::ACK) {
            Flag::Ack
        } else {
            Flag::None
        }
    }
}

/// Returns the flags of a header; none for that of another protocol.
#[inline]
const fn flags(header: Header) -> Flags {
    match header {
        Header::Tcp(flags) => flags,
        Header::Udp { .. }
        | Header::Sctp(_)
        | Header::Icmp { .. }
        | Header::Missing
        | Header::Other => Flags(0),
    }
}

/// Returns whether a packet may create a connection.
pub(super) fn may_create(header: Header, rule: Creation) -> bool {
    match Flag::of(flags(header)) {
        Flag::Rst => false,
        Flag::Syn => true,
        Flag::Fin | Flag::Ack | Flag::None => rule.sloppy_tcp,
    }
}

/// Returns whether a packet asks for a new connection.
///
/// A reset counts if it carries SYN too: the test is on the bit alone.
#[inline]
pub(super) const fn is_opening(header: Header) -> bool {
    flags(header).has(Flags::SYN)
}

/// Returns whether a packet resets its connection.
pub(super) const fn is_abort(header: Header) -> bool {
    flags(header).has(Flags::RST)
}

/// Returns whether the client is free to take the port of a connection again.
#[inline(never)]
pub(super) const fn is_over(conn: ConnState, reuse_mode: i32) -> bool {
    if reuse_mode == 0 {
        return false;
    }
    match State::from_code(conn.state) {
        State::TimeWait | State::Close => true,
        // Seen from one side only, the server's half may have been closed long ago.
        State::FinWait => reuse_mode & 2 != 0 && conn.has_no_output(),
        State::None
        | State::Established
        | State::SynSent
        | State::SynRecv
        | State::CloseWait
        | State::LastAck
        | State::Listen
        | State::SynAck => false,
    }
}

/// Returns the state and the flags of a connection after a packet.
#[inline(never)]
pub(super) fn next(conn: ConnState, event: &Event) -> ConnState {
    let (table, conn) = Transitions::of(conn, event.direction);
    let old = State::from_code(conn.state);
    let new = old.next(table, Flag::of(flags(event.header)), event.guard);
    if new.code() == conn.state {
        return conn;
    }
    conn.moved(new.code(), new.activity())
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
    pub fn next(self, table: Transitions, flag: Flag, guard: Guard) -> State {
        let states = match guard {
            Guard::Normal => &NORMAL,
            Guard::Secure => &SECURE,
        };
        // The discriminants are the places in the tables.
        let (state, table, flag) = (self as usize, table as usize, flag as usize);
        let rows = states.get(state).map(|(_, rows)| rows);
        let row = rows.and_then(|rows| rows.get(table));
        row.and_then(|row| row.get(flag))
            .map_or(State::Close, |state| *state)
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_proto_tcp))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::flags::conn::{INACTIVE, NO_OUTPUT};
    use crate::proto::Direction;
    use crate::xmit::Method;

    #[test]
    fn rows_are_in_the_order_of_the_numbers() {
        assert!(in_order(&NORMAL));
        assert!(in_order(&SECURE));
        assert!(State::ALL
            .iter()
            .all(|state| State::from_code(state.code()) == *state));
    }

    #[test]
    fn handshake_and_close_seen_from_both_sides() {
        let walk = [
            (Transitions::Input, Flag::Syn, SR),
            (Transitions::Output, Flag::Syn, SR),
            (Transitions::Input, Flag::Ack, ES),
            (Transitions::Input, Flag::Fin, CW),
            (Transitions::Output, Flag::Fin, TW),
        ];
        assert!(walks(&walk, Guard::Normal));
    }

    #[test]
    fn handshake_and_close_seen_from_one_side() {
        let walk = [
            (Transitions::InputOnly, Flag::Syn, SR),
            (Transitions::InputOnly, Flag::Ack, ES),
            (Transitions::InputOnly, Flag::Fin, FW),
            (Transitions::InputOnly, Flag::Ack, FW),
            (Transitions::InputOnly, Flag::Rst, CL),
        ];
        assert!(walks(&walk, Guard::Normal));
    }

    #[test]
    fn secure_table_waits_for_the_server() {
        let walk = [
            (Transitions::Input, Flag::Syn, SR),
            (Transitions::Input, Flag::Ack, SR),
            (Transitions::Output, Flag::Syn, SA),
            (Transitions::Output, Flag::Ack, ES),
        ];
        assert!(walks(&walk, Guard::Secure));
    }

    #[test]
    fn packet_without_flags_closes() {
        assert_eq!(
            ES.next(Transitions::Input, Flag::None, Guard::Normal),
            State::Close
        );
    }

    #[test]
    fn reset_outweighs_syn_outweighs_fin_outweighs_ack() {
        let flag = |flags| Flag::of(Flags(flags));
        assert_eq!(flag(0xff), Flag::Rst);
        assert_eq!(flag(0xfb), Flag::Syn);
        assert_eq!(flag(0xf9), Flag::Fin);
        assert_eq!(flag(0xf8), Flag::Ack);
        assert_eq!(flag(0xe8), Flag::None);
    }

    #[test]
    fn only_syn_creates_unless_sloppy() {
        let strict = |flags| may_create(header(flags), rule(false));
        let sloppy = |flags| may_create(header(flags), rule(true));
        assert!(strict(SYN) && strict(SYN | ACK) && !strict(ACK));
        assert!(sloppy(ACK) && sloppy(0) && !sloppy(RST | SYN));
    }

    #[test]
    fn syn_alone_or_not_asks_for_a_new_connection() {
        assert!(is_opening(header(SYN)) && is_opening(header(SYN | ACK | RST)));
        assert!(!is_opening(header(ACK | FIN | RST)));
    }

    #[test]
    fn active_states_are_four() {
        let is_active = |state: &&State| state.activity() == Activity::Active;
        assert!(State::ALL.iter().filter(is_active).count() == 4);
        assert!([ES, SS, SR, SA].iter().all(|state| is_active(&state)));
    }

    #[test]
    fn opening_makes_active_and_closing_inactive() {
        let open = next(ConnState::new(Method::Nat, 0), &seen(SYN));
        assert_eq!(open.state, SR.code());
        assert!(open.is_active());
        let closed = next(open, &seen(FIN));
        assert_eq!(closed.state, TW.code());
        assert!(!closed.is_active());
    }

    #[test]
    fn packet_that_changes_no_state_changes_no_activity() {
        let open = ConnState {
            state: ES.code(),
            flags: INACTIVE,
        };
        assert_eq!(next(open, &seen(ACK)), open);
    }

    #[test]
    fn reply_of_the_server_ends_input_only() {
        let direct = ConnState::new(Method::Direct, 0);
        let reply = Event {
            direction: Direction::Reply,
            ..seen(ACK)
        };
        assert!(direct.has_no_output());
        assert!(!next(direct, &reply).has_no_output());
    }

    #[test]
    fn input_only_guesses_the_servers_fin() {
        let open = ConnState {
            state: ES.code(),
            flags: NO_OUTPUT,
        };
        assert_eq!(next(open, &seen(FIN)).state, FW.code());
    }

    #[test]
    fn port_is_free_after_the_end() {
        for state in State::ALL {
            let conn = ConnState {
                state: state.code(),
                flags: 0,
            };
            assert_eq!(is_over(conn, 1), state == TW || state == CL);
            assert!(!is_over(conn, 0));
        }
    }

    #[test]
    fn mode_two_frees_the_port_of_a_half_seen_fin_wait() {
        let seen = ConnState {
            state: FW.code(),
            flags: 0,
        };
        let half_seen = ConnState {
            flags: NO_OUTPUT,
            ..seen
        };
        assert!(!is_over(seen, 2) && is_over(half_seen, 2) && !is_over(half_seen, 1));
    }

    const FIN: u8 = Flags::FIN.0;
    const SYN: u8 = Flags::SYN.0;
    const RST: u8 = Flags::RST.0;
    const ACK: u8 = Flags::ACK.0;

    fn header(flags: u8) -> Header {
        Header::Tcp(Flags(flags))
    }

    fn rule(sloppy_tcp: bool) -> Creation {
        Creation {
            sloppy_tcp,
            sloppy_sctp: !sloppy_tcp,
        }
    }

    fn seen(flags: u8) -> Event {
        Event {
            direction: Direction::Original,
            header: header(flags),
            guard: Guard::Normal,
        }
    }

    fn in_order(table: &[(State, Rows)]) -> bool {
        table
            .iter()
            .map(|(state, _)| *state)
            .eq(State::ALL.iter().copied())
    }

    fn walks(steps: &[(Transitions, Flag, State)], guard: Guard) -> bool {
        let mut state = NO;
        steps.iter().all(|(table, flag, expected)| {
            state = state.next(*table, *flag, guard);
            state == *expected
        })
    }
}
