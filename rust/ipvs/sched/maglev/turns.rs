// SPDX-License-Identifier: GPL-2.0
//! Whose turn it is.

use super::Walk;

/// Returns how many are before the first that is not `early`; none after that is.
pub(super) fn count_early(walks: &[Walk], early: impl Fn(&Walk) -> bool) -> usize {
    let (mut count, mut rest) = (0_usize, walks);
    while let Some((low, high)) = rest.split_at_checked(rest.len() / 2) {
        match high.split_first() {
            Some((walk, later)) if early(walk) => {
                count = count.wrapping_add(low.len()).wrapping_add(1);
                rest = later;
            }
            Some(_) => rest = low,
            None => break,
        }
    }
    count
}

/// Returns who has a turn of a round, counted from 0: where it stands.
pub(super) fn holder(walks: &[Walk], turn: u32) -> Option<usize> {
    // Who has no turns stands as far ahead as the next, before it.
    count_early(walks, |walk| walk.ahead <= turn).checked_sub(1)
}

/// Returns how many turns a round has.
pub(super) fn round_of(walks: &[Walk]) -> u32 {
    walks.last().map_or(0, Walk::end)
}

/// Turns to come, round by round without an end.
pub(super) struct Turns<'w> {
    walks: &'w [Walk],
    /// Those who have turns to come in this round.
    rest: &'w [Walk],
    /// How many of its turns the first of them took.
    taken: u8,
}

impl<'w> Turns<'w> {
    /// Those to come when so many were taken.
    pub(super) fn after(walks: &'w [Walk], turns: usize) -> Option<Self> {
        let turns = u32::try_from(turns).ok()?;
        let turn = turns.checked_rem(round_of(walks))?;
        let rest = walks.get(holder(walks, turn)?..)?;
        let taken = turn.wrapping_sub(rest.first()?.ahead);
        let taken = u8::try_from(taken).ok()?;
        Some(Self { walks, rest, taken })
    }

    /// Returns whose turn the next is.
    pub(super) fn take(&mut self) -> Option<&'w Walk> {
        loop {
            while let Some((walk, later)) = self.rest.split_first() {
                if self.taken < walk.turns {
                    self.taken = self.taken.wrapping_add(1);
                    return Some(walk);
                }
                (self.rest, self.taken) = (later, 0);
            }
            // In each round somebody has a turn.
            self.rest = self.walks;
            if self.rest.is_empty() {
                return None;
            }
        }
    }
}
