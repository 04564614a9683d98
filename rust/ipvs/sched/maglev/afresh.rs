// SPDX-License-Identifier: GPL-2.0
//! A run through mh's table that follows none.

use super::few::{Few, FEW_AT_MOST};
use super::marks::Marks;
use super::turns::Turns;
use super::{Memory, Walk, PLACES};
use crate::sched::NOBODY;

/// Has everybody take turns until all places are taken; returns of how many turns all refusals are
/// known.
///
/// Somebody must have a turn, and the table must be free. The first places are found by asking for
/// one after the other; of the last ones the best is taken at once, since by far the most refusals
/// would be at the end.
pub(super) fn fill(memory: &mut Memory<'_>, table: &mut [u16]) -> Option<usize> {
    let Memory {
        walks,
        order,
        refused,
        ..
    } = memory;
    let walks: &[Walk] = walks;
    refused.fill(Marks::default());
    let known = PLACES.saturating_sub(FEW_AT_MOST);
    let (early, last) = order.split_at_mut_checked(known).unwrap_or_default();
    // Two loops: most services want nothing noted.
    match refused.is_empty() {
        true => first::<false>(walks, table, known, (early, refused))?,
        false => first::<true>(walks, table, known, (early, refused))?,
    }
    let mut turns = Turns::after(walks, known)?;
    let (mut gaps, mut order) = (Few::free(table), last.iter_mut());
    while !gaps.list().is_empty() {
        let walk = turns.take()?;
        let place = gaps.best(walk.way, u32::MAX)?;
        gaps.remove(place);
        *table.get_mut(usize::from(place))? = walk.seat;
        if let Some(taken) = order.next() {
            *taken = place;
        }
    }
    Some(known)
}

/// Has everybody take turns until so many places are taken. Notes who was refused where, and who
/// took what, if `NOTED`.
#[inline(never)]
fn first<const NOTED: bool>(
    walks: &[Walk],
    table: &mut [u16],
    places: usize,
    (order, refused): (&mut [u16], &mut [Marks]),
) -> Option<()> {
    let (mut left, mut order) = (places, order.iter_mut());
    walks.iter().for_each(|walk| walk.at.set(walk.way.offset()));
    // In each round somebody has a turn.
    while left != 0 {
        for walk in walks {
            let mut at = usize::from(walk.at.get());
            for _ in 0..walk.turns {
                let place = walk.ask(at, table, |at| {
                    if NOTED {
                        if let Some(marks) = refused.get_mut(at) {
                            marks.add(walk.mark());
                        }
                    }
                })?;
                at = after(place, usize::from(walk.way.skip()));
                if NOTED {
                    *order.next()? = u16::try_from(place).unwrap_or(0);
                }
                left = left.wrapping_sub(1);
                if left == 0 {
                    return Some(());
                }
            }
            walk.at.set(u16::try_from(at).unwrap_or(0));
        }
    }
    None
}

impl Walk {
    /// Goes on from place to place until one is free, and takes it; shows the others to `visit`.
    #[inline]
    pub(super) fn ask(
        &self,
        at: usize,
        table: &mut [u16],
        mut visit: impl FnMut(usize),
    ) -> Option<usize> {
        let (skip, mut at, mut left) = (usize::from(self.way.skip()), at, PLACES);
        loop {
            let seat = table.get_mut(at)?;
            if *seat == NOBODY {
                *seat = self.seat;
                return Some(at);
            }
            visit(at);
            at = after(at, skip);
            left = left.checked_sub(1)?;
        }
    }

    /// Returns the place that the server asks for after another.
    #[inline]
    pub(super) fn after(&self, at: u16) -> u16 {
        let next = after(usize::from(at), usize::from(self.way.skip()));
        u16::try_from(next).unwrap_or(0)
    }
}

/// Goes a step round the table.
#[inline]
pub(super) fn after(at: usize, skip: usize) -> usize {
    let next = at.wrapping_add(skip);
    next.checked_sub(PLACES).unwrap_or(next)
}
