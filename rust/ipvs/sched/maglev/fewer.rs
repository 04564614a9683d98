// SPDX-License-Identifier: GPL-2.0
//! A run through mh's table in which a server has fewer turns than in the one before.
//!
//! At any moment all places that were free in the run before are free in this one, too. The others
//! that are free are gaps. Nobody was refused at one so far: so the first who was, in the run
//! before, takes it, and leaves the place that it had then.

use super::few::Few;
use super::run::Run;
use super::turns::{count_early, round_of, Turns};
use super::{Change, Walk, PLACES};

/// See the top of the file.
struct Fewer<'a> {
    run: Run<'a>,
    gaps: Few,
    /// For each mark how many gaps somebody who has it may want.
    wanted: [u8; 256],
}

/// Fills the table; returns of how many turns all refusals are known.
///
/// `None` if this run differs too much from the one it follows.
pub(super) fn fill(run: Run<'_>, change: &Change) -> Option<usize> {
    let (had, has) = change.turns();
    let (first, rest) = run.walks.split_at_checked(change.at)?;
    let (changed, last) = rest.split_at_checked(usize::from(change.has.is_some()))?;
    let ahead = usize::try_from(round_of(first)).ok()?;
    let mut fewer = Fewer {
        run,
        gaps: Few::default(),
        wanted: [0; 256],
    };
    let (mut begin, mut early) = (0, 0_usize);
    while begin < PLACES {
        let own = begin.saturating_add(ahead);
        let kept = own.saturating_add(has);
        let end = own.saturating_add(had);
        fewer.others(first, begin)?;
        fewer.others(changed, own)?;
        for turn in kept..end.min(PLACES) {
            fewer.lose(turn, changed.first())?;
            early = early.wrapping_add(usize::from(turn < fewer.run.known));
        }
        fewer.others(last, end)?;
        begin = begin.saturating_add(fewer.run.round);
    }
    fewer.run.likewise(PLACES)?;
    fewer.rest()?;
    Some(fewer.run.known.saturating_sub(early))
}

impl Fewer<'_> {
    /// Has those take their turns, from `turn` on, who had them in the run before as well.
    fn others(&mut self, walks: &[Walk], turn: usize) -> Option<()> {
        if self.gaps.list().is_empty() {
            return Some(());
        }
        let ahead = walks.first().map_or(0, |walk| walk.ahead);
        let begin = |walk: &Walk| {
            let more = walk.ahead.wrapping_sub(ahead);
            turn.saturating_add(usize::try_from(more).unwrap_or(PLACES))
        };
        let known = self.run.known;
        let early = count_early(walks, |walk| begin(walk) < known);
        // The last of them may have turns after that as well.
        let (mut early, late) = walks.split_at_checked(early.saturating_sub(1))?;
        while let Some(next) = early.iter().position(|walk| self.is_drawn(walk)) {
            let (walk, later) = early.get(next..)?.split_first()?;
            self.turns(walk, begin(walk))?;
            early = later;
        }
        for walk in late {
            let begin = begin(walk);
            if begin >= PLACES {
                break;
            }
            self.turns(walk, begin)?;
        }
        Some(())
    }

    /// Returns whether a server may want a gap, as far as refusals are known.
    #[inline]
    fn is_drawn(&self, walk: &Walk) -> bool {
        self.wanted.get(usize::from(walk.mark())) != Some(&0)
    }

    /// Gives a server in its turns of a round, which begin at `begin`, what it had, or the gaps that
    /// it asks for before that.
    fn turns(&mut self, walk: &Walk, begin: usize) -> Option<()> {
        let end = begin.saturating_add(usize::from(walk.turns)).min(PLACES);
        let places = self.run.before.get(begin..end)?;
        // What it asked for last tells of all.
        let is_lured = places.last().is_some_and(|last| {
            let key = walk.way.key(*last);
            self.gaps.list().iter().any(|gap| walk.way.key(*gap) < key)
        });
        if is_lured {
            for turn in begin..end {
                self.turn(walk, turn)?;
            }
        }
        Some(())
    }

    /// Gives a server what it had, or the gap that it asks for before that.
    fn turn(&mut self, walk: &Walk, turn: usize) -> Option<()> {
        let past = *self.run.before.get(turn)?;
        let Some(gap) = self.gaps.best(walk.way, walk.way.key(past)) else {
            return Some(());
        };
        self.run.likewise(turn)?;
        self.run.pass();
        self.run.take(walk, gap)?;
        self.gaps.remove(gap);
        self.want(gap, |gaps| gaps.saturating_sub(1))?;
        self.open(past, Some(walk))
    }

    /// Leaves a place free in which the server that changed sat, which may have other turns.
    fn lose(&mut self, turn: usize, changed: Option<&Walk>) -> Option<()> {
        self.run.likewise(turn)?;
        self.run.pass();
        self.open(*self.run.before.get(turn)?, changed)
    }

    /// Leaves a place free that was taken in the run before, by a server that may want it later.
    fn open(&mut self, place: u16, by: Option<&Walk>) -> Option<()> {
        self.gaps.add(place)?;
        if let Some(walk) = by {
            self.run.refused(place)?.add(walk.mark());
        }
        self.want(place, |gaps| gaps.saturating_add(1))
    }

    /// Notes by `count` that a place is a gap, or is none any more.
    fn want(&mut self, place: u16, count: impl Fn(u8) -> u8) -> Option<()> {
        let wanted = &mut self.wanted;
        self.run.refused(place)?.visit(|mark| {
            if let Some(gaps) = wanted.get_mut(usize::from(mark)) {
                *gaps = count(*gaps);
            }
        });
        Some(())
    }

    /// Has the turns come that the run before did not need: all that is free is a gap.
    fn rest(&mut self) -> Option<()> {
        let taken = PLACES.saturating_sub(self.run.left());
        let mut turns = Turns::after(self.run.walks, taken)?;
        while self.run.left() != 0 {
            let walk = turns.take()?;
            let gap = self.gaps.best(walk.way, u32::MAX)?;
            self.run.take(walk, gap)?;
            self.gaps.remove(gap);
        }
        Some(())
    }
}
