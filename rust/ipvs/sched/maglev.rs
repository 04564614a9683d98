// SPDX-License-Identifier: GPL-2.0
//! How servers come to their places in mh's table.
//!
//! Each server asks for the places in an order of its own; they take turns, by weight, and who has
//! a turn takes the first place in its order that is free. (Eisenbud and others: Maglev, a fast and
//! reliable software network load balancer, 3.4.)
//!
//! Where one server of many changed, most turns end as they did before. A run through the table
//! then follows the one before it and looks only at the turns that end differently. If a server
//! lost turns ([`fewer`]), the places of those are gaps, which whoever was once refused there takes;
//! what that had before is a gap then. If one got more turns ([`more`]), it takes places that were
//! others' later, who find them taken and go on from there to take somebody else's.

use super::{greatest_common_divisor, join, split, visit_newest, Server, Servers, NOBODY};
use core::cell::Cell;
use core::mem::take;
use core::ops::ControlFlow;
use few::FEW_AT_MOST;
use run::Run;

mod afresh;
mod few;
mod fewer;
mod marks;
mod more;
mod run;
mod turns;

pub use marks::Marks;

/// The places of the table: a prime, so that every step leads through all of them.
pub const PLACES: usize = 4093;
/// The same as the type of a place.
const PRIME: u16 = 4093;
/// Room for so many numbers, one for each place and some that are not used.
pub const TIMES: usize = 4096;
/// Turns in a round have at most so many bits.
const TURN_BITS: u32 = 6;
/// With refusals known of fewer turns, following does not pay.
const KNOWN: usize = PLACES - FEW_AT_MOST - 160;
/// With fewer servers, one of them means too much to a table for the next one to follow it.
pub const FEW: usize = 256;
/// So many tables follow one another before one is made afresh: what is noted of refusals grows,
/// and lets more and more look in vain.
const OLD: u32 = 40;
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
    weight: u32,
    /// How many turns those ahead of it have in each round.
    ahead: u32,
    /// What stands for the server in the table.
    seat: u16,
    /// The place it asks for next, where a run needs that.
    at: Cell<u16>,
    /// How many places it takes in each round.
    turns: u8,
}

impl Walk {
    /// Returns how many turns of a round are behind after its own.
    fn end(&self) -> u32 {
        self.ahead.wrapping_add(u32::from(self.turns))
    }
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
    /// Room for a number for each place, [`TIMES`] of them, or none; not kept.
    pub times: &'a mut [u16],
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
    /// The table that it filled.
    pub table: &'a [u16],
    /// What [`fill`](super::Scheduler::fill) returned.
    pub kept: Kept,
}

/// What the next run has to know of one, besides what it left in the memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// For how many turns all refusals are known; 0 if the run is of no use.
    known: usize,
    /// How many tables, up to this one, followed the one before.
    pub followed: u32,
    scale: Scale,
}

/// How turns come from weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scale {
    divisor: u32,
    shift: u32,
}

impl Scale {
    /// Returns how many turns a weight gives: of [`TURN_BITS`].
    fn turns(self, weight: u32) -> u8 {
        let share = weight.checked_div(self.divisor).unwrap_or(0);
        let turns = share.wrapping_shr(self.shift).max(weight.min(1));
        u8::try_from(turns).unwrap_or(u8::MAX)
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
    let (scale, round) = prepare(servers, memory.walks)?;
    if round == 0 {
        return Some(Kept::default());
    }
    let is_kept = memory.order.len() == PLACES && memory.refused.len() == PLACES;
    let Kept {
        known, followed, ..
    } = past.kept;
    let is_fit = known >= KNOWN && followed < OLD && past.kept.scale == scale;
    if is_kept && is_fit && past.table.len() == table.len() {
        let change = Change::between(past.walks, memory.walks);
        if let Some(change) = change.filter(|change| !change.is_large(round)) {
            if let Some(known) = follow(memory, &past, &change, table) {
                return Some(Kept {
                    known,
                    followed: followed.wrapping_add(1),
                    scale,
                });
            }
            table.fill(NOBODY);
        }
    }
    let known = afresh::fill(memory, table)?;
    Some(match is_kept {
        true => Kept {
            known,
            followed: 0,
            scale,
        },
        false => Kept::default(),
    })
}

/// Fills a table that differs little from the one before; returns of how many turns all refusals
/// are known. `None` if it differs too much.
fn follow(
    memory: &mut Memory<'_>,
    past: &Past<'_>,
    change: &Change,
    table: &mut [u16],
) -> Option<usize> {
    let run = Run::of(memory, past, change, table)?;
    let (had, has) = change.turns();
    match has > had {
        true => more::fill(run, change),
        false => fewer::fill(run, change),
    }
}

/// Notes all servers; returns how their turns come from weights, and how many a round has. `None`
/// if not everybody can be named in a table.
fn prepare(servers: &impl Servers, walks: &mut [Walk]) -> Option<(Scale, u32)> {
    let (mut divisor, mut greatest, mut round) = (0, 0, 0_u32);
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
        (walk.way, walk.seat, walk.weight) = (way, seat, weight);
        // What is right for most services.
        [walk.turns, ..] = weight.to_le_bytes();
        walk.ahead = round;
        round = round.wrapping_add(weight);
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
        round = 0;
        for walk in walks {
            walk.turns = scale.turns(walk.weight);
            walk.ahead = round;
            round = round.wrapping_add(u32::from(walk.turns));
        }
    }
    Some((scale, round))
}

/// Copies as many numbers as there are in both.
fn copy(from: &[u16], to: &mut [u16]) {
    const SOME: usize = 16;
    let (mut from, mut to) = (from.chunks(SOME), to.chunks_mut(SOME));
    for (from, to) in from.by_ref().zip(to.by_ref()) {
        match (
            <&[u16; SOME]>::try_from(from),
            <&mut [u16; SOME]>::try_from(&mut *to),
        ) {
            (Ok(from), Ok(to)) => *to = *from,
            _ => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
        }
    }
}

/// In what the servers differ from those of the run before: in one at most.
#[derive(Default)]
struct Change {
    /// Where that one is now, or was.
    at: usize,
    /// How many turns it had in the run before; none if it is new.
    had: Option<u8>,
    /// How many it has now; none if it is gone.
    has: Option<u8>,
}

impl Change {
    /// Returns how many turns it had, and has.
    fn turns(&self) -> (usize, usize) {
        let turns = |turns: Option<u8>| turns.map_or(0, usize::from);
        (turns(self.had), turns(self.has))
    }

    /// Returns whether too many places change hands.
    fn is_large(&self, round: u32) -> bool {
        let (had, has) = self.turns();
        let places = had.abs_diff(has).saturating_mul(PLACES);
        u64::try_from(places).unwrap_or(u64::MAX) > MANY.saturating_mul(u64::from(round))
    }

    /// `None` if they differ too much.
    fn between(old: &[Walk], new: &[Walk]) -> Option<Self> {
        let is_same = |old: &Walk, new: &Walk| old.way == new.way && old.weight == new.weight;
        let pairs = old.iter().zip(new);
        let at = pairs.take_while(|(old, new)| is_same(old, new)).count();
        let (had, has) = (old.len() >= new.len(), new.len() >= old.len());
        let had = old.get(at).filter(|_| had);
        let has = new.get(at).filter(|_| has);
        // Where it is another server, too, nothing that the one did tells of the other.
        if had.zip(has).is_some_and(|(old, new)| old.way != new.way) {
            return None;
        }
        let old = old.get(at.saturating_add(usize::from(had.is_some()))..)?;
        let new = new.get(at.saturating_add(usize::from(has.is_some()))..)?;
        let mut pairs = old.iter().zip(new);
        let is_rest_same = pairs.all(|(old, new)| is_same(old, new));
        (old.len() == new.len() && is_rest_same).then_some(Self {
            at,
            had: had.map(|walk| walk.turns),
            has: has.map(|walk| walk.turns),
        })
    }
}
