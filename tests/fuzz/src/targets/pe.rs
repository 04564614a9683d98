// SPDX-License-Identifier: GPL-2.0
//! Persistence engines: what one takes from a message is what the message says.

use crate::input::Input;
use crate::slow::sip;
use ipvs::packet::parse;
use ipvs::pe::{Engine, DATA_MAX};

/// Pieces of which messages are made; every other byte is itself.
const PIECES: [&[u8]; 12] = [
    b"Call-ID",
    b"call-id:",
    b"i:",
    b"I",
    b"\r\n",
    b"\r\n ",
    b"\n",
    b"one@host",
    b"@",
    b": ",
    b"\r\nCall-ID: ",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

/// A message as it is or made of pieces; or the bytes are a packet.
pub fn run(bytes: &[u8]) {
    let mut input = Input::of(bytes);
    match input.below(4) {
        0 => check(bytes),
        1 => check_packet(&bytes[1..]),
        _ => check(&message(&mut input)),
    }
    for engine in Engine::ALL {
        assert_eq!(Engine::from_name(engine.name().as_bytes()), Some(engine));
        assert!(engine.serves_servers());
    }
    let known = Engine::from_name(bytes).is_some();
    assert_eq!(known, bytes == b"sip");
}

fn message(input: &mut Input<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    while !input.is_empty() {
        let byte = input.byte();
        match PIECES.get(usize::from(byte.wrapping_sub(128))) {
            Some(piece) => text.extend_from_slice(piece),
            None => text.push(byte),
        }
    }
    text
}

/// The datagrams that it looks into are those of UDP.
fn check_packet(bytes: &[u8]) {
    let Ok(packet) = parse(bytes, bytes.len().try_into().expect("short")) else {
        return;
    };
    let begin = (packet.protocol.0 == 17 && packet.header.is_complete())
        .then_some(u32::from(packet.transport_offset) + 8);
    assert_eq!(Engine::Sip.begins(&packet), begin);
}

fn check(bytes: &[u8]) {
    let place = |data: &[u8]| data.as_ptr() as usize - bytes.as_ptr() as usize;
    let found = Engine::Sip.find(bytes).map(|data| (place(data), data));
    assert_eq!(found, sip::call_id(bytes));
    assert!(found.is_none_or(|(_, data)| (1..=DATA_MAX).contains(&data.len())));
}
