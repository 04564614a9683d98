// SPDX-License-Identifier: GPL-2.0
//! Weighted round robin: rounds of falling levels, a server takes part where its weight reaches.
//!
//! Cell 0 is the cursor and the present level, cell 1 the step between levels (the greatest common
//! divisor of the weights) and the highest level; cell 1 changes only with the set of servers.
//! C walks down one step per round, which a large weight can make billions of rounds; here the
//! next level at which somebody takes part is computed. The answers are the same.

use super::{
    advance, eligible, first_after, greatest_common_divisor, join, newest_first, split, Cell,
    Change, Cursor, Server, Servers, State, Summary,
};

/// The present place in the sequence.
#[derive(Clone, Copy)]
struct Place {
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
        let (next, found) = step(servers, Place::from_cell(present), levels);
        (next.cell(), found)
    })
}

/// Makes one decision from a place: the next place, and the server.
fn step(servers: &impl Servers, from: Place, levels: Levels) -> (Place, Option<usize>) {
    if let Some(number) = first_at(servers, from.cursor, from.level) {
        return (
            Place {
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
            Place {
                cursor: Cursor::at(number),
                level,
            },
            Some(number),
        ),
        // Somebody became unusable meanwhile: as if it had been so before.
        None => (exhausted(from, below, levels), None),
    }
}

/// Where a fruitless search ends: it walked to the head, or once around to where it began.
fn exhausted(from: Place, below: u32, levels: Levels) -> Place {
    if below == 0 {
        Place { level: 1, ..from }
    } else {
        levels.start()
    }
}

/// The first after a place that takes part at `level`, which is not 0.
fn first_at<S: Servers>(servers: &S, from: Cursor, level: u32) -> Option<usize> {
    first_after(
        servers,
        from,
        |group| heaviest_of(servers, group) >= level,
        |server: &S::Server| server.weight() >= level && server.usable(),
    )
}

/// The greatest weight of an eligible server, 0 without one.
fn heaviest(servers: &impl Servers) -> u32 {
    let groups = 0..servers.groups();
    groups.fold(0, |most, group| heaviest_of(servers, group).max(most))
}

fn heaviest_of(servers: &impl Servers, group: usize) -> u32 {
    let [weight, _] = servers.summary(group, sum_up);
    u32::try_from(weight).unwrap_or(u32::MAX)
}

/// The greatest weight of those in a group that take connections.
fn sum_up(group: &[impl Server]) -> Summary {
    let able = group.iter().filter(|server| eligible(*server));
    [u64::from(able.map(Server::weight).fold(0, u32::max)), 0]
}

/// Recomputes the levels and begins at the head; the level is kept where it still exists.
pub(super) fn carry(before: State, change: Change, servers: &impl Servers) -> State {
    let [present, _] = before;
    let levels = Levels::of(servers);
    let level = match change {
        Change::Bound => levels.top,
        Change::Added | Change::Removed | Change::Edited { .. } => {
            levels.kept(Place::from_cell(present).level)
        }
    };
    let place = Place {
        cursor: Cursor::Head,
        level,
    };
    [place.cell(), levels.cell()]
}

impl Levels {
    /// The levels that the weights of a set make.
    fn of(servers: &impl Servers) -> Levels {
        let (mut divisor, mut greatest) = (0, 0);
        for server in newest_first(servers) {
            let weight = server.weight();
            divisor = greatest_common_divisor(weight, divisor);
            greatest = weight.max(greatest);
        }
        let step = divisor.max(1);
        Levels {
            step,
            top: greatest.saturating_sub(step.saturating_sub(1)),
        }
    }

    /// Where a round from the top starts.
    fn start(self) -> Place {
        Place {
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

impl Place {
    fn from_cell(cell: u64) -> Place {
        let (half, level) = split(cell);
        Place {
            cursor: Cursor::from_half(half),
            level,
        }
    }

    fn cell(self) -> u64 {
        join(self.cursor.to_half(), self.level)
    }
}
