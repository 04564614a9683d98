// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about packets of tunnels: the client's packet inside is found, and nothing else.

use crate::api::{self, octets};
use crate::packets::Whole;
use crate::slow::icmp::{inside as slow, Inside};
use ipvs::packet::outer::{inside, mtu_inside};
use ipvs::packet::parse;

/// Looks into an error; returns what is there.
pub fn check(error: &Whole) -> Option<Inside> {
    let packet = parse(&error.bytes, error.bytes.len() as u32).expect("a whole packet");
    let found = inside(&error.bytes, &packet);
    let listed = slow(error);
    assert_eq!(found.is_some(), listed.is_some());
    let (found, listed) = (found?, listed?);
    assert_eq!((found.kind, found.port.host()), (listed.kind, listed.port));
    assert_eq!(octets(found.server), listed.server);
    assert_eq!((found.outer as usize, found.inner as usize), listed.places);
    assert_eq!(found.dont_fragment, !listed.facts.may_be_cut);
    let client = api::packet(&listed.facts);
    api::assert_same_conn(Some(found.flow), &client, &listed.facts);
    let header = &error.bytes[error.transport..error.transport + 8];
    assert_eq!((found.error.kind, found.error.code), (header[0], header[1]));
    assert_eq!(found.error.rest, header[4..8]);
    // RFC 1191: type 3, code 4, and the size in the last two bytes.
    let size = u32::from(header[6]) * 256 + u32::from(header[7]);
    let mtu = (header[..2] == [3, 4]).then_some(size);
    assert_eq!(found.error.mtu(), mtu);
    let front = found.inner;
    let left = if size > 68 + front {
        size - front
    } else {
        size
    };
    assert_eq!(mtu_inside(size, &found), left);
    let other = found.error.with_mtu(left);
    assert_eq!(
        (other.kind, other.code, other.rest),
        (header[0], header[1], left.to_be_bytes())
    );
    Some(listed)
}
