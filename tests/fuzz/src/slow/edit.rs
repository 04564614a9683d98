// SPDX-License-Identifier: GPL-2.0
//! What an edit makes of a packet, by building it anew: every checksum is computed in full.

use super::{decide, table};
use crate::api::{octets, Output};
use crate::packets::{Seal, Whole};
use ipvs::addr::{Endpoint, Family, Protocol};
use ipvs::packet::Side;
use std::ops::Range;
use std::sync::LazyLock;

/// Returns where the address of a side is in a network header.
pub fn addr_place(family: Family, side: Side) -> Range<usize> {
    match (family, side) {
        (Family::V4, Side::Source) => 12..16,
        (Family::V4, Side::Dest) => 16..20,
        (Family::V6, Side::Source) => 8..24,
        (Family::V6, Side::Dest) => 24..40,
    }
}

/// Returns where the port of a side is in a transport header.
pub fn port_place(side: Side) -> Range<usize> {
    match side {
        Side::Source => 0..2,
        Side::Dest => 2..4,
    }
}

/// Puts an end into a packet, whose checksums are then what they were before: `seal`.
///
/// Returns what the transport checksum is afterwards: C makes the one that UDP had not.
pub fn put_end(whole: &mut Whole, side: Side, to: Endpoint, seal: Seal, output: Output) -> Seal {
    let mut is_same = true;
    if whole.has_ports() {
        let port = port_place(side);
        let port = &mut whole.bytes[whole.transport + port.start..whole.transport + port.end];
        is_same = *port == to.port.bytes();
        port.copy_from_slice(&to.port.bytes());
    }
    whole.bytes[addr_place(whole.family, side)].copy_from_slice(&octets(to.addr));
    whole.renew_network();
    let seal = match (seal, whole.protocol) {
        (Seal::Absent, _) => Seal::Right,
        (seal, Protocol::SCTP) => crc_after(seal, side, is_same, output),
        (seal, _) => seal,
    };
    whole.seal(seal)
}

/// Returns what a CRC32c is after an edit: see `crc.txt`.
fn crc_after(seal: Seal, side: Side, is_same: bool, output: Output) -> Seal {
    static TABLE: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| table(include_str!("crc.txt")));
    let facts = [
        if seal == Seal::Partial {
            "partial"
        } else {
            "whole"
        },
        if side == Side::Dest { "dest" } else { "-" },
        if is_same { "same" } else { "-" },
        if output.is_many { "many" } else { "-" },
        if output.makes_crc { "device" } else { "-" },
    ];
    match decide(&TABLE, &facts) {
        "keep" => seal,
        "right" => Seal::Right,
        word => panic!("{word}"),
    }
}

/// Takes a hop from a packet that has one left.
pub fn take_hop(whole: &mut Whole) {
    let place = match whole.family {
        Family::V4 => 8,
        Family::V6 => 7,
    };
    whole.bytes[place] -= 1;
    whole.renew_network();
}

/// Returns how many hops a packet has left.
pub fn hops(whole: &Whole) -> u8 {
    match whole.family {
        Family::V4 => whole.bytes[8],
        Family::V6 => whole.bytes[7],
    }
}

/// Turns a packet round: what the other side would answer if it sent everything back, with a checksum
/// like `seal`.
pub fn turn(whole: &mut Whole, seal: Seal) {
    let [source, dest] = [Side::Source, Side::Dest].map(|side| addr_place(whole.family, side));
    swap(&mut whole.bytes, source, dest);
    if whole.has_ports() {
        let [source, dest] = [Side::Source, Side::Dest].map(port_place);
        swap(&mut whole.bytes[whole.transport..], source, dest);
    }
    whole.seal(seal);
}

fn swap(bytes: &mut [u8], one: Range<usize>, other: Range<usize>) {
    let kept = bytes[one.clone()].to_vec();
    bytes.copy_within(other.clone(), one.start);
    bytes[other].copy_from_slice(&kept);
}
