// SPDX-License-Identifier: GPL-2.0
//! State machines as tables of words: see `tcp.txt`, `udp.txt` and `sctp.txt`.

use super::headers::chunks;
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
    /// What becomes of a connection that `drop_entry` meets.
    pub dropped: &'static str,
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
            ["state", number, name, letters, seconds, active, dropped] => Some(State {
                number: number.parse().expect("a number"),
                name,
                letters,
                seconds,
                is_active: active == "active",
                dropped,
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

    /// Returns a connection in one of the states, which is not counted as active.
    pub fn begin(&self, number: u8, has_no_output: bool) -> Seen {
        Seen {
            state: self.states[usize::from(number) % self.states.len()],
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
            132 => match chunks(transport).said {
                "nothing" => None,
                "COOKIE_ABORT" => Some("ABORT"),
                said => Some(said),
            },
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
        Seen {
            state,
            is_active: match state == seen.state {
                true => seen.is_active,
                false => state.is_active,
            },
            ..self.look(seen, direction)
        }
    }

    /// Returns a connection that saw a packet of a direction, at which UDP does not look.
    pub fn look(&self, seen: Seen, direction: Direction) -> Seen {
        let looks = self.protocol != Protocol::UDP && direction == Direction::Reply;
        Seen {
            has_no_output: seen.has_no_output && !looks,
            ..seen
        }
    }

    /// Returns whether a packet may create a connection (3.11.1 to 3.11.3): of chunks the first one
    /// counts.
    pub fn may_create(&self, transport: &[u8], is_sloppy: bool) -> bool {
        match self.protocol.0 {
            6 => match transport[13] {
                flags if flags & 4 != 0 => false,
                flags => flags & 2 != 0 || is_sloppy,
            },
            132 => match chunks(transport).said {
                "INIT" => true,
                "ABORT" | "nothing" => false,
                _ => is_sloppy,
            },
            _ => true,
        }
    }

    /// Returns whether a packet asks for a new connection: the test is on one bit of TCP.
    pub fn is_opening(&self, transport: &[u8]) -> bool {
        match self.protocol.0 {
            6 => transport[13] & 2 != 0,
            132 => chunks(transport).said == "INIT",
            _ => false,
        }
    }

    /// Returns whether a packet ends its connection at once.
    pub fn is_abort(&self, transport: &[u8]) -> bool {
        match self.protocol.0 {
            6 => transport[13] & 4 != 0,
            132 => chunks(transport).said == "ABORT",
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
