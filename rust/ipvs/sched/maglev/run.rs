// SPDX-License-Identifier: GPL-2.0
//! What runs through mh's table that follow the one before have in common.

use super::marks::Marks;
use super::turns::{holder, round_of};
use super::{copy, Change, Memory, Past, Walk, PLACES};
use core::mem::take;

/// A run that follows another. Turns are counted as in that one, from 0.
pub(super) struct Run<'a> {
    /// The table of the run before, with the seats of now; in the end, of this one.
    table: &'a mut [u16],
    /// See [`Memory::refused`].
    pub(super) refused: &'a mut [Marks],
    /// See [`Memory::times`].
    pub(super) times: &'a mut [u16],
    /// The servers of the run before.
    old: &'a [Walk],
    pub(super) walks: &'a [Walk],
    /// How many turns a round had in the run before.
    pub(super) round: usize,
    /// What the turns took in the run before.
    pub(super) before: &'a [u16],
    /// How many of those are behind.
    pub(super) behind: usize,
    /// What the turns to come take.
    order: &'a mut [u16],
    /// What the last turn took.
    pub(super) latest: u16,
    /// From this turn on it is not known who was refused where.
    pub(super) known: usize,
}

impl<'a> Run<'a> {
    /// A run that follows another, if that took places.
    pub(super) fn of(
        memory: &'a mut Memory<'_>,
        past: &Past<'a>,
        change: &Change,
        table: &'a mut [u16],
    ) -> Option<Self> {
        let round = usize::try_from(round_of(past.walks)).ok()?;
        if past.order.len() != PLACES || round == 0 {
            return None;
        }
        copy(past.table, table);
        let mut run = Self {
            table,
            refused: memory.refused,
            times: memory.times,
            old: past.walks,
            walks: memory.walks,
            round,
            before: past.order,
            behind: 0,
            order: memory.order,
            latest: 0,
            known: past.kept.known,
        };
        let (first, old) = run.old.split_at_checked(change.at)?;
        let (same, new) = run.walks.split_at_checked(change.at)?;
        run.move_seats(first, same)?;
        match (change.had, change.has) {
            (Some(_), None) => run.move_seats(old.get(1..)?, new)?,
            (None, Some(_)) => run.move_seats(old, new.get(1..)?)?,
            _ => run.move_seats(old, new)?,
        }
        Some(run)
    }

    /// Has everybody sit on what stands for it now.
    fn move_seats(&mut self, old: &[Walk], new: &[Walk]) -> Option<()> {
        for (old, new) in old.iter().zip(new) {
            if old.seat == new.seat {
                continue;
            }
            let mut turn = usize::try_from(old.ahead).ok()?;
            while let Some(rest) = self.before.get(turn..) {
                for place in rest.iter().take(usize::from(old.turns)) {
                    *self.table.get_mut(usize::from(*place))? = new.seat;
                }
                turn = turn.saturating_add(self.round);
            }
        }
        Some(())
    }

    /// Returns who had a turn, where nobody is gone, and where its turns of that round end.
    pub(super) fn holder(&self, turn: usize, change: &Change) -> Option<(&'a Walk, usize)> {
        let own = u32::try_from(turn.checked_rem(self.round)?).ok()?;
        let index = holder(self.old, own)?;
        let left = self.old.get(index)?.end().checked_sub(own)?;
        let end = turn.checked_add(usize::try_from(left).ok()?)?;
        let index = match change.had {
            // Somebody came before it.
            None if index >= change.at => index.wrapping_add(1),
            _ => index,
        };
        Some((self.walks.get(index)?, end))
    }

    /// Has all turns before `turn` end as they did.
    pub(super) fn likewise(&mut self, turn: usize) -> Option<()> {
        let past = self.before.get(self.behind..turn)?;
        let (now, later) = take(&mut self.order).split_at_mut_checked(past.len())?;
        copy(past, now);
        if let Some(latest) = past.last() {
            self.latest = *latest;
        }
        (self.behind, self.order) = (turn, later);
        Some(())
    }

    /// Returns how many turns are still to come in this run.
    pub(super) fn left(&self) -> usize {
        self.order.len()
    }

    /// Has the next turn of this run take a place.
    pub(super) fn take(&mut self, walk: &Walk, place: u16) -> Option<()> {
        let (room, later) = take(&mut self.order).split_first_mut()?;
        (*room, self.order, self.latest) = (place, later, place);
        *self.table.get_mut(usize::from(place))? = walk.seat;
        Some(())
    }

    /// Passes over the next turn of the run before.
    pub(super) fn pass(&mut self) {
        self.behind = self.behind.wrapping_add(1);
    }

    /// Returns the marks of who was refused at a place.
    pub(super) fn refused(&mut self, place: u16) -> Option<&mut Marks> {
        self.refused.get_mut(usize::from(place))
    }

    /// Returns what the turns of the run before took that are not behind.
    pub(super) fn ahead(&self) -> &'a [u16] {
        self.before.get(self.behind..).unwrap_or_default()
    }
}
