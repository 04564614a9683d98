// SPDX-License-Identifier: GPL-2.0
//! Turn by turn through mh's table: as [`super`] says.

use super::{Change, Memory, Past, Permutation, Walk, PLACES, PRIME};
use crate::sched::NOBODY;
use core::mem::take;

/// From so few free places on, they are looked at rather than stumbled upon; no more gaps are
/// followed.
pub(super) const LATE: usize = 64;
/// How much of what is known of refusals each run that follows another gives up, so that from time
/// to time one starts anew: what is noted grows, and lets more and more look in vain.
const AGE: usize = 2;

/// Marks of servers: each has one, together with some others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks([u64; 4]);

impl Marks {
    /// Returns the mark of a server.
    pub(super) fn of(way: Permutation) -> u8 {
        let [mark, _] = way.offset().to_le_bytes();
        mark
    }

    fn add(&mut self, mark: u8) {
        if let Some(word) = self.0.get_mut(usize::from(mark / 64)) {
            *word |= 1_u64.wrapping_shl(u32::from(mark));
        }
    }

    /// Shows all marks to `visit`.
    fn visit(&self, mut visit: impl FnMut(u8)) {
        for (begin, word) in [0_u8, 64, 128, 192].into_iter().zip(self.0) {
            let mut rest = word;
            while rest != 0 {
                let bit = u8::try_from(rest.trailing_zeros()).unwrap_or(0);
                visit(begin.wrapping_add(bit));
                rest &= rest.wrapping_sub(1);
            }
        }
    }
}

/// Turns to come: of each server as many as it has in a round, one after the other.
#[derive(Clone, Copy)]
struct Turns<'w> {
    walks: &'w [Walk],
    /// How many of its turns the first of them took.
    taken: u32,
    /// How many there are; as many as places at most, as nobody gets more.
    len: usize,
    /// Everybody has one.
    is_single: bool,
}

impl<'w> Turns<'w> {
    /// A round of them.
    fn of(walks: &'w [Walk]) -> Self {
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

    /// Returns whose turn is the next.
    fn take(&mut self) -> Option<&'w Walk> {
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
    #[inline(never)]
    fn take_like(&mut self, past: &[u16], lure: &Lure<'_>, table: &mut [u16]) -> usize {
        let (mut passed, mut taken, mut rest) = (0_usize, self.taken, past.iter());
        // Inlined twice: most want no gap.
        let mut take = |walk: &Walk, gaps: Option<&Gaps>| {
            let Some(place) = rest.as_slice().first() else {
                return false;
            };
            let is_tempted = |gaps: &Gaps| gaps.tempt(walk.way, *place);
            match table.get_mut(usize::from(*place)) {
                Some(seat) if *seat == NOBODY && !gaps.is_some_and(is_tempted) => {
                    *seat = walk.seat;
                }
                _ => return false,
            }
            rest.next();
            true
        };
        for walk in self.walks {
            if lure.draws(walk) {
                while taken < walk.turns && take(walk, Some(lure.gaps)) {
                    taken = taken.wrapping_add(1);
                }
            } else {
                while taken < walk.turns && take(walk, None) {
                    taken = taken.wrapping_add(1);
                }
            }
            if taken < walk.turns {
                break;
            }
            (passed, taken) = (passed.wrapping_add(1), 0);
        }
        let count = past.len().saturating_sub(rest.len());
        self.walks = self.walks.get(passed..).unwrap_or_default();
        self.taken = taken;
        self.len = self.len.saturating_sub(count);
        count
    }

    /// The same where everybody has one turn: half the instructions, and what most services need.
    #[inline(never)]
    fn take_singly(&mut self, past: &[u16], lure: &Lure<'_>, table: &mut [u16]) -> usize {
        let mut count = 0_usize;
        for (walk, place) in self.walks.iter().zip(past) {
            let Some(seat) = table.get_mut(usize::from(*place)) else {
                break;
            };
            if *seat != NOBODY {
                break;
            }
            if lure.draws(walk) && lure.gaps.tempt(walk.way, *place) {
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

/// Gaps, and who may want one.
struct Lure<'g> {
    gaps: &'g Gaps,
    /// See [`Run::wanted`].
    wanted: &'g [u8; 256],
}

impl Lure<'_> {
    /// Returns whether a server may want one.
    #[inline]
    fn draws(&self, walk: &Walk) -> bool {
        self.wanted.get(usize::from(walk.mark)) != Some(&0)
    }
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
        if self.past.is_empty() {
            walks.iter().for_each(|walk| walk.at.set(walk.way.offset()));
            self.table.fill(NOBODY);
            self.refused.fill(Marks::default());
        }
        let (first, rest) = walks.split_at_checked(change.at)?;
        let (changed, last) = match change.has {
            Some(_) => rest.split_first().map(|(walk, last)| (Some(walk), last))?,
            None => (None, rest),
        };
        if let Some(walk) = changed {
            walk.at.set(walk.way.offset());
        }
        let (places, ahead) = (self.order.len(), self.past.len());
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
        let unknown = self.late.unwrap_or(0).max(LATE);
        let unknown = match ahead {
            0 => unknown,
            _ => unknown.max(self.unknown).saturating_add(AGE),
        };
        Some(places.saturating_sub(unknown))
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
            let count = if turns.is_single {
                turns.take_singly(past, &lure, self.table)
            } else {
                turns.take_like(past, &lure, self.table)
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
            if is_free {
                self.open(past, Some(walk))?;
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
        let free = self.order.len();
        if self.past.is_empty() && free <= LATE && self.gaps.len != free {
            self.gaps = Gaps::of(self.table);
            self.late = self.late.or(Some(free));
        }
        let Some((place, rest)) = take(&mut self.order).split_first_mut() else {
            return Some(());
        };
        self.order = rest;
        let way = walk.way;
        // At the end all that is free is a gap: nobody need stumble to find it.
        let end = if self.past.is_empty() && self.gaps.len == free {
            u32::MAX
        } else {
            way.key(walk.at.get())
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
        let (way, mark) = (walk.way, walk.mark);
        let mut at = match self.past.len() {
            1..LATE => self.nearest(way, walk.at.get())?,
            _ => walk.at.get(),
        };
        for _ in 0..PRIME {
            let seat = self.table.get_mut(usize::from(at))?;
            if *seat == NOBODY {
                *seat = walk.seat;
                break;
            }
            self.refused.get_mut(usize::from(at))?.add(mark);
            let next = at.wrapping_add(way.skip());
            at = next.checked_sub(PRIME).unwrap_or(next);
        }
        // Behind it, as who has a place was not refused there.
        let next = at.wrapping_add(way.skip());
        walk.at.set(next.checked_sub(PRIME).unwrap_or(next));
        self.fill_gap(at);
        Some(at)
    }

    /// Returns the free place that a server asks for next, where few are left.
    fn nearest(&self, way: Permutation, at: u16) -> Option<u16> {
        let is_free = |place: &&u16| self.table.get(usize::from(**place)) == Some(&NOBODY);
        let places = self.past.iter().filter(is_free).chain(self.gaps.list());
        let begin = way.key(at);
        let keys = places.map(|place| (way.key(*place), *place));
        let (_, place) = keys.filter(|(key, _)| *key >= begin).min()?;
        Some(place)
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

/// Places that are free, in no order.
struct Gaps {
    places: [u16; LATE],
    len: usize,
}

impl Default for Gaps {
    fn default() -> Self {
        Self {
            places: [0; LATE],
            len: 0,
        }
    }
}

impl Gaps {
    /// All free places of a table, as far as there is room for them.
    fn of(table: &[u16]) -> Self {
        let mut gaps = Self::default();
        let free = (0..PRIME).zip(table).filter(|(_, seat)| **seat == NOBODY);
        for (room, (place, _)) in gaps.places.iter_mut().zip(free) {
            *room = place;
            gaps.len = gaps.len.saturating_add(1);
        }
        gaps
    }

    fn list(&self) -> &[u16] {
        self.places.get(..self.len).unwrap_or_default()
    }

    /// Returns whether a server asks for one of them before it asks for `place`.
    #[inline(never)]
    fn tempt(&self, way: Permutation, place: u16) -> bool {
        let key = way.key(place);
        self.list().iter().any(|gap| way.key(*gap) < key)
    }

    /// Returns the one that a server asks for first, if its key is below `end`.
    fn best(&self, way: Permutation, end: u32) -> Option<u16> {
        let (mut best, mut end) = (None, end);
        for place in self.list() {
            let key = way.key(*place);
            if key < end {
                (best, end) = (Some(*place), key);
            }
        }
        best
    }

    fn add(&mut self, place: u16) -> Option<()> {
        *self.places.get_mut(self.len)? = place;
        self.len = self.len.saturating_add(1);
        Some(())
    }

    /// Removes one; returns whether it was there.
    fn remove(&mut self, place: u16) -> bool {
        let Some(index) = self.list().iter().position(|other| *other == place) else {
            return false;
        };
        self.len = self.len.saturating_sub(1);
        let last = self.places.get(self.len).copied().unwrap_or(0);
        if let Some(room) = self.places.get_mut(index) {
            *room = last;
        }
        true
    }
}
