// SPDX-License-Identifier: GPL-2.0
//! Weighted round robin: rounds of falling levels, a server takes part where its weight reaches.
//!
//! Cell 0 is the cursor and the present level, cell 1 the step between levels (the greatest common
//! divisor of the weights) and the highest level; cell 1 changes only with the set of servers.
//! C walks down one step per round, which a large weight can make billions of rounds; here the
//! next level at which a server takes part is computed. The answers are the same.

use super::cursor::{advance, first_after, join, split, Cursor};
use super::view::{accepts_new, Weights};
use super::{Aggregate, Cell, Change, Server, Servers, Spec, State, Transition};

/// What the module has to know of it.
pub(super) const SPEC: Spec = Spec {
    name: "wrr",
    watches_counts: false,
    cells: Some(migrate),
    table: None,
    cache: None,
};

/// The present place in the sequence.
#[derive(Clone, Copy)]
struct Position {
    cursor: Cursor,
    level: u32,
}

/// The levels that exist: `step + 1`-spaced from 1 up to `top`; `top` is 0 if no server has weight.
#[derive(Clone, Copy)]
struct Levels {
    step: u32,
    top: u32,
}

/// Picks the next server of the sequence.
pub(super) fn pick(servers: &impl Servers) -> Option<usize> {
    let levels = Levels::from_cell(servers.cell(1)?.load());
    if levels.top == 0 {
        return None;
    }
    advance(servers.cell(0)?, |present| {
        let (next, found) = step(servers, Position::from_cell(present), levels);
        (next.cell(), found)
    })
}

/// Makes one decision from a place: the next place, and the server.
fn step(servers: &impl Servers, from: Position, levels: Levels) -> (Position, Option<usize>) {
    if let Some(number) = first_at(servers, from.cursor, from.level) {
        return (
            Position {
                cursor: Cursor::at(number),
                ..from
            },
            Some(number),
        );
    }
    // This round is over: the next level down, or from the top again if the round was a part.
    let below = from.level.saturating_sub(levels.step);
    let limit = match (below, from.cursor) {
        (0, Cursor::Head) => return (levels.start(), None),
        (0, Cursor::At(_)) => levels.top,
        (below, _) => below,
    };
    let heaviest = heaviest(servers);
    if heaviest == 0 {
        return (exhausted(from, below, levels), None);
    }
    let level = levels.at_most(limit.min(heaviest), limit);
    match first_at(servers, Cursor::Head, level) {
        Some(number) => (
            Position {
                cursor: Cursor::at(number),
                level,
            },
            Some(number),
        ),
        // A server was overloaded meanwhile: as if it had been so before.
        None => (exhausted(from, below, levels), None),
    }
}

/// Where a fruitless search ends: it walked to the head, or once around to where it began.
fn exhausted(from: Position, below: u32, levels: Levels) -> Position {
    if below == 0 {
        Position { level: 1, ..from }
    } else {
        levels.start()
    }
}

/// The first after a place that takes part at `level`, which is not 0.
fn first_at<S: Servers>(servers: &S, from: Cursor, level: u32) -> Option<usize> {
    first_after(
        servers,
        from,
        |chunk| heaviest_of(servers, chunk) >= level,
        |server: &S::Server| server.weight() >= level && !server.is_overloaded(),
    )
}

/// The greatest weight of an accepts_new server, 0 without one.
fn heaviest(servers: &impl Servers) -> u32 {
    let chunks = 0..servers.chunks();
    chunks.fold(0, |most, chunk| heaviest_of(servers, chunk).max(most))
}

fn heaviest_of(servers: &impl Servers, chunk: usize) -> u32 {
    let [weight, _] = servers.aggregate(chunk, greatest_weight);
    u32::try_from(weight).unwrap_or(u32::MAX)
}

/// The greatest weight of those in a chunk that take connections.
fn greatest_weight(chunk: &[impl Server]) -> Aggregate {
    let able = chunk.iter().filter(|server| accepts_new(*server));
    [u64::from(able.map(Server::weight).fold(0, u32::max)), 0]
}

/// Computes the levels and begins at the head; the level is kept where it still exists.
fn migrate([present, _]: State, transition: &Transition<'_>) -> State {
    let levels = Levels::of((transition.weights)());
    let level = match transition.change {
        Change::Bound => levels.top,
        Change::Added | Change::Removed | Change::Edited { .. } => {
            levels.kept(Position::from_cell(present).level)
        }
    };
    let place = Position {
        cursor: Cursor::Head,
        level,
    };
    [place.cell(), levels.cell()]
}

impl Levels {
    /// The levels that the weights of a set make.
    fn of(weights: Weights) -> Levels {
        let step = weights.divisor.get();
        Levels {
            step,
            top: weights.greatest.saturating_sub(step.saturating_sub(1)),
        }
    }

    /// Where a round from the top starts.
    fn start(self) -> Position {
        Position {
            cursor: Cursor::Head,
            level: self.top,
        }
    }

    /// The highest level that is at most `wanted`, which is at least 1.
    ///
    /// `limit` is a level: it needs no division, which matters as it is the common case.
    fn at_most(self, wanted: u32, limit: u32) -> u32 {
        if wanted == limit {
            return limit;
        }
        self.round(wanted.saturating_sub(1))
    }

    /// The level of a sequence that goes on after these levels have replaced others.
    fn kept(self, level: u32) -> u32 {
        if level > self.top || level == 0 {
            self.top
        } else if self.step > 1 {
            self.round(level)
        } else {
            level
        }
    }

    /// One above the greatest multiple of the step that is at most `value`.
    fn round(self, value: u32) -> u32 {
        let over = value.checked_rem(self.step).unwrap_or(0);
        value.wrapping_sub(over).saturating_add(1)
    }

    fn from_cell(cell: u64) -> Levels {
        let (step, top) = split(cell);
        Levels { step, top }
    }

    fn cell(self) -> u64 {
        join(self.step, self.top)
    }
}

impl Position {
    fn from_cell(cell: u64) -> Position {
        let (half, level) = split(cell);
        Position {
            cursor: Cursor::from_half(half),
            level,
        }
    }

    fn cell(self) -> u64 {
        join(self.cursor.to_half(), self.level)
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched_wrr))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use crate::sched::fixture::Service;
    use crate::sched::Scheduler;

    #[test]
    fn sequences_are_those_of_the_specification() {
        assert!(Service::of(Scheduler::Wrr, b"A1 B1 C1").picks(b"CBACBACBA"));
        assert!(Service::of(Scheduler::Wrr, b"A1 B2 C4").picks(b"CBACCCBCBACCCB"));
        assert!(Service::of(Scheduler::Wrr, b"C4 B2 A1").picks(b"ABCCCBCABCCCBC"));
        assert!(Service::of(Scheduler::Wrr, b"A2 B4").picks(b"BABBABBAB"));
        assert!(Service::of(Scheduler::Wrr, b"A3 B0 C3").picks(b"CACACA"));
    }

    #[test]
    fn a_huge_weight_is_decided_at_once() {
        let mut service = Service::of(Scheduler::Wrr, b"A1 B1");
        service.edit(b'A', i32::MAX.unsigned_abs());
        service.overload(b'A');
        assert!(service.picks(b"BBBB"));
        service.overload(b'B');
        assert!(service.picks(b"--"));
    }
}
