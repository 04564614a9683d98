// SPDX-License-Identifier: GPL-2.0
//! State machines as tables of words: see `tcp.txt`, `udp.txt` and `sctp.txt`.

use super::table;
use ipvs::addr::Protocol;
use ipvs::proto::{Direction, Guard, Timeouts};
use std::sync::LazyLock;

/// A state of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub number: u8,
    pub name: &'static str,
    letters: &'static str,
    seconds: &'static str,
    pub is_active: bool,
}

/// A connection in the eyes of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub state: State,
    pub is_active: bool,
    pub has_no_output: bool,
}

/// The table of a protocol.
pub struct Machine {
    protocol: Protocol,
    states: Vec<State>,
    rows: Vec<Vec<&'static str>>,
}

impl Machine {
    /// Returns the table of a protocol, if it has one.
    pub fn of(protocol: Protocol) -> Option<&'static Machine> {
        static TABLES: LazyLock<[Machine; 3]> = LazyLock::new(|| {
            [
                Machine::new(6, include_str!("tcp.txt")),
                Machine::new(17, include_str!("udp.txt")),
                Machine::new(132, include_str!("sctp.txt")),
            ]
        });
        TABLES.iter().find(|machine| machine.protocol == protocol)
    }

    fn new(protocol: u8, text: &'static str) -> Machine {
        let rows = table(text);
        let states = rows.iter().filter_map(|row| match row[..] {
            ["state", number, name, letters, seconds, active] => Some(State {
                number: number.parse().expect("a number"),
                name,
                letters,
                seconds,
                is_active: active == "active",
            }),
            _ => None,
        });
        Machine {
            protocol: Protocol(protocol),
            states: states.collect(),
            rows,
        }
    }

    /// Returns a state by its number.
    pub fn state(&self, number: u8) -> Option<State> {
        self.states
            .iter()
            .find(|state| state.number == number)
            .copied()
    }

    /// Returns a connection that has seen no packet.
    pub fn begin(&self, has_no_output: bool) -> Seen {
        Seen {
            state: self.state(0).expect("the first one"),
            is_active: false,
            has_no_output,
        }
    }

    /// Returns what a packet is to the machine; `None` if it is nothing to it.
    pub fn event(&self, transport: &[u8]) -> Option<&'static str> {
        match self.protocol.0 {
            6 => Some(match transport[13] {
                flags if flags & 4 != 0 => "RST",
                flags if flags & 2 != 0 => "SYN",
                flags if flags & 1 != 0 => "FIN",
                flags if flags & 16 != 0 => "ACK",
                _ => "none",
            }),
            132 => chunk(transport.get(12..)?),
            _ => Some("any"),
        }
    }

    /// Returns a connection after a packet.
    pub fn next(&self, seen: Seen, event: &str, direction: Direction, guard: Guard) -> Seen {
        let table = match (direction, seen.has_no_output) {
            (Direction::Reply, _) => "out",
            (Direction::Original, true) => "only",
            (Direction::Original, false) => "in",
        };
        let guard = match guard {
            Guard::Normal => "normal",
            Guard::Secure => "secure",
        };
        let cell = |row: &&Vec<&'static str>| {
            (row[0] == guard || row[0] == "any") && row[1] == table && row[2] == seen.state.letters
        };
        let row = self.rows.iter().find(cell).expect("a row for every state");
        let place = row.iter().skip(3).position(|word| *word == event);
        let letters = row[place.expect("a column for every event") + 4];
        let named = |state: &&State| state.letters == letters;
        let state = *self
            .states
            .iter()
            .find(named)
            .expect("a state of the table");
        // UDP does not look at directions.
        let looks = self.protocol != Protocol::UDP && direction == Direction::Reply;
        Seen {
            state,
            is_active: match state == seen.state {
                true => seen.is_active,
                false => state.is_active,
            },
            has_no_output: seen.has_no_output && !looks,
        }
    }

    /// Returns whether a packet may create a connection (3.11.1 to 3.11.3).
    pub fn may_create(&self, event: &str, is_sloppy: bool) -> bool {
        match (self.protocol.0, event) {
            (6, "RST") | (132, "ABORT") => false,
            (6, "SYN") | (132, "INIT") => true,
            (6 | 132, _) => is_sloppy,
            _ => true,
        }
    }

    /// Returns whether a packet asks for a new connection: the test is on one bit of TCP.
    pub fn is_opening(&self, transport: &[u8]) -> bool {
        match self.protocol.0 {
            6 => transport[13] & 2 != 0,
            132 => transport.get(12) == Some(&1),
            _ => false,
        }
    }

    /// Returns whether the client of a connection may take its port again.
    pub fn is_over(&self, seen: Seen, mode: i32) -> bool {
        mode != 0
            && match (self.protocol.0, seen.state.name) {
                (6, "TIME_WAIT" | "CLOSE") | (132, "CLOSED") => true,
                (6, "FIN_WAIT") => mode & 2 != 0 && seen.has_no_output,
                _ => false,
            }
    }

    /// Returns whether a step assures the template of a connection.
    pub fn assures(&self, from: State, to: State, direction: Direction) -> bool {
        match self.protocol.0 {
            17 => direction == Direction::Reply,
            _ => from != to && to.name == "ESTABLISHED",
        }
    }
}

impl State {
    /// Returns how long a connection lives in this state.
    pub fn seconds(&self, settings: &Timeouts) -> u32 {
        match self.seconds {
            "tcp" => settings.tcp,
            "fin" => settings.tcp_fin,
            "udp" => settings.udp,
            number => number.parse().expect("a number"),
        }
    }
}

/// Returns what the chunks of a packet say.
fn chunk(chunks: &[u8]) -> Option<&'static str> {
    let header = chunks.get(..4)?;
    let length = usize::from(header[2]) * 256 + usize::from(header[3]);
    let next = chunks.get(length.next_multiple_of(4)..);
    let next = next.and_then(|next| next.get(..4)).map(|next| next[0]);
    Some(match (header[0], next) {
        (10 | 11, Some(6)) | (6, _) => "ABORT",
        (1, _) => "INIT",
        (2, _) => "INIT_ACK",
        (7, _) => "SHUTDOWN",
        (8, _) => "SHUTDOWN_ACK",
        (9, _) => "ERROR",
        (10, _) => "COOKIE_ECHO",
        (11, _) => "COOKIE_ACK",
        (14, _) => "SHUTDOWN_COMPLETE",
        _ => "DATA",
    })
}
