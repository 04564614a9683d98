// SPDX-License-Identifier: GPL-2.0
//! Round robin: one after the other, weights only say who takes part.
//!
//! Cell 0 is the cursor: the server picked last.

use super::{advance, eligible, split, Change, Cursor, Servers, State, CELLS};

/// Picks the first eligible server after the cursor, wrapping once; the cursor moves to it.
pub(super) fn pick(servers: &impl Servers) -> Option<usize> {
    let len = servers.len();
    advance(servers.cell(0)?, |present| {
        let cursor = cursor(present, len);
        let found = cursor
            .rest(len)
            .chain(Cursor::Head.rest(len))
            .find(|index| eligible(servers, *index));
        match found {
            Some(index) => (cell(Cursor::at(index)), found),
            None => (present, None),
        }
    })
}

/// Keeps the cursor at its server; if that is the one removed, at the one before it in the list.
///
/// Before the newest there is only the head: whoever is added next is picked next then.
pub(super) fn carry(before: State, change: Change, servers: &impl Servers) -> State {
    let [present, ..] = before;
    let mut after = [0; CELLS];
    let cursor = match change {
        Change::Bound => Cursor::Head,
        Change::Added | Change::Edited => cursor(present, servers.len()),
        Change::Removed(removed) => {
            let len = servers.len();
            moved(cursor(present, len.saturating_add(1)), removed, len)
        }
    };
    if let Some(first) = after.first_mut() {
        *first = cell(cursor);
    }
    after
}

/// Where a cursor is once `removed` is gone and `len` servers are left.
fn moved(cursor: Cursor, removed: usize, len: usize) -> Cursor {
    let Cursor::At(number) = cursor else {
        return Cursor::Head;
    };
    let index = super::to_index(number);
    if index > removed {
        Cursor::at(index.saturating_sub(1))
    } else if index == removed && index >= len {
        Cursor::Head
    } else {
        // The one before it in the list was one above: it has the removed server's number now.
        Cursor::At(number)
    }
}

fn cursor(cell: u64, len: usize) -> Cursor {
    let (_, half) = split(cell);
    Cursor::from_half(half, len)
}

fn cell(cursor: Cursor) -> u64 {
    u64::from(cursor.to_half())
}
