// SPDX-License-Identifier: GPL-2.0
//! Maglev hashing: the client decides, and few clients change servers when a server goes.
//!
//! How the table is filled: see [`super::maglev`].

use super::maglev::Permutation;
use super::{eligible, fold, port_of, seated, to_index, Options, Servers};
use crate::addr::{Endpoint, Family};
use crate::flow::Flow;
use crate::hash::{self, Seed};

/// [`PLACES`](super::maglev::PLACES) as the type of a hash.
const PRIME: u32 = 4093;

const FIRST: Seed = Seed([2_654_435_761; 2]);
const SECOND: Seed = Seed([2_654_446_892; 2]);

/// Hashes an address and a port; `offset` gives another hash of the same.
fn digest(folded: u32, port: u32, seed: &Seed, offset: u32) -> u32 {
    let value = offset.wrapping_add(port).wrapping_add(folded);
    // C hashes the bytes as they are in memory.
    hash::short(seed, u32::from_le_bytes(value.to_ne_bytes()))
}

/// The place of a table that a hash means.
fn place(hash: u32) -> u32 {
    hash % PRIME
}

impl Permutation {
    /// Returns the way of a server with this address and port, in a service of `family`.
    pub fn of(family: Family, server: Endpoint) -> Self {
        let folded = fold(family, server.addr);
        let port = u32::from(server.port.host());
        let skip = digest(folded, port, &SECOND, 0) % (PRIME - 1);
        let offset = place(digest(folded, port, &FIRST, 0));
        let narrow = |value: u32| u16::try_from(value).unwrap_or(0);
        Self::new(narrow(offset), narrow(skip.wrapping_add(1)))
    }
}

/// Picks the server at the client's place; with the fallback, one at another hash of the client.
pub(super) fn pick(servers: &impl Servers, flow: &Flow, options: Options) -> Option<usize> {
    let (folded, port) = (
        fold(flow.family(), flow.source.addr),
        port_of(flow, options),
    );
    let place = |offset| place(digest(folded, port, &FIRST, offset));
    let first = place(0);
    let number = seated(servers, to_index(first))?;
    if takes(servers, number) {
        return Some(number);
    }
    if !options.fallback {
        return None;
    }
    for step in 0..PRIME {
        let offset = step.wrapping_add(first) % PRIME;
        let number = seated(servers, to_index(place(offset)))?;
        if takes(servers, number) {
            return Some(number);
        }
    }
    None
}

fn takes(servers: &impl Servers, number: usize) -> bool {
    servers.server(number).is_some_and(eligible)
}
