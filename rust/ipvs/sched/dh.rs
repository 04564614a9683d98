// SPDX-License-Identifier: GPL-2.0
//! Destination hashing: the address that clients ask for decides.

use super::{eligible, fold, hash32, seated, visit_newest, Servers};
use crate::flow::Flow;
use core::ops::ControlFlow;

const BITS: u32 = 8;
/// The places of the table.
pub(super) const PLACES: usize = 1 << BITS;

/// Seats the servers one after the other, the newest first, whatever their weight.
pub(super) fn fill(servers: &impl Servers, table: &mut [u16]) {
    go_round(servers, table, |_| 1);
}

/// Seats each server as often in a row as `times` says, the newest first, and round again.
pub(super) fn go_round<S: Servers>(
    servers: &S,
    table: &mut [u16],
    times: impl Fn(&S::Server) -> u32,
) {
    let (mut rest, mut left) = (table.iter_mut(), usize::MAX);
    // A round that seats nobody is the last one.
    while rest.len() < left {
        left = rest.len();
        let _ = visit_newest(servers, |seat, server| {
            for _ in 0..times(server) {
                *rest
                    .next()
                    .map_or(ControlFlow::Break(()), ControlFlow::Continue)? = seat;
            }
            ControlFlow::Continue(())
        });
    }
}

/// Picks the server at the address's place, if it takes connections.
pub(super) fn pick(servers: &impl Servers, flow: &Flow) -> Option<usize> {
    let place = hash32(fold(flow.family(), flow.dest.addr), BITS);
    let number = seated(servers, place)?;
    servers
        .server(number)
        .is_some_and(eligible)
        .then_some(number)
}
