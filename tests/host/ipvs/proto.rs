// SPDX-License-Identifier: GPL-2.0
//! Every state, direction and event of TCP against a stored table.

use crate::snapshot;
use ipvs::addr::Protocol;
use ipvs::proto::tcp::{Event, Guard, State, Table};
use ipvs::proto::{is_active, state_name, timeout, Timeouts};
use std::fmt::Write;

const EVENTS: [(Event, &str); 5] = [
    (Event::Syn, "SYN"),
    (Event::Fin, "FIN"),
    (Event::Ack, "ACK"),
    (Event::Rst, "RST"),
    (Event::None, "none"),
];

const TABLES: [(Table, &str); 3] = [
    (Table::Input, "input"),
    (Table::Output, "output"),
    (Table::InputOnly, "input only"),
];

fn transitions(guard: Guard) -> String {
    let mut text = String::new();
    for (table, name) in TABLES {
        write!(text, "{name:12}").unwrap();
        for (_, event) in EVENTS {
            write!(text, " {event:11}").unwrap();
        }
        text.push('\n');
        for state in State::ALL {
            write!(text, "{:12}", state.name()).unwrap();
            for (event, _) in EVENTS {
                write!(text, " {:11}", state.next(table, event, guard).name()).unwrap();
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

#[test]
fn tcp_transitions_are_those_of_the_stored_table() {
    snapshot::check("tcp_normal.txt", &transitions(Guard::Normal));
}

#[test]
fn tcp_transitions_under_attack_are_those_of_the_stored_table() {
    snapshot::check("tcp_secure.txt", &transitions(Guard::Secure));
}

#[test]
fn states_and_their_timeouts_are_those_of_the_stored_table() {
    let mut text = String::new();
    for (protocol, states) in [(Protocol::TCP, 11), (Protocol::UDP, 1)] {
        for number in 0..states {
            let code = ipvs::proto::StateCode(number);
            writeln!(
                text,
                "{:3} {number:2} {:11} {:3} s{}",
                protocol.0,
                state_name(protocol, code),
                timeout(protocol, code, &Timeouts::DEFAULT),
                if is_active(protocol, code) {
                    " active"
                } else {
                    ""
                },
            )
            .unwrap();
        }
    }
    snapshot::check("states.txt", &text);
}

#[test]
fn every_flags_byte_is_the_strongest_of_its_flags() {
    for flags in 0..=255_u8 {
        let expected = match (flags & 4, flags & 2, flags & 1, flags & 16) {
            (4, ..) => Event::Rst,
            (_, 2, ..) => Event::Syn,
            (_, _, 1, _) => Event::Fin,
            (.., 16) => Event::Ack,
            _ => Event::None,
        };
        assert_eq!(Event::from_flags(flags), expected, "flags {flags:#x}");
    }
}
