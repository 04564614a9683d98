// SPDX-License-Identifier: GPL-2.0
//! Source hashing: the client's address decides, and its port if the service wants that.

use super::dh::go_round;
use super::{eligible, fold, hash32, port_of, seated, Options, Server, Servers};
use crate::flow::Flow;

const BITS: u32 = 8;
/// The places of the table.
pub(super) const PLACES: usize = 1 << BITS;

/// Seats each server as often in a row as it has weight, at least once, and round again.
pub(super) fn fill(servers: &impl Servers, table: &mut [u16]) {
    go_round(servers, table, |server| server.weight().max(1));
}

/// Picks the server at the client's place; with the fallback, the next that takes connections.
pub(super) fn pick(servers: &impl Servers, flow: &Flow, options: Options) -> Option<usize> {
    let key = port_of(flow, options).wrapping_add(fold(flow.family(), flow.source.addr));
    let hash = hash32(key, BITS);
    let number = seated(servers, hash)?;
    if takes(servers, number) {
        return Some(number);
    }
    if !options.fallback {
        return None;
    }
    // C's search begins at twice the place, for whatever reason, and goes round once.
    for offset in 0..PLACES {
        let place = hash.wrapping_mul(2).wrapping_add(offset) % PLACES;
        let number = seated(servers, place)?;
        if takes(servers, number) {
            return Some(number);
        }
    }
    None
}

fn takes(servers: &impl Servers, number: usize) -> bool {
    servers.server(number).is_some_and(eligible)
}
