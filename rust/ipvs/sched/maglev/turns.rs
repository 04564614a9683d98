// SPDX-License-Identifier: GPL-2.0
//! Whose turn it is.

use super::run::Lure;
use super::{Walk, PLACES};
use crate::sched::NOBODY;

/// Turns to come: of each server as many as it has in a round, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Turns<'w> {
    walks: &'w [Walk],
    /// How many of its turns the first of them took.
    taken: u32,
    /// How many there are; as many as places at most, as nobody gets more.
    pub(super) len: usize,
    /// Everybody has one.
    pub(super) is_single: bool,
}

impl<'w> Turns<'w> {
    /// A round of them.
    pub(super) fn of(walks: &'w [Walk]) -> Self {
        let turns = walks.iter().map(|walk| u64::from(walk.turns));
        let sum = turns.fold(0, u64::wrapping_add);
        let len = usize::try_from(sum).unwrap_or(PLACES);
        Self {
            walks,
            taken: 0,
            len: len.min(PLACES),
            is_single: len == walks.len() && walks.iter().all(|walk| walk.turns == 1),
        }
    }

    /// What is left of a round when so many turns were taken, in this round and those before.
    pub(super) fn after(mut self, turns: usize) -> Self {
        let taken = turns.checked_rem(self.len).unwrap_or(0);
        self.len = self.len.saturating_sub(taken);
        self.taken = u32::try_from(taken).unwrap_or(0);
        while let [walk, later @ ..] = self.walks {
            let Some(taken) = self.taken.checked_sub(walk.turns) else {
                break;
            };
            (self.walks, self.taken) = (later, taken);
        }
        self
    }

    /// Returns whose turn is the next.
    pub(super) fn take(&mut self) -> Option<&'w Walk> {
        self.len = self.len.checked_sub(1)?;
        loop {
            let (walk, later) = self.walks.split_first()?;
            let taken = self.taken.wrapping_add(1);
            (self.walks, self.taken) = match taken < walk.turns {
                true => (self.walks, taken),
                false => (later, 0),
            };
            if taken <= walk.turns {
                return Some(walk);
            }
        }
    }

    /// Has servers take the places in `past` up to the first that is not free or whose server
    /// would rather have a gap; returns how many.
    ///
    /// `LURED` if there are gaps: then all of the places are free.
    #[inline(never)]
    pub(super) fn take_like<const LURED: bool>(
        &mut self,
        past: &[u16],
        lure: &Lure<'_>,
        table: &mut [u16],
    ) -> usize {
        let (mut passed, mut taken, mut rest) = (0_usize, self.taken, past);
        for walk in self.walks {
            let left = usize::try_from(walk.turns.saturating_sub(taken)).unwrap_or(PLACES);
            let (now, later) = rest.split_at_checked(left).unwrap_or((rest, &[]));
            let count = match LURED {
                true if lure.draws(walk) => {
                    walk.seat_at(now, table, |place, _| lure.gaps.tempt(walk.way, place))
                }
                true => walk.seat_at(now, table, |_, _| false),
                false => walk.seat_at(now, table, |_, seat| seat != NOBODY),
            };
            if count != left {
                taken = taken.wrapping_add(u32::try_from(count).unwrap_or(0));
                rest = rest.get(count..).unwrap_or_default();
                break;
            }
            (passed, taken, rest) = (passed.wrapping_add(1), 0, later);
        }
        let count = past.len().saturating_sub(rest.len());
        self.walks = self.walks.get(passed..).unwrap_or_default();
        self.taken = taken;
        self.len = self.len.saturating_sub(count);
        count
    }

    /// The same where everybody has one turn: fewer instructions, and what most services need.
    #[inline(never)]
    pub(super) fn take_singly<const LURED: bool>(
        &mut self,
        past: &[u16],
        lure: &Lure<'_>,
        table: &mut [u16],
    ) -> usize {
        let mut count = 0_usize;
        for (walk, place) in self.walks.iter().zip(past) {
            let Some(seat) = table.get_mut(usize::from(*place)) else {
                break;
            };
            let is_stopped = match LURED {
                true => lure.draws(walk) && lure.gaps.tempt(walk.way, *place),
                false => *seat != NOBODY,
            };
            if is_stopped {
                break;
            }
            *seat = walk.seat;
            count = count.wrapping_add(1);
        }
        self.walks = self.walks.get(count..).unwrap_or_default();
        self.len = self.len.saturating_sub(count);
        count
    }
}

impl Walk {
    /// Has the server take places up to the first that `stops`, which is shown who sits there;
    /// returns how many.
    #[inline(always)]
    fn seat_at(
        &self,
        places: &[u16],
        table: &mut [u16],
        stops: impl Fn(u16, u16) -> bool,
    ) -> usize {
        let own = self.seat;
        let stop = places.iter().position(|place| {
            let seat = table.get_mut(usize::from(*place));
            let free = seat.filter(|seat| !stops(*place, **seat));
            free.map(|seat| *seat = own).is_none()
        });
        stop.unwrap_or(places.len())
    }
}
