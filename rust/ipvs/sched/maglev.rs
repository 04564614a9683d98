// SPDX-License-Identifier: GPL-2.0
//! How servers come to their places in mh's table.
//!
//! Each server asks for the places in an order of its own; they take turns, by weight, and who has
//! a turn takes the first place in its order that is free. (Eisenbud and others: Maglev, a fast and
//! reliable software network load balancer, 3.4.)
//!
//! Where one server of many changed, most turns end as they did before. A run through the table
//! then follows the one before it turn by turn: where the same places are free in both, a turn ends
//! as it did. Where they differ, a place that is free only here is a gap, which whoever
//! was once refused there takes; and who finds its place taken goes on from there.

use super::{greatest_common_divisor, join, split, visit_newest, Server, Servers, NOBODY};
use core::cell::Cell;
use core::mem::take;
use core::ops::ControlFlow;
use gaps::GAPS;
use run::Run;

mod afresh;
mod gaps;
mod run;
mod turns;

pub use gaps::Marks;

/// The places of the table: a prime, so that every step leads through all of them.
pub const PLACES: usize = 4093;
/// The same as the type of a place.
const PRIME: u16 = 4093;
/// Turns in a round have at most so many bits.
const TURN_BITS: u32 = 6;
/// With refusals known of fewer turns, following does not pay.
const KNOWN: usize = PLACES - GAPS - 160;
/// With fewer servers, one of them means too much to a table for the next one to follow it.
pub const FEW: usize = 256;
/// If a server's turns become so many more or fewer, the next table is made afresh.
const MANY: u64 = 24;

/// The order in which a server asks for the places of the table: see [`Permutation::of`].
///
/// In one word, as it is compared for each server: from the top 16 bits of `skip`, 16 of `offset`,
/// 32 of how far, in that order, the place next to a place is, as a fraction of all places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permutation(u64);

impl Permutation {
    /// Returns the order that begins at a place and goes on in steps of `skip`, which is not 0.
    pub fn new(offset: u16, skip: u16) -> Self {
        const MODULUS: u64 = 4093;
        let share = u64::from(inverse(skip)).wrapping_shl(u32::BITS);
        let rate = u32::try_from(share / MODULUS).unwrap_or(0);
        let ends = u32::from(skip).wrapping_shl(16) | u32::from(offset);
        Self(join(ends, rate))
    }

    /// Returns the place it wants first.
    pub fn offset(self) -> u16 {
        let [_, _, _, _, low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Returns how far the next is from each, round the table.
    pub fn skip(self) -> u16 {
        let [.., low, high] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Returns a number that is the higher the later the server asks for a place.
    fn key(self, place: u16) -> u32 {
        // Half of the distance between two keys, so that rounding does not lead below 0.
        const HALF: u32 = 1 << 19;
        let (_, rate) = split(self.0);
        u32::from(place)
            .wrapping_sub(u32::from(self.offset()))
            .wrapping_mul(rate)
            .wrapping_add(HALF)
    }
}

/// The number that times `value` leaves 1: its power to two less than the prime (Fermat).
fn inverse(value: u16) -> u32 {
    const MODULUS: u32 = 4093;
    let (mut result, mut power, mut exponent) = (1_u32, u32::from(value), PRIME - 2);
    while exponent != 0 {
        if exponent & 1 != 0 {
            result = result.wrapping_mul(power) % MODULUS;
        }
        power = power.wrapping_mul(power) % MODULUS;
        exponent >>= 1;
    }
    result
}

/// A server on its way through the table.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    way: Permutation,
    /// What stands for the server in the table.
    seat: u16,
    weight: u32,
    /// How many places it takes in each round.
    turns: u32,
    /// The place it asks for next, where a run needs that.
    at: Cell<u16>,
    /// See [`Marks`].
    mark: u8,
}

/// What a table is filled with, and what is kept of that for the next one.
#[derive(Default)]
pub struct Memory<'a> {
    /// As many as there are servers.
    pub walks: &'a mut [Walk],
    /// Room for the places in the order in which they are taken: [`PLACES`] of them; none if no
    /// table is to follow this one.
    pub order: &'a mut [u16],
    /// Who was refused at each place, and maybe more: [`PLACES`] of them, or none.
    pub refused: &'a mut [Marks],
    /// The run before, if `refused` is what that left.
    pub past: Past<'a>,
}

/// A run through a table of almost the same servers.
#[derive(Clone, Copy, Default)]
pub struct Past<'a> {
    /// See [`Memory::walks`].
    pub walks: &'a [Walk],
    /// See [`Memory::order`].
    pub order: &'a [u16],
    /// What [`fill`](super::Scheduler::fill) returned.
    pub kept: Kept,
}

/// What the next run has to know of one, besides what it left in the memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// For how many turns all refusals are known; 0 if the run is of no use.
    pub known: usize,
    scale: Scale,
}

/// How turns come from weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scale {
    divisor: u32,
    shift: u32,
}

impl Scale {
    /// Returns how many turns a weight gives.
    fn turns(self, weight: u32) -> u32 {
        let share = weight.checked_div(self.divisor).unwrap_or(0);
        share.wrapping_shr(self.shift).max(weight.min(1))
    }
}

/// Seats the servers at a table that is free; returns what the next run has to know.
///
/// `None` if there are more servers than places.
pub(super) fn fill(
    servers: &impl Servers,
    memory: &mut Memory<'_>,
    table: &mut [u16],
) -> Option<Kept> {
    if memory.walks.len() > PLACES {
        return None;
    }
    let past = take(&mut memory.past);
    let (scale, change) = prepare(servers, memory.walks, &past)?;
    if memory.walks.iter().all(|walk| walk.turns == 0) {
        return Some(Kept::default());
    }
    let is_kept = memory.order.len() == PLACES && memory.refused.len() == PLACES;
    if let Some(change) = change.filter(|_| is_kept) {
        if let Some(known) = Run::of(memory, &past, table).through(&change) {
            return Some(Kept { known, scale });
        }
        table.fill(NOBODY);
    }
    let known = afresh::fill(memory, table)?;
    Some(match is_kept {
        true => Kept { known, scale },
        false => Kept::default(),
    })
}

/// Notes all servers and their turns; returns how they come from weights, and what changed since a
/// run that can be followed. `None` if not everybody can be named in a table.
fn prepare(
    servers: &impl Servers,
    walks: &mut [Walk],
    past: &Past<'_>,
) -> Option<(Scale, Option<Change>)> {
    let (mut divisor, mut greatest) = (0, 0);
    let mut rest = walks.iter_mut();
    let _ = visit_newest(servers, |seat, server| {
        let Some(walk) = rest.next() else {
            return ControlFlow::Break(());
        };
        let (weight, way) = (server.last_weight(), server.permutation());
        if divisor != 1 {
            divisor = greatest_common_divisor(weight, divisor);
        }
        greatest = greatest.max(weight);
        (walk.way, walk.seat) = (way, seat);
        (walk.weight, walk.turns, walk.mark) = (weight, weight, Marks::of(way));
        ControlFlow::Continue(())
    });
    if rest.len() != 0 {
        return None;
    }
    let most = greatest.checked_div(divisor).unwrap_or(0);
    let bits = u32::BITS.wrapping_sub(most.leading_zeros());
    let shift = bits.saturating_sub(TURN_BITS);
    let scale = Scale { divisor, shift };
    if divisor != 1 || shift != 0 {
        for walk in &mut *walks {
            walk.turns = scale.turns(walk.weight);
        }
    }
    let is_followed = past.kept.known >= KNOWN && past.kept.scale == scale;
    let change = is_followed.then(|| Change::between(past.walks, walks));
    Some((
        scale,
        change.flatten().filter(|change| !change.is_large(walks)),
    ))
}

/// In what the servers differ from those of the run before: in one at most.
#[derive(Default)]
struct Change {
    /// Where that one is now, or was.
    at: usize,
    /// How many turns it had in the run before.
    had: u32,
    /// How many it has now; none if it is gone.
    has: Option<u32>,
}

impl Change {
    /// Returns whether too many places change hands.
    fn is_large(&self, walks: &[Walk]) -> bool {
        let turns = walks.iter().map(|walk| u64::from(walk.turns));
        let round = turns.fold(0, u64::wrapping_add);
        let more = u64::from(self.had.abs_diff(self.has.unwrap_or(0)));
        more.saturating_mul(u64::from(PRIME)) > MANY.saturating_mul(round)
    }

    /// `None` if they differ too much.
    fn between(old: &[Walk], new: &[Walk]) -> Option<Self> {
        let is_same = |old: &Walk, new: &Walk| old.way == new.way && old.weight == new.weight;
        let pairs = old.iter().zip(new);
        let at = pairs.take_while(|(old, new)| is_same(old, new)).count();
        let (old, new) = (old.get(at..)?, new.get(at..)?);
        let gone = usize::from(old.len() >= new.len()).min(old.len());
        let come = usize::from(new.len() >= old.len()).min(new.len());
        let (old, old_rest) = old.split_at_checked(gone)?;
        let (new, new_rest) = new.split_at_checked(come)?;
        let mut pairs = old_rest.iter().zip(new_rest);
        if old_rest.len() != new_rest.len() || !pairs.all(|(old, new)| is_same(old, new)) {
            return None;
        }
        // Where it is another server, too, nothing that the one did tells of the other.
        let mut pairs = old.iter().zip(new);
        if pairs.any(|(old, new)| old.way != new.way) {
            return None;
        }
        Some(Self {
            at,
            had: old.first().map_or(0, |walk| walk.turns),
            has: new.first().map(|walk| walk.turns),
        })
    }
}
