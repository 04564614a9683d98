// SPDX-License-Identifier: GPL-2.0
//! The SCTP state machine of a balancer that may see only one direction.
//!
//! The tables are data, one row per present state, one column per event, so that they can be
//! compared with the specification at a glance. There are three directions because a director that
//! routes directly never sees what the real server answers.

use super::states::{states, Transitions};
use super::{Creation, Event, Judgement, StateCode};
use crate::conn::state::{Activity, ConnState};
use crate::packet::sctp::Chunk;
use crate::packet::Header;

states! {
    /// No packet was seen.
    None = 0, "NONE";
    /// The client opens an association.
    Init1 = 1, "INIT1";
    /// It does so again.
    Init = 2, "INIT";
    /// The real server sent its cookie.
    CookieSent = 3, "C-SENT";
    /// The client sent the cookie back without having been seen to get it.
    CookieReplied = 4, "C-REPLIED";
    /// The real server opens an association.
    CookieWait = 5, "C-WAIT";
    /// The client sent its cookie.
    Cookie = 6, "COOKIE";
    /// The real server sent the client's cookie back, or will be sent its own.
    CookieEchoed = 7, "C-ECHOED";
    /// Data may flow.
    Established = 8, "ESTABLISHED";
    /// The real server closes.
    ShutdownSent = 9, "S-SENT";
    /// The client closes.
    ShutdownReceived = 10, "S-RECEIVED";
    /// The real server closed as well.
    ShutdownAckSent = 11, "S-ACK-SENT";
    /// Refused by the end that it was opened to.
    Rejected = 12, "REJECTED";
    /// Over, or never open.
    Closed = 13, "CLOSED";
}

impl State {
    /// Returns whether the connection counts as active on its server.
    pub const fn activity(self) -> Activity {
        match self {
            State::Established => Activity::Active,
            State::None
            | State::Init1
            | State::Init
            | State::CookieSent
            | State::CookieReplied
            | State::CookieWait
            | State::Cookie
            | State::CookieEchoed
            | State::ShutdownSent
            | State::ShutdownReceived
            | State::ShutdownAckSent
            | State::Rejected
            | State::Closed => Activity::Inactive,
        }
    }

    /// Returns what becomes of a connection that `drop_entry` meets: half open it goes.
    pub const fn judge(self) -> Judgement {
        match self {
            State::Init1 | State::Init => Judgement::Go,
            State::Established => Judgement::Sample,
            State::None
            | State::CookieSent
            | State::CookieReplied
            | State::CookieWait
            | State::Cookie
            | State::CookieEchoed
            | State::ShutdownSent
            | State::ShutdownReceived
            | State::ShutdownAckSent
            | State::Rejected
            | State::Closed => Judgement::Stay,
        }
    }

    /// Returns how many seconds the connection lives without a packet; no setting changes them.
    pub const fn timeout(self) -> u32 {
        match self {
            State::None => 2,
            State::Init1 | State::Rejected => 4,
            State::Established => 900,
            State::Init
            | State::CookieSent
            | State::CookieReplied
            | State::CookieWait
            | State::Cookie
            | State::CookieEchoed
            | State::ShutdownSent
            | State::ShutdownReceived
            | State::ShutdownAckSent
            | State::Closed => 61,
        }
    }
}

/// Returns what the chunks of a header say; nothing for that of another protocol.
const fn said(header: Header) -> Chunk {
    match header {
        Header::Sctp(chunks) => chunks.said,
        Header::Tcp(_)
        | Header::Udp { .. }
        | Header::Icmp { .. }
        | Header::Missing
        | Header::Other => Chunk::Missing,
    }
}

/// Returns whether a packet may create a connection.
pub(super) fn may_create(header: Header, rule: Creation) -> bool {
    match said(header) {
        Chunk::Init => true,
        Chunk::Missing | Chunk::Abort => false,
        Chunk::Data
        | Chunk::InitAck
        | Chunk::Shutdown
        | Chunk::ShutdownAck
        | Chunk::Error
        | Chunk::CookieEcho
        | Chunk::CookieAck
        | Chunk::ShutdownComplete
        | Chunk::CookieAbort => rule.sloppy_sctp,
    }
}

/// Returns whether a packet asks for a new connection.
pub(super) const fn is_opening(header: Header) -> bool {
    matches!(said(header), Chunk::Init)
}

/// Returns whether a packet begins with the end of its connection.
pub(super) const fn is_abort(header: Header) -> bool {
    matches!(said(header), Chunk::Abort)
}

/// Returns whether the client is free to take the port of a connection again.
pub(super) const fn is_over(conn: ConnState, reuse_mode: i32) -> bool {
    reuse_mode != 0 && matches!(State::from_code(conn.state), State::Closed)
}

/// Returns the state and the flags of a connection after a packet.
#[inline(never)]
pub(super) fn next(conn: ConnState, event: &Event) -> ConnState {
    let (table, conn) = Transitions::of(conn, event.direction);
    let new = State::from_code(conn.state).next(table, said(event.header));
    if new.code() == conn.state {
        return conn;
    }
    conn.moved(new.code(), new.activity())
}

/// The states after each event: DATA, INIT, INIT_ACK, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN,
/// SHUTDOWN_ACK, SHUTDOWN_COMPLETE, ERROR, ABORT.
type Row = [State; 10];
/// One row for each present state.
type Rows = [(State, Row); 14];

use State::{
    Closed as CL, Cookie as CO, CookieEchoed as CE, CookieReplied as CR, CookieSent as CS,
    CookieWait as CW, Established as ES, Init as IN, Init1 as I1, None as NO, Rejected as RJ,
    ShutdownAckSent as SA, ShutdownReceived as SR, ShutdownSent as SS,
};

/// From the client; both directions are seen.
#[rustfmt::skip]
const INPUT: Rows = [
    (NO, [ES, I1, CW, CR, ES, SR, CL, CL, CL, CL]),
    (I1, [I1, IN, CW, IN, I1, I1, IN, CL, I1, CL]),
    (IN, [IN, IN, CW, IN, IN, IN, IN, CL, IN, CL]),
    (CS, [CS, CS, CS, CR, CS, CS, CS, CS, CS, CL]),
    (CR, [CR, CR, CR, CR, CR, CR, CR, CR, CR, CL]),
    (CW, [CW, CW, CO, CW, CW, CW, CW, CW, CW, RJ]),
    (CO, [CO, CO, CO, CO, CO, CO, CO, CO, CO, CL]),
    (CE, [CE, CE, CE, CE, ES, CE, CE, CE, CL, CL]),
    (ES, [ES, ES, ES, ES, ES, SR, ES, ES, ES, CL]),
    (SS, [SS, SS, SS, SS, SS, SS, CL, SS, SS, CL]),
    (SR, [SR, SR, SR, SR, SR, SR, SR, SR, SR, CL]),
    (SA, [SA, SA, SA, SA, SA, SA, CL, CL, SA, CL]),
    (RJ, [RJ, IN, RJ, RJ, RJ, RJ, RJ, RJ, RJ, CL]),
    (CL, [CL, IN, CL, CL, CL, CL, CL, CL, CL, CL]),
];

/// From the real server.
#[rustfmt::skip]
const OUTPUT: Rows = [
    (NO, [ES, CW, CS, CE, ES, SS, SA, CL, CL, CL]),
    (I1, [I1, CW, CS, CE, ES, SS, SA, I1, CL, RJ]),
    (IN, [IN, CW, CS, CE, ES, SS, SA, IN, CL, CL]),
    (CS, [CS, CW, CS, CE, ES, SS, SA, CS, CL, CL]),
    (CR, [CR, CW, CR, CE, ES, SS, SA, CR, CL, CL]),
    (CW, [CW, CW, CW, CE, ES, SS, CW, CW, CW, CL]),
    (CO, [CO, CW, CO, CE, ES, SS, CO, CO, CO, CL]),
    (CE, [CE, CW, CE, CE, ES, SS, CE, CE, CE, CL]),
    (ES, [ES, ES, ES, ES, ES, SS, ES, ES, ES, CL]),
    (SS, [SS, CW, SS, SS, SS, SS, SA, SS, SS, CL]),
    (SR, [SR, CW, SR, SR, SR, SR, SA, SR, SR, CL]),
    (SA, [SA, CW, SA, SA, SA, SA, SA, SA, SA, CL]),
    (RJ, [RJ, CW, RJ, RJ, RJ, RJ, RJ, RJ, RJ, CL]),
    (CL, [CL, CW, CL, CL, CL, CL, CL, CL, CL, CL]),
];

/// From the client; nothing of the server was seen yet.
#[rustfmt::skip]
const INPUT_ONLY: Rows = [
    (NO, [ES, I1, CE, ES, ES, SR, CL, CL, CL, CL]),
    (I1, [I1, IN, CE, ES, I1, I1, IN, CL, I1, CL]),
    (IN, [IN, IN, CE, ES, IN, IN, IN, CL, IN, CL]),
    (CS, [CS, IN, CE, ES, ES, CS, CS, CL, CS, CL]),
    (CR, [CR, IN, CE, ES, ES, CR, CR, CL, CR, CL]),
    (CW, [ES, IN, CE, ES, CW, CW, CW, CW, CW, RJ]),
    (CO, [CO, CO, CO, CO, ES, CO, CO, CO, CO, CL]),
    (CE, [CE, CE, CE, CE, ES, CE, CE, CE, CE, CL]),
    (ES, [ES, ES, ES, ES, ES, SR, CL, ES, ES, CL]),
    (SS, [SS, SS, SS, SS, SS, SS, CL, SS, SS, CL]),
    (SR, [SR, SR, SR, SR, SR, SR, SR, CL, SR, CL]),
    (SA, [SA, SA, SA, SA, SA, SA, CL, CL, SA, CL]),
    (RJ, [RJ, IN, RJ, RJ, RJ, RJ, RJ, RJ, RJ, CL]),
    (CL, [CL, IN, CL, CL, CL, CL, CL, CL, CL, CL]),
];

impl State {
    /// Returns the state after a packet; what says nothing changes nothing.
    pub fn next(self, table: Transitions, said: Chunk) -> State {
        let Some(column) = column(said) else {
            return self;
        };
        let rows = match table {
            Transitions::Input => &INPUT,
            Transitions::Output => &OUTPUT,
            Transitions::InputOnly => &INPUT_ONLY,
        };
        // The discriminants are the places in the tables.
        let row = rows.get(self as usize).map(|(_, row)| row);
        row.and_then(|row| row.get(column))
            .map_or(self, |state| *state)
    }
}

/// Returns the column of an event.
const fn column(said: Chunk) -> Option<usize> {
    match said {
        Chunk::Missing => None,
        Chunk::Data => Some(0),
        Chunk::Init => Some(1),
        Chunk::InitAck => Some(2),
        Chunk::CookieEcho => Some(3),
        Chunk::CookieAck => Some(4),
        Chunk::Shutdown => Some(5),
        Chunk::ShutdownAck => Some(6),
        Chunk::ShutdownComplete => Some(7),
        Chunk::Error => Some(8),
        Chunk::Abort | Chunk::CookieAbort => Some(9),
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_proto_sctp))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::flags::conn::{INACTIVE, NO_OUTPUT};
    use crate::packet::sctp::Chunks;
    use crate::proto::Direction;
    use crate::proto::Guard;
    use crate::xmit::Method;

    #[test]
    fn rows_are_in_the_order_of_the_numbers() {
        for rows in [&INPUT, &OUTPUT, &INPUT_ONLY] {
            let order = rows.iter().map(|(state, _)| *state);
            assert!(order.eq(State::ALL));
        }
        let numbers = State::ALL.iter().map(|state| state.code().0);
        assert!(numbers.eq(0..14));
        assert!(State::ALL
            .iter()
            .all(|state| State::from_code(state.code()) == *state));
        assert_eq!(State::from_number(14), None);
    }

    #[test]
    fn association_seen_from_both_sides() {
        let walk = [
            (Transitions::Input, Chunk::Init, I1),
            (Transitions::Output, Chunk::InitAck, CS),
            (Transitions::Input, Chunk::CookieEcho, CR),
            (Transitions::Output, Chunk::CookieAck, ES),
            (Transitions::Input, Chunk::Data, ES),
            (Transitions::Input, Chunk::Shutdown, SR),
            (Transitions::Output, Chunk::ShutdownAck, SA),
            (Transitions::Input, Chunk::ShutdownComplete, CL),
            (Transitions::Input, Chunk::Init, IN),
        ];
        assert!(walks(&walk));
    }

    #[test]
    fn association_seen_from_one_side() {
        let walk = [
            (Transitions::InputOnly, Chunk::Init, I1),
            (Transitions::InputOnly, Chunk::CookieEcho, ES),
            (Transitions::InputOnly, Chunk::Shutdown, SR),
            (Transitions::InputOnly, Chunk::ShutdownComplete, CL),
        ];
        assert!(walks(&walk));
    }

    #[test]
    fn abort_closes_in_every_state_but_while_opening() {
        for state in State::ALL {
            for table in [
                Transitions::Input,
                Transitions::Output,
                Transitions::InputOnly,
            ] {
                let refused = matches!(
                    (state, table),
                    (CW, Transitions::Input | Transitions::InputOnly) | (I1, Transitions::Output)
                );
                let expected = if refused { RJ } else { CL };
                assert_eq!(state.next(table, Chunk::Abort), expected);
                assert_eq!(state.next(table, Chunk::CookieAbort), expected);
                assert_eq!(state.next(table, Chunk::Missing), state);
            }
        }
    }

    #[test]
    fn packet_of_the_server_is_remembered() {
        let new = ConnState::new(Method::Direct, 0);
        let opened = next(new, &event(Direction::Original, Chunk::Init));
        assert_eq!((opened.state, opened.flags), (I1.code(), new.flags));
        let answered = next(opened, &event(Direction::Reply, Chunk::InitAck));
        assert_eq!(answered.state, CS.code());
        assert_eq!(answered.flags, new.flags & !NO_OUTPUT);
        let up = next(answered, &event(Direction::Reply, Chunk::CookieAck));
        assert_eq!((up.state, up.flags & INACTIVE), (ES.code(), 0));
        let down = next(up, &event(Direction::Original, Chunk::Abort));
        assert_eq!((down.state, down.flags & INACTIVE), (CL.code(), INACTIVE));
    }

    #[test]
    fn only_an_opening_packet_creates_unless_that_is_relaxed() {
        let creates = |said, sloppy_sctp: bool| {
            let rule = Creation {
                sloppy_tcp: !sloppy_sctp,
                sloppy_sctp,
            };
            may_create(Header::Sctp(Chunks::new(said)), rule)
        };
        assert!(creates(Chunk::Init, false) && creates(Chunk::Init, true));
        assert!(!creates(Chunk::Data, false) && creates(Chunk::Data, true));
        assert!(!creates(Chunk::Abort, true) && !creates(Chunk::Missing, true));
    }

    #[test]
    fn port_is_free_again_once_closed() {
        for state in State::ALL {
            let conn = ConnState {
                state: state.code(),
                flags: 0,
            };
            assert_eq!(is_over(conn, 1), state == CL);
            assert!(!is_over(conn, 0));
        }
    }

    fn walks(walk: &[(Transitions, Chunk, State)]) -> bool {
        let mut state = State::None;
        walk.iter().all(|(table, said, expected)| {
            state = state.next(*table, *said);
            state == *expected
        })
    }

    fn event(direction: Direction, said: Chunk) -> Event {
        Event {
            direction,
            header: Header::Sctp(Chunks::new(said)),
            guard: Guard::Normal,
        }
    }
}
