// SPDX-License-Identifier: GPL-2.0
//! Destination hashing: the address that clients ask for decides.

use super::{eligible, fold, hash32, number_of, seated, Servers, NOBODY};
use crate::flow::Flow;

const BITS: u32 = 8;
/// The places of the table.
pub(super) const PLACES: usize = 1 << BITS;

/// Seats the servers one after the other, the newest first, whatever their weight.
pub(super) fn fill(servers: &impl Servers, table: &mut [u32]) {
    let mut order = numbers(servers).cycle();
    for place in table {
        *place = order.next().unwrap_or(NOBODY);
    }
}

/// The numbers of all servers, the newest first.
pub(super) fn numbers<S: Servers>(servers: &S) -> impl Iterator<Item = u32> + Clone + '_ {
    let groups = (0..servers.groups()).rev();
    groups.flat_map(|group| {
        let slots = (0..servers.group(group).len()).rev();
        slots.map(move |slot| u32::try_from(number_of(group, slot)).unwrap_or(NOBODY))
    })
}

/// Picks the server at the address's place, if it takes connections.
pub(super) fn pick(servers: &impl Servers, flow: &Flow) -> Option<usize> {
    let place = hash32(fold(flow.family, flow.dest.addr), BITS);
    let number = seated(servers.table(), place)?;
    servers
        .server(number)
        .is_some_and(eligible)
        .then_some(number)
}
