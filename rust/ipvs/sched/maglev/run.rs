// SPDX-License-Identifier: GPL-2.0
//! A run through mh's table that follows the one before it: as [`super`] says.
//!
//! What changed gave one server more turns or fewer. If fewer, at any moment all places that were
//! free in the run before are free in this one, too, and perhaps others, the gaps. If more, there
//! are no gaps, and perhaps places are taken that were free. Never both.

use super::gaps::{Gaps, Marks};
use super::turns::Turns;
use super::{Change, Memory, Past, Walk};
use crate::sched::NOBODY;
use core::mem::take;

/// From so few turns of the run before on, free places are looked at rather than stumbled upon.
const LATE: usize = 64;
/// How much of what is known of refusals each run that follows another gives up, so that from time
/// to time one starts anew: what is noted grows, and lets more and more look in vain.
const AGE: usize = 2;

/// Gaps, and who may want one.
pub(super) struct Lure<'g> {
    pub(super) gaps: &'g Gaps,
    /// See [`Run::wanted`].
    wanted: &'g [u8; 256],
}

impl Lure<'_> {
    /// Returns whether a server may want one.
    #[inline]
    pub(super) fn draws(&self, walk: &Walk) -> bool {
        self.wanted.get(usize::from(walk.mark)) != Some(&0)
    }
}

/// Returns the free place that a server asks for next: one that was taken later in the run before,
/// or a gap.
fn nearest(walk: &Walk, (past, gaps): (&[u16], &Gaps), table: &[u16]) -> Option<u16> {
    let (way, begin) = (walk.way, walk.way.key(walk.at.get()));
    let (mut nearest, mut end) = (None, u32::MAX);
    let mut offer = |place: u16| {
        let key = way.key(place);
        if (begin..end).contains(&key) {
            (nearest, end) = (Some(place), key);
        }
    };
    for place in past {
        if table.get(usize::from(*place)) == Some(&NOBODY) {
            offer(*place);
        }
    }
    gaps.list().iter().for_each(|gap| offer(*gap));
    nearest
}

/// A run through the table.
pub(super) struct Run<'a> {
    table: &'a mut [u16],
    walks: &'a [Walk],
    refused: &'a mut [Marks],
    /// What the turns to come will take.
    order: &'a mut [u16],
    /// What they took in the run before; nothing if none is followed.
    past: &'a [u16],
    /// Of so many of those, at the end, it is not known who was refused where.
    unknown: usize,
    /// The turns to come when refusals began to be unknown in this run.
    late: Option<usize>,
    gaps: Gaps,
    /// For each mark how many gaps somebody who has it may want.
    wanted: [u8; 256],
}

impl<'a> Run<'a> {
    /// A run that follows another, if that took places.
    pub(super) fn of(memory: &'a mut Memory<'_>, past: &Past<'a>, table: &'a mut [u16]) -> Self {
        Self {
            table,
            walks: memory.walks,
            refused: memory.refused,
            order: memory.order,
            past: past.order,
            unknown: past.order.len().saturating_sub(past.kept.known),
            late: None,
            gaps: Gaps::default(),
            wanted: [0; 256],
        }
    }

    /// Has everybody take turns until all places are taken; returns of how many turns all refusals
    /// are known.
    ///
    /// `None` if this run differs too much from the one it follows.
    pub(super) fn through(mut self, change: &Change) -> Option<usize> {
        let walks = self.walks;
        let (first, rest) = walks.split_at_checked(change.at)?;
        let (changed, last) = match change.has {
            Some(_) => rest.split_first().map(|(walk, last)| (Some(walk), last))?,
            None => (None, rest),
        };
        if let Some(walk) = changed {
            walk.at.set(walk.way.offset());
        }
        let places = self.order.len();
        let (first, last) = (Turns::of(first), Turns::of(last));
        // In each round somebody has a turn.
        for _ in 0..places {
            self.others(first)?;
            self.changed(changed, change)?;
            self.others(last)?;
            if self.order.is_empty() {
                break;
            }
        }
        let unknown = self.late.unwrap_or(0).max(LATE).max(self.unknown);
        Some(places.saturating_sub(unknown.saturating_add(AGE)))
    }

    /// Has those take their turns who had them in the run before as well.
    fn others(&mut self, mut turns: Turns<'_>) -> Option<()> {
        while !(turns.len == 0 || self.order.is_empty() || self.past.is_empty()) {
            let len = turns.len.min(self.order.len()).min(self.ahead());
            let (past, ahead) = self.past.split_at_checked(len)?;
            let (order, empty) = take(&mut self.order).split_at_mut_checked(len)?;
            (self.past, self.order) = (ahead, empty);
            self.likewise(&mut turns, past, order)?;
            self.look_ahead();
        }
        while !self.order.is_empty() {
            let Some(walk) = turns.take() else {
                break;
            };
            self.alone(walk)?;
        }
        Some(())
    }

    /// Returns how many turns can be taken at once: those of one kind; at the end, where what is
    /// ahead counts, but one.
    fn ahead(&self) -> usize {
        let len = self.past.len();
        let end = [self.unknown, LATE].into_iter().find(|end| *end < len);
        end.map_or(1, |end| len.wrapping_sub(end))
    }

    /// Gives each server what it got before, if it can and will have that.
    fn likewise(&mut self, turns: &mut Turns<'_>, past: &[u16], order: &mut [u16]) -> Option<()> {
        for (place, past) in order.iter_mut().zip(past) {
            *place = *past;
        }
        const EVERYBODY: [u8; 256] = [1; 256];
        let (mut past, mut order) = (past, order);
        loop {
            let lure = Lure {
                gaps: &self.gaps,
                wanted: match self.late {
                    Some(_) if self.gaps.len != 0 => &EVERYBODY,
                    _ => &self.wanted,
                },
            };
            let count = match (turns.is_single, self.gaps.len != 0) {
                (true, true) => turns.take_singly::<true>(past, &lure, self.table),
                (true, false) => turns.take_singly::<false>(past, &lure, self.table),
                (false, true) => turns.take_like::<true>(past, &lure, self.table),
                (false, false) => turns.take_like::<false>(past, &lure, self.table),
            };
            let Some((old, ahead)) = past.get(count..)?.split_first() else {
                return Some(());
            };
            let (place, rest) = order.get_mut(count..)?.split_first_mut()?;
            (past, order) = (ahead, rest);
            *place = self.instead(turns.take()?, *old)?;
        }
    }

    /// Gives a server the first free place in its order where the run before gave it `past`.
    #[cold]
    fn instead(&mut self, walk: &Walk, past: u16) -> Option<u16> {
        let (way, seat) = (walk.way, walk.seat);
        walk.at.set(past);
        let is_free = *self.table.get(usize::from(past))? == NOBODY;
        if let Some(gap) = self.gaps.best(way, way.key(past)) {
            self.close(gap, seat)?;
            match is_free {
                true => self.open(past, Some(walk))?,
                false => self.refused.get_mut(usize::from(past))?.add(walk.mark),
            }
            return Some(gap);
        }
        if is_free {
            *self.table.get_mut(usize::from(past))? = seat;
            return Some(past);
        }
        self.stumble(walk)
    }

    /// Has the one that changed take its turns; it may be gone.
    fn changed(&mut self, changed: Option<&Walk>, change: &Change) -> Option<()> {
        let has = change.has.unwrap_or(0);
        for turn in 0..change.had.max(has) {
            let past = match self.past.split_first() {
                Some((past, ahead)) if turn < change.had => {
                    self.past = ahead;
                    Some(*past)
                }
                _ => None,
            };
            match (past, changed.filter(|_| turn < has)) {
                (Some(past), Some(walk)) => {
                    let Some((place, rest)) = take(&mut self.order).split_first_mut() else {
                        return Some(());
                    };
                    self.order = rest;
                    *place = self.instead(walk, past)?;
                }
                (Some(past), None) if *self.table.get(usize::from(past))? == NOBODY => {
                    self.open(past, changed)?;
                }
                (None, Some(walk)) => self.alone(walk)?,
                _ => {}
            }
            self.look_ahead();
        }
        Some(())
    }

    /// Gives a server a turn that it did not have in the run before, unless all places are taken.
    fn alone(&mut self, walk: &Walk) -> Option<()> {
        let Some((place, rest)) = take(&mut self.order).split_first_mut() else {
            return Some(());
        };
        self.order = rest;
        let way = walk.way;
        // At the end all that is free is a gap: nobody need stumble to find it.
        let end = match self.past.is_empty() {
            true => u32::MAX,
            false => way.key(walk.at.get()),
        };
        *place = match self.gaps.best(way, end) {
            Some(gap) => {
                self.close(gap, walk.seat)?;
                gap
            }
            None => self.stumble(walk)?,
        };
        Some(())
    }

    /// Goes on from place to place until one is free, and takes it.
    fn stumble(&mut self, walk: &Walk) -> Option<u16> {
        let (mark, refused) = (walk.mark, &mut *self.refused);
        let at = match self.past.len() {
            1..LATE => nearest(walk, (self.past, &self.gaps), self.table)?,
            _ => walk.at.get(),
        };
        let place = walk.ask(usize::from(at), self.table, |at| {
            if let Some(marks) = refused.get_mut(at) {
                marks.add(mark);
            }
        })?;
        let at = u16::try_from(place).ok()?;
        // Behind it, as who has a place was not refused there.
        walk.at.set(walk.after(at));
        self.fill_gap(at);
        Some(at)
    }

    /// Leaves a place free that was taken in the run before, by a server that may want it later.
    fn open(&mut self, place: u16, by: Option<&Walk>) -> Option<()> {
        self.gaps.add(place)?;
        if let Some(walk) = by {
            self.refused.get_mut(usize::from(place))?.add(walk.mark);
        }
        self.want(place, |gaps| gaps.saturating_add(1));
        Some(())
    }

    /// Gives a gap to a server.
    fn close(&mut self, place: u16, seat: u16) -> Option<()> {
        *self.table.get_mut(usize::from(place))? = seat;
        self.fill_gap(place);
        Some(())
    }

    /// Notes that a place is taken, which may have been a gap.
    fn fill_gap(&mut self, place: u16) {
        if self.gaps.remove(place) {
            self.want(place, |gaps| gaps.saturating_sub(1));
        }
    }

    /// Notices when refusals begin to be unknown.
    fn look_ahead(&mut self) {
        if self.late.is_none() && self.past.len() <= self.unknown {
            self.late = Some(self.order.len());
        }
    }

    /// Notes by `count` that a place is a gap, or is none any more.
    fn want(&mut self, place: u16, count: impl Fn(u8) -> u8) {
        let wanted = &mut self.wanted;
        if let Some(marks) = self.refused.get(usize::from(place)) {
            marks.visit(|mark| {
                if let Some(gaps) = wanted.get_mut(usize::from(mark)) {
                    *gaps = count(*gaps);
                }
            });
        }
    }
}
