// SPDX-License-Identifier: GPL-2.0
//! Round robin: one after the other, weights only say who takes part.
//!
//! Cell 0 is the cursor: the server picked last. A group is summed up as whether somebody in it
//! takes part.

use super::{advance, eligible, first_around, split, Change, Cursor, Servers, State, CELLS};

/// Picks the first eligible server after the cursor, wrapping once; the cursor moves to it.
pub(super) fn pick<S: Servers>(servers: &S) -> Option<usize> {
    let may = |group| servers.summary(group, somebody) != [0; 2];
    advance(servers.cell(0)?, |present| {
        match first_around(servers, cursor(present), may, eligible) {
            Some(number) => (cell(Cursor::at(number)), Some(number)),
            None => (present, None),
        }
    })
}

fn somebody(group: &[impl super::Server]) -> super::Summary {
    [u64::from(group.iter().any(eligible)), 0]
}

/// Keeps the cursor at its server; if that is gone, at the one before it in the list.
///
/// Before the newest there is only the head: whoever is added next is picked next then.
pub(super) fn carry(
    before: State,
    change: Change,
    moved: impl Fn(usize) -> Option<usize>,
) -> State {
    let [present, ..] = before;
    let mut after = [0; CELLS];
    let cursor = match (change, cursor(present)) {
        (Change::Bound, _) | (_, Cursor::Head) => Cursor::Head,
        (_, Cursor::At(number)) => moved(super::to_index(number)).map_or(Cursor::Head, Cursor::at),
    };
    if let Some(first) = after.first_mut() {
        *first = cell(cursor);
    }
    after
}

fn cursor(cell: u64) -> Cursor {
    let (_, half) = split(cell);
    Cursor::from_half(half)
}

fn cell(cursor: Cursor) -> u64 {
    u64::from(cursor.to_half())
}
