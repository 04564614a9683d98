// SPDX-License-Identifier: GPL-2.0
//! Reads a packet's headers, wherever they lie.

use super::outcome::Outcome;
use ipvs::addr::Family;
use ipvs::packet::{self, Malformed, Packet};
use linux::inet;
use linux::skb::{Skb, PEEK};

/// The longest transport header that is read, in bytes.
const TRANSPORT: usize = 20;

/// Reads a packet's headers: in place if they lie there, else from a copy.
///
/// `None` as well for a packet that is not of its hook's family, as raw sockets can send.
#[inline(always)]
pub(super) fn read(skb: &mut Skb<'_>) -> Option<Packet> {
    match packet::parse_simple(skb.head(), skb.len()) {
        Some(packet) => is_of_hook(skb, &packet).then_some(packet),
        None => read_any(skb),
    }
}

/// Reads headers that are not simple.
#[inline(never)]
fn read_any(skb: &mut Skb<'_>) -> Option<Packet> {
    let len = skb.len();
    let in_place = packet::parse(skb.head(), len);
    let packet = match in_place {
        Ok(packet) => packet,
        Err(Malformed::Truncated) => packet::parse(skb.peek(&mut [0; PEEK]), len).ok()?,
        Err(Malformed::Version | Malformed::Length | Malformed::Headers) => return None,
    };
    let packet = match packet.header.is_complete() {
        true => packet,
        false => read_transport(skb, packet),
    };
    is_of_hook(skb, &packet).then(|| read_on(skb, packet))
}

/// Reads the transport header of a packet from a copy, whatever was read of it before.
///
/// The packet stays as it is: one that becomes many on the wire may be a list of them, of which no byte
/// may move into the linear part.
fn read_transport(skb: &Skb<'_>, packet: Packet) -> Packet {
    let (offset, mut buffer) = (u32::from(packet.transport_offset), [0; TRANSPORT]);
    let left = skb.len().saturating_sub(offset) as usize;
    let Some(bytes) = buffer.get_mut(..TRANSPORT.min(left)) else {
        return packet;
    };
    match skb.copy(offset, bytes) {
        true => packet.with_transport(bytes),
        false => packet,
    }
}

/// Reads what lies behind the bytes that were read and has a say as well.
fn read_on(skb: &Skb<'_>, packet: Packet) -> Packet {
    let Some(place) = packet.unread() else {
        return packet;
    };
    let mut bytes = [0; 4];
    match skb.copy(place, &mut bytes) {
        true => packet.with_unread(bytes),
        false => packet,
    }
}

/// Returns whether a packet is of the family of the hook that it is in.
#[inline]
pub(super) fn is_of_hook(skb: &Skb<'_>, packet: &Packet) -> bool {
    match (skb.family(), packet.family()) {
        (inet::Family::V4, Family::V4) | (inet::Family::V6, Family::V6) => true,
        (inet::Family::V4, Family::V6) | (inet::Family::V6, Family::V4) => false,
    }
}

/// Puts fragments together: only the first of them shows the ports.
#[cold]
pub(super) fn reassemble<'g>(skb: Skb<'g>) -> Result<(Skb<'g>, Packet), Outcome<'g>> {
    let mut skb = skb.reassemble().map_err(Outcome::Taken)?;
    match read(&mut skb) {
        Some(packet) => Ok((skb, packet)),
        None => Err(Outcome::Accept(skb)),
    }
}
