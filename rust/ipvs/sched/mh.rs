// SPDX-License-Identifier: GPL-2.0
//! Maglev hashing: the client decides, and few clients change servers when a server goes.
//!
//! Each server asks for the places of a table in an order of its own; they take turns, by weight.
//! (Eisenbud and others: Maglev, a fast and reliable software network load balancer, 3.4.)

use super::dh::numbers;
use super::{
    eligible, fold, port_of, seated, to_index, Options, Permutation, Server, Servers, NOBODY,
};
use crate::addr::{Endpoint, Family};
use crate::flow::Flow;
use crate::hash::{self, Seed};

/// The places of the table: a prime, so that every step leads through all of them.
pub(super) const PLACES: usize = 4093;
/// The same as the type of a place.
const PRIME: u32 = 4093;
/// Turns in a round have at most so many bits.
const TURN_BITS: u32 = 6;
/// From so few free places on, they are looked at rather than stumbled upon.
const LATE: usize = 32;

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
        Self {
            offset: place(digest(folded, port, &FIRST, 0)),
            skip: skip.wrapping_add(1),
        }
    }
}

/// A server on its way through the table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    number: u32,
    /// The place it has or asked for last.
    at: u32,
    skip: u32,
    /// How many places it takes in each round.
    turns: u32,
}

/// Seats the servers; returns whether there were places for all.
pub(super) fn fill(servers: &impl Servers, walks: &mut [Walk], table: &mut [u32]) -> bool {
    let (mut divisor, mut greatest, mut count) = (0, 0_u32, 0_usize);
    for number in numbers(servers) {
        let weight = servers
            .server(to_index(number))
            .map_or(0, Server::last_weight);
        divisor = super::greatest_common_divisor(weight, divisor);
        greatest = greatest.max(weight);
        count = count.saturating_add(1);
    }
    if count > PLACES {
        return false;
    }
    table.fill(NOBODY);
    let Some(turns) = greatest.checked_div(divisor) else {
        return true;
    };
    let bits = u32::BITS.wrapping_sub(turns.leading_zeros());
    let shift = bits.saturating_sub(TURN_BITS);
    for (walk, number) in walks.iter_mut().zip(numbers(servers)) {
        let Some(server) = servers.server(to_index(number)) else {
            continue;
        };
        let Permutation { offset, skip } = server.permutation();
        let weight = server.last_weight();
        let turns = weight.checked_div(divisor).unwrap_or(0).wrapping_shr(shift);
        *walk = Walk {
            number,
            at: offset,
            skip,
            turns: if weight == 0 { 0 } else { turns.max(1) },
        };
    }
    seat(walks, table);
    true
}

/// Has the servers take turns until every place is taken. Somebody has a turn.
fn seat(walks: &mut [Walk], table: &mut [u32]) {
    let mut free = table.len();
    let mut late = Late::default();
    while free > 0 {
        for walk in &mut *walks {
            for _ in 0..walk.turns {
                if free > LATE {
                    walk.stumble(table);
                } else {
                    if late.len == 0 {
                        late = Late::of(table);
                    }
                    late.take(walk, table);
                }
                free = free.wrapping_sub(1);
                if free == 0 {
                    return;
                }
            }
        }
    }
}

impl Walk {
    /// Goes on from place to place until one is free, and takes it.
    fn stumble(&mut self, table: &mut [u32]) {
        loop {
            match table.get_mut(to_index(self.at)) {
                Some(place) if *place == NOBODY => {
                    *place = self.number;
                    return;
                }
                Some(_) => {}
                None => return,
            }
            let next = self.at.wrapping_add(self.skip);
            self.at = if next >= PRIME {
                next.wrapping_sub(PRIME)
            } else {
                next
            };
        }
    }

    /// How many steps a place is away.
    fn steps(&self, place: u32, inverse: u32) -> u32 {
        let distance = place.wrapping_add(PRIME).wrapping_sub(self.at);
        distance.wrapping_mul(inverse) % PRIME
    }
}

/// The last places that are free.
#[derive(Default)]
struct Late {
    places: [u32; LATE],
    len: usize,
}

impl Late {
    /// Lists the free places of a table, which are no more than fit.
    fn of(table: &[u32]) -> Self {
        let mut late = Late::default();
        let free = (0..PRIME)
            .zip(table)
            .filter(|(_, number)| **number == NOBODY);
        for (room, (place, _)) in late.places.iter_mut().zip(free) {
            *room = place;
            late.len = late.len.saturating_add(1);
        }
        late
    }

    /// Gives a server the free place that it would have come to first.
    ///
    /// It need not go there: nothing on its way is free any more.
    fn take(&mut self, walk: &Walk, table: &mut [u32]) {
        let inverse = inverse(walk.skip);
        let places = self.places.iter().take(self.len);
        let nearest = (0..self.len).zip(places);
        let Some((index, place)) = nearest
            .min_by_key(|(_, place)| walk.steps(**place, inverse))
            .map(|(index, place)| (index, *place))
        else {
            return;
        };
        if let Some(seat) = table.get_mut(to_index(place)) {
            *seat = walk.number;
        }
        self.len = self.len.saturating_sub(1);
        let last = self.places.get(self.len).copied().unwrap_or(0);
        if let Some(gap) = self.places.get_mut(index) {
            *gap = last;
        }
    }
}

/// The number that times `value` leaves 1: its power to two less than the prime (Fermat).
fn inverse(value: u32) -> u32 {
    let (mut result, mut power, mut exponent) = (1_u32, value, PRIME - 2);
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = result.wrapping_mul(power) % PRIME;
        }
        power = power.wrapping_mul(power) % PRIME;
        exponent >>= 1;
    }
    result
}

/// Picks the server at the client's place; with the fallback, one at another hash of the client.
pub(super) fn pick(servers: &impl Servers, flow: &Flow, options: Options) -> Option<usize> {
    let (folded, port) = (fold(flow.family, flow.source.addr), port_of(flow, options));
    let place = |offset| place(digest(folded, port, &FIRST, offset));
    let first = place(0);
    let number = seated(servers.table(), to_index(first))?;
    if takes(servers, number) {
        return Some(number);
    }
    if !options.fallback {
        return None;
    }
    for step in 0..PRIME {
        let offset = step.wrapping_add(first) % PRIME;
        let number = seated(servers.table(), to_index(place(offset)))?;
        if takes(servers, number) {
            return Some(number);
        }
    }
    None
}

fn takes(servers: &impl Servers, number: usize) -> bool {
    servers.server(number).is_some_and(eligible)
}
