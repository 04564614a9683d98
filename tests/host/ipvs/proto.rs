// SPDX-License-Identifier: GPL-2.0
//! Every state, direction and event of TCP against a stored table.

use crate::snapshot;
use ipvs::conn::state::Activity;
use ipvs::packet::tcp::Flags;
use ipvs::proto::tcp::{Flag, State, Table};
use ipvs::proto::{Guard, StateCode, Timeouts, Transport};
use std::fmt::Write;

const FLAGS: [(Flag, &str); 5] = [
    (Flag::Syn, "SYN"),
    (Flag::Fin, "FIN"),
    (Flag::Ack, "ACK"),
    (Flag::Rst, "RST"),
    (Flag::None, "none"),
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
        for (_, flag) in FLAGS {
            write!(text, " {flag:11}").unwrap();
        }
        text.push('\n');
        for state in State::ALL {
            write!(text, "{:12}", state.name()).unwrap();
            for (flag, _) in FLAGS {
                write!(text, " {:11}", state.next(table, flag, guard).name()).unwrap();
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
    for (transport, states) in [(Transport::Tcp, 11), (Transport::Udp, 1)] {
        for number in 0..states {
            let code = StateCode(number);
            let active = match (transport, State::from_code(code).activity()) {
                (Transport::Tcp, Activity::Active) => " active",
                _ => "",
            };
            writeln!(
                text,
                "{:3} {number:2} {:11} {:3} s{active}",
                transport.protocol().0,
                transport.state_name(code),
                transport.timeout(code, &Timeouts::DEFAULT),
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
            (4, ..) => Flag::Rst,
            (_, 2, ..) => Flag::Syn,
            (_, _, 1, _) => Flag::Fin,
            (.., 16) => Flag::Ack,
            _ => Flag::None,
        };
        assert_eq!(Flag::of(Flags(flags)), expected, "flags {flags:#x}");
    }
}
