// SPDX-License-Identifier: GPL-2.0
//! A run through mh's table in which a server has more turns than in the one before.
//!
//! At any moment all places that were taken in the run before are taken in this one, too, and as
//! many more as the server had turns more. Who finds its place taken goes on from there.

use super::afresh::after;
use super::few::Few;
use super::run::Run;
use super::{Change, Walk, PLACES, TIMES};

/// In so few turns of the run before, at the end, free places are looked at, not stumbled upon.
const LATE: usize = 64;

/// See the top of the file.
struct More<'a> {
    run: Run<'a>,
    /// Turns whose place is taken when they come.
    due: Few,
}

/// Fills the table; returns of how many turns all refusals are known.
///
/// `None` if this run differs too much from the one it follows.
pub(super) fn fill(run: Run<'_>, change: &Change) -> Option<usize> {
    let (had, has) = change.turns();
    let changed = run.walks.get(change.at)?;
    changed.at.set(changed.way.offset());
    note_times(run.before, run.times)?;
    let mut more = More {
        run,
        due: Few::default(),
    };
    // Its turns come after those that it had.
    let mut own = usize::try_from(changed.ahead).ok()?.saturating_add(had);
    let mut early = 0_usize;
    loop {
        for _ in had..has {
            more.others(own, change)?;
            if more.run.left() == 0 {
                // Its last turn may have ended as the one after it did, which is not known.
                let known = more.run.known.saturating_add(early).saturating_sub(1);
                return Some(known.min(PLACES.saturating_sub(LATE)));
            }
            early = early.wrapping_add(usize::from(own <= more.run.known));
            if had != 0 {
                changed.at.set(changed.after(more.run.latest));
            }
            more.seat(changed)?;
        }
        own = own.saturating_add(more.run.round);
    }
}

/// Notes for each place how many turns were over when it was taken.
fn note_times(before: &[u16], times: &mut [u16]) -> Option<()> {
    let times = times.first_chunk_mut::<TIMES>()?;
    let mut time = 0_u16;
    for places in before.chunks(4) {
        let mut note = |place: u16| {
            time = time.wrapping_add(1);
            if let Some(room) = times.get_mut(usize::from(place) % TIMES) {
                *room = time;
            }
        };
        match *places {
            [first, second, third, fourth] => {
                note(first);
                note(second);
                note(third);
                note(fourth);
            }
            _ => places.iter().for_each(|place| note(*place)),
        }
    }
    Some(())
}

impl More<'_> {
    /// Has the turns before `end` end.
    fn others(&mut self, end: usize, change: &Change) -> Option<()> {
        let end = end.min(PLACES);
        while let Some(turn) = self.due.least().filter(|turn| usize::from(*turn) < end) {
            self.due.remove(turn);
            let turn = usize::from(turn);
            self.ordinary(turn)?;
            if self.run.left() == 0 {
                return Some(());
            }
            let (walk, own) = self.run.holder(turn, change)?;
            self.others_turns(walk, own.min(end))?;
        }
        self.ordinary(end)
    }

    /// Gives a server other places than it had, in its turns before `end`, until one is as it was or
    /// it has to look for one.
    fn others_turns(&mut self, walk: &Walk, end: usize) -> Option<()> {
        loop {
            let past = *self.run.ahead().first()?;
            self.run.pass();
            // The next place that it had: all that it asked for before that were taken.
            let next = self.run.ahead().first().filter(|_| self.run.behind < end);
            let next = next.filter(|next| self.time(**next) != 0);
            let Some(next) = next else {
                walk.at.set(past);
                return self.seat(walk);
            };
            self.run.refused(past)?.add(walk.mark());
            *self.run.times.get_mut(usize::from(*next))? = 0;
            self.run.take(walk, *next)?;
            if self.run.left() == 0 {
                return Some(());
            }
        }
    }

    /// Returns how many turns were over when a place was taken; 0 if it is taken earlier now.
    fn time(&self, place: u16) -> u16 {
        let time = self.run.times.get(usize::from(place));
        time.copied().unwrap_or(0)
    }

    /// Has turns before `end` end as they did, unless all places are taken before.
    fn ordinary(&mut self, end: usize) -> Option<()> {
        let most = self.run.behind.saturating_add(self.run.left());
        self.run.likewise(end.min(most))
    }

    /// Gives a server a place that was somebody's later.
    fn seat(&mut self, walk: &Walk) -> Option<()> {
        let place = match self.run.ahead().len() < LATE {
            true => self.nearest(walk)?,
            false => self.stumble(walk)?,
        };
        walk.at.set(walk.after(place));
        let time = self.run.times.get_mut(usize::from(place))?;
        self.due.add(time.checked_sub(1)?)?;
        *time = 0;
        self.run.take(walk, place)
    }

    /// Goes on from place to place until one is free.
    fn stumble(&mut self, walk: &Walk) -> Option<u16> {
        let now = u16::try_from(self.run.behind).ok()?;
        let (mark, skip) = (walk.mark(), usize::from(walk.way.skip()));
        let mut at = usize::from(walk.at.get());
        let times = self.run.times.first_chunk::<TIMES>()?;
        for _ in 0..PLACES {
            if times.get(at % TIMES).is_some_and(|time| *time > now) {
                return u16::try_from(at).ok();
            }
            self.run.refused.get_mut(at)?.add(mark);
            at = after(at, skip);
        }
        None
    }

    /// Returns the free place that a server asks for next.
    fn nearest(&self, walk: &Walk) -> Option<u16> {
        let (way, begin) = (walk.way, walk.way.key(walk.at.get()));
        let (mut nearest, mut end) = (None, u32::MAX);
        for place in self.run.ahead() {
            let key = way.key(*place);
            if self.time(*place) != 0 && (begin..end).contains(&key) {
                (nearest, end) = (Some(*place), key);
            }
        }
        nearest
    }
}
