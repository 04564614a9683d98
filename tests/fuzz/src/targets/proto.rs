// SPDX-License-Identifier: GPL-2.0
//! State machines: any sequence of packets takes a connection where the tables of words say.

use crate::api::{self, creation, transports};
use crate::input::Input;
use crate::slow::machine::{Machine, Seen};
use crate::slow::rows;
use ipvs::addr::{Family, Protocol};
use ipvs::conn::state::{Activity, ConnState};
use ipvs::packet::{parse, Header};
use ipvs::proto::{Direction, Event, Guard, Role, StateCode, Timeouts, Transport};
use ipvs::xmit::Method;

/// One connection of one protocol and all its packets.
pub fn run(bytes: &[u8]) {
    let mut input = Input::of(bytes);
    check_role(input.byte());
    let transport = input.one_of(&transports());
    let machine = Machine::of(transport.protocol()).expect("a table for every protocol");
    let method = Method::from_number(input.byte().into());
    assert_eq!(Timeouts::default(), Timeouts::DEFAULT);
    let settings = Timeouts {
        tcp: input.u16().max(1).into(),
        tcp_fin: input.u16().max(1).into(),
        udp: input.u16().max(1).into(),
    };
    for number in 0..16 {
        check_state(transport, machine, &settings, number);
    }
    check_state(transport, machine, &settings, input.byte());
    let mut conn = ConnState::new(method, input.u32() & 0x1_ffff);
    let mut seen = machine.begin(
        input.byte(),
        !rows::of(method).sees_replies || conn.has_no_output(),
    );
    conn.state = StateCode(seen.state.number);
    if input.is_empty() {
        sweep(machine, transport, (conn, seen));
    }
    check_conn(transport, conn, seen, &settings);
    while !input.is_empty() {
        (conn, seen) = step(&mut input, machine, transport, (conn, seen));
        check_conn(transport, conn, seen, &settings);
        let mode = i32::from(input.byte() % 4);
        assert_eq!(transport.is_over(conn, mode), machine.is_over(seen, mode));
    }
    assert_eq!(conn.method(), method);
    assert!(flags_are_told(conn));
}

/// The flags of the ABI (specification 3.3): 0x1000 a template, 0x2000 one packet, 0x10000 tracked.
fn flags_are_told(conn: ConnState) -> bool {
    let has = |flag| conn.flags & flag != 0;
    conn.is_template() == has(0x1000)
        && conn.is_one_packet() == has(0x2000)
        && conn.is_tracked() == has(0x10000)
}

/// Gives every kind of packet to both machines in one state.
fn sweep(machine: &Machine, transport: Transport, state: (ConnState, Seen)) {
    for kinds in 0..8 {
        for event in 0..32 {
            // Of SCTP the bytes are type, length and type of the next chunk.
            let bytes = [kinds, event, 8, 6];
            step(&mut Input::of(&bytes), machine, transport, state);
        }
    }
}

/// Gives one packet to both machines.
fn step(
    input: &mut Input<'_>,
    machine: &Machine,
    transport: Transport,
    (conn, seen): (ConnState, Seen),
) -> (ConnState, Seen) {
    let kinds = input.byte();
    let direction = if kinds & 1 == 0 {
        Direction::Original
    } else {
        Direction::Reply
    };
    let guard = if kinds & 2 == 0 {
        Guard::Normal
    } else {
        Guard::Secure
    };
    let is_sloppy = kinds & 4 != 0;
    let bytes = transport_header(input, transport);
    let header = read(transport, &bytes);
    assert_eq!(transport.is_opening(header), machine.is_opening(&bytes));
    assert_eq!(transport.is_abort(header), machine.is_abort(&bytes));
    let may = transport.may_create(header, creation(is_sloppy));
    assert_eq!(may, machine.may_create(&bytes, is_sloppy));
    let next = transport.next(
        conn,
        &Event {
            direction,
            header,
            guard,
        },
    );
    let after = match machine.event(&bytes) {
        Some(event) => machine.next(seen, event, direction, guard),
        // It changes no state, but it was seen.
        None => machine.look(seen, direction),
    };
    let assures = transport.assures(conn.state, next.state, direction);
    assert_eq!(assures, machine.assures(seen.state, after.state, direction));
    assert_eq!(next.state, StateCode(after.state.number));
    (next, after)
}

/// A header in which what the machine reads is the fuzzer's.
fn transport_header(input: &mut Input<'_>, transport: Transport) -> Vec<u8> {
    match transport.protocol().0 {
        6 => [&[0; 13][..], &[input.byte()], &[0; 6]].concat(),
        132 => {
            let (kind, length, next) = (input.byte(), input.byte() % 16, input.byte());
            let chunks = [kind, 0, 0, length, next, 0, 0, 4, next, 0, 0, 4];
            let there = if length == 15 { 3 } else { 12 };
            [&[0; 12][..], &chunks[..there]].concat()
        }
        _ => vec![0; 20],
    }
}

/// Returns what the parser makes of a transport header.
fn read(transport: Transport, bytes: &[u8]) -> Header {
    let length = (20 + bytes.len()) as u8;
    let mut head = vec![0x45, 0, 0, length, 0, 0, 0, 0, 64, transport.protocol().0];
    head.resize(20, 0);
    head.extend(bytes);
    let packet = parse(&head, length.into()).expect("a whole packet");
    assert!(packet.header != Header::Missing);
    packet.header
}

/// Both say the same of a connection, and a word holds all of it.
fn check_conn(transport: Transport, conn: ConnState, seen: Seen, settings: &Timeouts) {
    assert_eq!(conn.state, StateCode(seen.state.number));
    assert_eq!(conn.is_active(), seen.is_active);
    assert_eq!(conn.activity() == Activity::Active, seen.is_active);
    assert_eq!(conn.has_no_output(), seen.has_no_output);
    assert_eq!(transport.state_name(conn.state), seen.state.name);
    let seconds = transport.timeout(conn.state, settings);
    assert_eq!(seconds, seen.state.seconds(settings));
    assert!(seconds > 0);
    assert_eq!(api::dropped(transport, conn), seen.state.dropped);
    assert_eq!(ConnState::unpack(conn.pack()), conn);
}

/// A number that is no state of the table has no name, and does not live for ever either.
fn check_state(transport: Transport, machine: &Machine, settings: &Timeouts, number: u8) {
    let (name, seconds) = match machine.state(number) {
        Some(state) => (state.name, Some(state.seconds(settings))),
        None => ("ERR!", None),
    };
    assert_eq!(transport.state_name(StateCode(number)), name);
    let found = transport.timeout(StateCode(number), settings);
    assert!(found > 0 && seconds.is_none_or(|seconds| seconds == found));
}

/// Only packets of rows of the table belong to connections; what shows its ports in the first
/// fragment only is put together.
fn check_role(number: u8) {
    let protocol = Protocol(number);
    let transport = Transport::of(protocol);
    if let Some(transport) = transport {
        assert!(transport.protocol() == protocol && transport.has_ports());
        assert_eq!(transport.can_be_one_packet(), number == 17);
    }
    for (family, icmp) in [(Family::V4, 1), (Family::V6, 58)] {
        let role = Role::of(family, protocol);
        let found = match role {
            Role::Transport(transport) => Some(transport),
            _ => None,
        };
        assert_eq!(found, transport);
        assert_eq!(role == Role::Icmp, number == icmp);
        assert_eq!(role.needs_whole(), transport.is_some() || number == icmp);
        assert_eq!(role == Role::Follower, [50, 51].contains(&number));
    }
}
