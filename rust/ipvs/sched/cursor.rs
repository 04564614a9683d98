// SPDX-License-Identifier: GPL-2.0
//! A place in the list of servers that rr and wrr advance from decision to decision.

use super::view::{number_of, to_index};
use super::{Cell, Servers, CHUNK};
use core::ops::Range;

/// A place in the list: a server, or the head before the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    Head,
    At(u32),
}

impl Cursor {
    /// Half of a cell: 0 is the head, so that a zeroed cell is a new one.
    pub(super) fn to_half(self) -> u32 {
        match self {
            Cursor::Head => 0,
            Cursor::At(number) => number.saturating_add(1),
        }
    }

    /// The cursor kept in half of a cell.
    pub(super) fn from_half(half: u32) -> Cursor {
        half.checked_sub(1).map_or(Cursor::Head, Cursor::At)
    }

    /// The chunk it is in, of so many; behind them all at the head.
    fn chunk(self, chunks: usize) -> usize {
        match self {
            Cursor::Head => chunks,
            Cursor::At(number) => chunks.min(to_index(number) / CHUNK),
        }
    }

    /// A cursor at the server with this number.
    pub(super) fn at(number: usize) -> Cursor {
        u32::try_from(number).map_or(Cursor::Head, Cursor::At)
    }
}

/// Finds the first server after `from` that fits, up to the oldest.
///
/// `may` says of a chunk's number whether a server in it fits; it is not asked about the chunk
/// that `from` is in, nor about the only one.
pub(super) fn first_after<S: Servers>(
    servers: &S,
    from: Cursor,
    may: impl Fn(usize) -> bool,
    fits: impl Fn(&S::Server) -> bool,
) -> Option<usize> {
    let older = 0..from.chunk(servers.chunks());
    first_beside(servers, from, &fits).or_else(|| first_among(servers, older, may, fits))
}

/// As [`first_after`], but goes on with the newest behind the oldest, once around.
pub(super) fn first_around<S: Servers>(
    servers: &S,
    from: Cursor,
    may: impl Fn(usize) -> bool,
    fits: impl Fn(&S::Server) -> bool,
) -> Option<usize> {
    let chunks = servers.chunks();
    let own = from.chunk(chunks);
    first_beside(servers, from, &fits)
        .or_else(|| first_among(servers, 0..own, &may, &fits))
        .or_else(|| first_among(servers, own..chunks, may, fits))
}

/// Finds the first server after `from` that fits in the same chunk.
fn first_beside<S: Servers>(
    servers: &S,
    from: Cursor,
    fits: impl Fn(&S::Server) -> bool,
) -> Option<usize> {
    let Cursor::At(number) = from else {
        return None;
    };
    let number = to_index(number);
    let (chunk, end) = (number / CHUNK, number % CHUNK);
    let members = servers.chunk(chunk);
    // A cursor that was moved while the list changed may be beyond the chunk: all are left.
    let rest = members.get(..end).unwrap_or(members);
    Some(number_of(chunk, newest(rest, &fits)?))
}

/// Finds the first server of some chunks that fits.
fn first_among<S: Servers>(
    servers: &S,
    chunks: Range<usize>,
    may: impl Fn(usize) -> bool,
    fits: impl Fn(&S::Server) -> bool,
) -> Option<usize> {
    let only = servers.chunks() == 1;
    chunks
        .rev()
        .filter(|chunk| only || may(*chunk))
        .find_map(|chunk| {
            let place = newest(servers.chunk(chunk), &fits)?;
            Some(number_of(chunk, place))
        })
}

/// The place of the newest of a chunk that fits.
fn newest<T>(chunk: &[T], fits: &impl Fn(&T) -> bool) -> Option<usize> {
    (0..chunk.len())
        .rev()
        .find(|place| chunk.get(*place).is_some_and(fits))
}

/// Joins the halves of a cell.
pub(super) fn join(high: u32, low: u32) -> u64 {
    u64::from(high).wrapping_shl(32) | u64::from(low)
}

/// Splits a cell into its halves.
pub(super) fn split(cell: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = cell.to_be_bytes();
    (
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    )
}

/// Advances a cell: `step` computes from the present value what comes next and what is returned.
///
/// Repeats when another CPU advanced it first; each repetition means that some CPU made progress.
pub(super) fn advance<R>(cell: &impl Cell, mut step: impl FnMut(u64) -> (u64, R)) -> R {
    let mut present = cell.load();
    loop {
        let (next, result) = step(present);
        if next == present {
            return result;
        }
        match cell.exchange(present, next) {
            Ok(()) => return result,
            Err(found) => present = found,
        }
    }
}
