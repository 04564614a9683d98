// SPDX-License-Identifier: GPL-2.0
//! Reads a packet's headers, wherever they lie.

use super::outcome::Outcome;
use ipvs::packet::{self, Header, Packet};
use linux::skb::{Skb, PEEK};

/// Reads a packet's headers: in place if they lie there, else from a copy.
pub(super) fn read(skb: &mut Skb<'_>) -> Option<Packet> {
    let len = skb.len();
    let in_place = packet::parse(skb.head(), len);
    match in_place {
        Ok(packet) if packet.header != Header::Missing => Some(packet),
        _ => packet::parse(skb.peek(&mut [0; PEEK]), len).ok(),
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
