// SPDX-License-Identifier: GPL-2.0
//! ICMP errors, by building them anew: which packet they quote, and what they say for the other side.

use super::edit::{addr_place, port_place};
use super::headers::{self, Facts};
use super::sum;
use crate::api::octets;
use crate::packets::{Seal, Whole};
use ipvs::addr::{Endpoint, Family};
use ipvs::packet::Side;

/// The header of an error, in bytes (RFC 792, RFC 4443 2.1).
const HEADER: usize = 8;

/// Returns where the quoted packet begins, and what it is, if it is one of a connection.
pub fn quoted(whole: &Whole) -> Option<(usize, Facts)> {
    let place = whole.transport + HEADER;
    let facts = headers::read(whole.bytes.get(place..)?).ok()?;
    let version = match whole.family {
        Family::V4 => 4,
        Family::V6 => 6,
    };
    // AH and ESP have no ports, so that any part of their datagrams will do.
    let is_known = facts.ports.is_some() || [50, 51].contains(&facts.protocol);
    (facts.version == version && is_known).then_some((place, facts))
}

/// Returns whether a type is that of an error that belongs to a connection.
pub fn is_error(family: Family, kind: u8) -> bool {
    match family {
        // Destination unreachable, source quench, time exceeded.
        Family::V4 => [3, 4, 11].contains(&kind),
        // RFC 4443 2.1: the highest bit is that of messages for information.
        Family::V6 => kind / 128 == 0,
    }
}

/// Puts an end into an error and into what it quotes, which went the other way.
pub fn put_end(whole: &mut Whole, (place, facts): &(usize, Facts), side: Side, to: Endpoint) {
    let addr = octets(to.addr);
    whole.bytes[addr_place(whole.family, side)].copy_from_slice(&addr);
    let inner = &mut whole.bytes[*place..];
    inner[addr_place(whole.family, side.other())].copy_from_slice(&addr);
    if whole.family == Family::V4 {
        inner[10..12].fill(0);
        let field = sum::field(&inner[..facts.transport]);
        inner[10..12].copy_from_slice(&field);
    }
    if facts.ports.is_some() {
        let port = port_place(side.other());
        inner[facts.transport..][port].copy_from_slice(&to.port.bytes());
    }
    whole.renew_network();
    whole.seal(Seal::Right);
}

/// A client's packet in a tunnel's packet that an error quotes.
pub struct Inside {
    /// 0: nothing lies between, 1: UDP and GUE, 2: GRE.
    pub kind: u8,
    pub port: u16,
    pub server: Vec<u8>,
    /// Where the tunnel's packet begins in the error, and the client's in it.
    pub places: (usize, usize),
    pub facts: Facts,
}

/// Returns the client's packet of which an error tells, if both are of IPv4.
pub fn inside(whole: &Whole) -> Option<Inside> {
    let place = whole.transport + HEADER;
    let bytes = whole.bytes.get(place..)?;
    let is_first = |facts: &Facts| facts.fragment.is_some_and(|(offset, _)| offset == 0);
    let outer = headers::read(bytes).ok()?;
    let rest = bytes.get(outer.transport..)?;
    let (kind, length) = match outer.protocol {
        4 => (0, 0),
        47 => match (rest.get(..2)?, rest.get(2..4)?) {
            ([0, 0], [8, 0]) => (2, 4),
            ([0x80, 0], [8, 0]) => (2, 8),
            _ => return None,
        },
        17 => match rest.get(8..12)? {
            // Version 0, data, so many words of fields; protocol 4.
            [first @ 0..=31, 4, ..] => (1, 12 + usize::from(*first) * 4),
            _ => return None,
        },
        _ => return None,
    };
    let inner = outer.transport + length;
    let facts = headers::read(bytes.get(inner..)?).ok()?;
    let are_of_ipv4 = [&outer, &facts]
        .iter()
        .all(|facts| facts.version == 4 && is_first(facts));
    (are_of_ipv4 && facts.ports.is_some()).then(|| Inside {
        kind,
        port: if kind == 1 {
            outer.ports.map_or(0, |ports| ports.1)
        } else {
            0
        },
        server: outer.dest,
        places: (place, inner),
        facts,
    })
}
