// SPDX-License-Identifier: GPL-2.0
//! Every state, direction and event of TCP and SCTP against stored tables.

use crate::snapshot;
use ipvs::conn::state::Activity;
use ipvs::packet::sctp::Chunk;
use ipvs::packet::tcp::Flags;
use ipvs::proto::tcp::{Flag, State};
use ipvs::proto::Transitions;
use ipvs::proto::{sctp, Guard, StateCode, Timeouts, Transport};
use std::fmt::Write;

const FLAGS: [(Flag, &str); 5] = [
    (Flag::Syn, "SYN"),
    (Flag::Fin, "FIN"),
    (Flag::Ack, "ACK"),
    (Flag::Rst, "RST"),
    (Flag::None, "none"),
];

const TABLES: [(Transitions, &str); 3] = [
    (Transitions::Input, "input"),
    (Transitions::Output, "output"),
    (Transitions::InputOnly, "input only"),
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

const CHUNKS: [(Chunk, &str); 12] = [
    (Chunk::Data, "DATA"),
    (Chunk::Init, "INIT"),
    (Chunk::InitAck, "INIT_ACK"),
    (Chunk::CookieEcho, "COOKIE_ECHO"),
    (Chunk::CookieAck, "COOKIE_ACK"),
    (Chunk::Shutdown, "SHUTDOWN"),
    (Chunk::ShutdownAck, "SHUTDOWN_ACK"),
    (Chunk::ShutdownComplete, "SHUTDOWN_C"),
    (Chunk::Error, "ERROR"),
    (Chunk::Abort, "ABORT"),
    (Chunk::CookieAbort, "COOKIE+ABORT"),
    (Chunk::Missing, "none"),
];

#[test]
fn sctp_transitions_are_those_of_the_stored_table() {
    let tables = [
        (Transitions::Input, "input"),
        (Transitions::Output, "output"),
        (Transitions::InputOnly, "input only"),
    ];
    let mut text = String::new();
    for (table, name) in tables {
        write!(text, "{name:12}").unwrap();
        for (_, chunk) in CHUNKS {
            write!(text, " {chunk:12}").unwrap();
        }
        text.push('\n');
        for state in sctp::State::ALL {
            write!(text, "{:12}", state.name()).unwrap();
            for (chunk, _) in CHUNKS {
                write!(text, " {:12}", state.next(table, chunk).name()).unwrap();
            }
            text.push('\n');
        }
        text.push('\n');
    }
    let trimmed: String = text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect();
    snapshot::check("sctp.txt", &trimmed);
}

#[test]
fn states_and_their_timeouts_are_those_of_the_stored_table() {
    let mut text = String::new();
    for (transport, states) in [
        (Transport::Tcp, 11),
        (Transport::Udp, 1),
        (Transport::Sctp, 14),
    ] {
        for number in 0..states {
            let code = StateCode(number);
            let activity = match transport {
                Transport::Tcp => State::from_code(code).activity(),
                Transport::Sctp => sctp::State::from_code(code).activity(),
                Transport::Udp => Activity::Inactive,
            };
            let active = match activity {
                Activity::Active => " active",
                Activity::Inactive => "",
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
