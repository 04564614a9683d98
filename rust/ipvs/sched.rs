// SPDX-License-Identifier: GPL-2.0
//! Schedulers: which real server gets a new connection.
//!
//! A scheduler is a pure function over a view of the servers of one service and a few 64-bit cells
//! of state. The view reads live counters; the cells are advanced by compare-exchange, so that
//! rr and wrr give their exact sequence however many CPUs pick at once, without a lock.
//!
//! Servers are numbered in the order of their addition, the oldest is 0. Users see the newest
//! first, and every tie and every round of C follows that order: here it is "from the end".

use crate::flow::Flow;

mod lc;
mod rr;
mod wlc;
mod wrr;

/// How many cells of state a scheduler may use.
pub const CELLS: usize = 2;

/// The values of all cells of a scheduler.
pub type State = [u64; CELLS];

/// The longest name of a scheduler that user space may send, in bytes.
pub const NAME_MAX: usize = 15;

/// A 64-bit value that CPUs advance without a lock.
pub trait Cell {
    /// Returns the present value.
    fn load(&self) -> u64;

    /// Replaces `present` by `next`.
    ///
    /// # Errors
    ///
    /// Returns the value found when it was not `present`; nothing is changed then.
    fn exchange(&self, present: u64, next: u64) -> Result<(), u64>;
}

/// Without other CPUs a plain cell will do.
impl Cell for core::cell::Cell<u64> {
    fn load(&self) -> u64 {
        self.get()
    }

    fn exchange(&self, present: u64, next: u64) -> Result<(), u64> {
        let found = self.get();
        if found != present {
            return Err(found);
        }
        self.set(next);
        Ok(())
    }
}

/// The servers of one service as a scheduler sees them, numbered in the order of addition.
///
/// A number at or beyond [`Servers::len`] names no server: its weight is 0.
pub trait Servers {
    /// What a cell of state is made of.
    type Cell: Cell;

    /// Returns how many servers there are.
    fn len(&self) -> usize;

    /// Returns whether there is no server.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the weight of a server; 0 takes no new connection.
    fn weight(&self, index: usize) -> u32;

    /// Returns how many connections of a server are active.
    fn active(&self, index: usize) -> u32;

    /// Returns how many connections a server has, templates not counted.
    fn total(&self, index: usize) -> u32;

    /// Returns whether a server is below its thresholds.
    fn usable(&self, index: usize) -> bool;

    /// Returns a cell of state; there are [`CELLS`] of them.
    fn cell(&self, number: usize) -> Option<&Self::Cell>;
}

/// A change of the set of servers that a scheduler's state must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The scheduler is new for the service.
    Bound,
    /// A server was added at the end.
    Added,
    /// The server with this number was removed; those above moved down by one.
    Removed(usize),
    /// A server was edited.
    Edited,
}

/// The known schedulers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// No scheduler: no new connection finds a server.
    None,
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    Wlc,
}

impl Scheduler {
    /// All schedulers that a service can have.
    pub const ALL: [Scheduler; 5] = [
        Scheduler::None,
        Scheduler::Rr,
        Scheduler::Wrr,
        Scheduler::Lc,
        Scheduler::Wlc,
    ];

    /// Returns the scheduler that user space calls `name` (without a terminating NUL).
    pub fn from_name(name: &[u8]) -> Option<Scheduler> {
        Self::ALL
            .into_iter()
            .find(|scheduler| scheduler.name().as_bytes() == name)
    }

    /// Returns the name that user space uses.
    pub const fn name(self) -> &'static str {
        match self {
            Scheduler::None => "none",
            Scheduler::Rr => "rr",
            Scheduler::Wrr => "wrr",
            Scheduler::Lc => "lc",
            Scheduler::Wlc => "wlc",
        }
    }

    /// Picks the server for a new connection: its number, or `None` if none takes it.
    pub fn pick(self, servers: &impl Servers, _flow: &Flow) -> Option<usize> {
        match self {
            Scheduler::None => None,
            Scheduler::Rr => rr::pick(servers),
            Scheduler::Wrr => wrr::pick(servers),
            Scheduler::Lc => lc::pick(servers),
            Scheduler::Wlc => wlc::pick(servers),
        }
    }

    /// Returns the state with which the scheduler goes on after `change`.
    ///
    /// `before` is the state up to the change, `servers` the set after it (its cells are not
    /// looked at).
    pub fn carry(self, before: State, change: Change, servers: &impl Servers) -> State {
        match self {
            Scheduler::None | Scheduler::Lc | Scheduler::Wlc => [0; CELLS],
            Scheduler::Rr => rr::carry(before, change, servers),
            Scheduler::Wrr => wrr::carry(before, change, servers),
        }
    }
}

/// Returns the load of a server that least-connection schedulers compare: an active connection
/// weighs as much as 257 inactive ones.
fn load(servers: &impl Servers, index: usize) -> u64 {
    // C computes this in 32 bits and overflows beyond eight million active connections.
    u64::from(servers.active(index))
        .wrapping_mul(256)
        .wrapping_add(u64::from(servers.total(index)))
}

/// Returns whether a server takes new connections.
fn eligible(servers: &impl Servers, index: usize) -> bool {
    servers.weight(index) != 0 && servers.usable(index)
}

/// A place in the list: a server, or the head before the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    Head,
    At(u32),
}

impl Cursor {
    /// Half of a cell: 0 is the head, so that a zeroed cell is a fresh one.
    fn to_half(self) -> u32 {
        match self {
            Cursor::Head => 0,
            Cursor::At(index) => index.saturating_add(1),
        }
    }

    /// The cursor kept in half of a cell; one that names no server of `len` is at the head.
    fn from_half(half: u32, len: usize) -> Cursor {
        match half.checked_sub(1) {
            Some(index) if to_index(index) < len => Cursor::At(index),
            _ => Cursor::Head,
        }
    }

    /// A cursor at the server with this number.
    fn at(index: usize) -> Cursor {
        u32::try_from(index).map_or(Cursor::Head, Cursor::At)
    }

    /// The numbers of the servers after the cursor, to the end of the list: descending from here.
    fn rest(self, len: usize) -> core::iter::Rev<core::ops::Range<usize>> {
        match self {
            Cursor::Head => (0..len).rev(),
            Cursor::At(index) => (0..to_index(index)).rev(),
        }
    }
}

/// Widens a number of a server; no machine of ours has a narrower `usize`.
fn to_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Joins the halves of a cell.
fn join(high: u32, low: u32) -> u64 {
    u64::from(high).wrapping_shl(32) | u64::from(low)
}

/// Splits a cell into its halves.
fn split(cell: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = cell.to_be_bytes();
    (
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    )
}

/// Advances a cell: `step` computes from the present value what comes next and what is returned.
///
/// Repeats when another CPU advanced it first; each repetition means that some CPU made progress.
fn advance<R>(cell: &impl Cell, mut step: impl FnMut(u64) -> (u64, R)) -> R {
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

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{Endpoint, Family, Protocol};

    #[test]
    fn names_lead_back() {
        assert!(Scheduler::ALL
            .into_iter()
            .all(|scheduler| Scheduler::from_name(scheduler.name().as_bytes()) == Some(scheduler)));
        assert_eq!(Scheduler::from_name(b""), None);
        assert_eq!(Scheduler::from_name(b"rr2"), None);
    }

    #[test]
    fn rr_starts_with_the_newest() {
        let group = Group::of(Scheduler::Rr, b"A1 B1 C1");
        assert!(group.picks(b"CBACBA"));
    }

    #[test]
    fn rr_skips_weight_zero_and_overload() {
        let mut group = Group::of(Scheduler::Rr, b"A1 B0 C1");
        assert!(group.picks(b"CACA"));
        group.overload(b'A');
        assert!(group.picks(b"CC"));
        group.overload(b'C');
        assert!(group.picks(b"--"));
    }

    #[test]
    fn rr_visits_who_was_added_after_the_wrap() {
        let mut group = Group::of(Scheduler::Rr, b"A1 B1 C1");
        assert!(group.picks(b"C"));
        group.add(b'D', 1);
        assert!(group.picks(b"BADCBAD"));
    }

    #[test]
    fn rr_goes_on_where_a_removed_server_was() {
        let mut group = Group::of(Scheduler::Rr, b"A1 B1 C1");
        assert!(group.picks(b"CB"));
        group.remove(b'B');
        assert!(group.picks(b"ACA"));
    }

    #[test]
    fn rr_without_the_newest_picks_who_is_added_next() {
        let mut group = Group::of(Scheduler::Rr, b"A1 B1 C1");
        assert!(group.picks(b"C"));
        group.remove(b'C');
        group.add(b'D', 1);
        assert!(group.picks(b"DBAD"));
    }

    #[test]
    fn wrr_sequences_are_those_of_the_specification() {
        assert!(Group::of(Scheduler::Wrr, b"A1 B1 C1").picks(b"CBACBACBA"));
        assert!(Group::of(Scheduler::Wrr, b"A1 B2 C4").picks(b"CBACCCBCBACCCB"));
        assert!(Group::of(Scheduler::Wrr, b"C4 B2 A1").picks(b"ABCCCBCABCCCBC"));
        assert!(Group::of(Scheduler::Wrr, b"A2 B4").picks(b"BABBABBAB"));
        assert!(Group::of(Scheduler::Wrr, b"A3 B0 C3").picks(b"CACACA"));
    }

    #[test]
    fn wrr_with_a_huge_weight_decides_at_once() {
        let mut group = Group::of(Scheduler::Wrr, b"A1 B1");
        group.edit(b'A', i32::MAX.unsigned_abs());
        group.overload(b'A');
        assert!(group.picks(b"BBBB"));
        group.overload(b'B');
        assert!(group.picks(b"--"));
    }

    #[test]
    fn lc_ignores_weights_but_zero() {
        let mut group = Group::of(Scheduler::Lc, b"A9 B1 C0");
        group.load(b'A', 1, 1);
        assert!(group.picks(b"BB"));
        group.load(b'B', 1, 1);
        assert!(group.picks(b"BB"));
        group.load(b'B', 0, 258);
        assert!(group.picks(b"A"));
    }

    #[test]
    fn wlc_compares_load_for_weight() {
        let mut group = Group::of(Scheduler::Wlc, b"A2 B1 C1");
        assert!(group.picks(b"C"));
        group.load(b'C', 0, 1);
        group.load(b'B', 0, 1);
        group.load(b'A', 0, 1);
        assert!(group.picks(b"A"));
        group.load(b'A', 0, 2);
        assert!(group.picks(b"C"));
        group.overload(b'C');
        assert!(group.picks(b"B"));
    }

    #[test]
    fn no_scheduler_picks_nobody() {
        assert!(Group::of(Scheduler::None, b"A1").picks(b"--"));
    }

    #[test]
    fn nobody_is_picked_from_none() {
        for scheduler in Scheduler::ALL {
            let group = Group::of(scheduler, b"");
            assert!(group.is_empty() && group.picks(b"--"));
        }
        assert!(!Group::of(Scheduler::Rr, b"A1").is_empty());
    }

    #[derive(Clone, Copy, Default)]
    struct Server {
        name: u8,
        weight: u32,
        active: u32,
        total: u32,
        overloaded: bool,
    }

    /// A few servers with one-letter names, changed as a service changes them.
    struct Group {
        scheduler: Scheduler,
        servers: [Server; 4],
        len: usize,
        cells: [core::cell::Cell<u64>; CELLS],
    }

    impl Group {
        /// Adds servers as in `A1 B2`: name and weight.
        fn of(scheduler: Scheduler, servers: &[u8]) -> Group {
            let mut group = Group {
                scheduler,
                servers: [Server::default(); 4],
                len: 0,
                cells: Default::default(),
            };
            group.carry(Change::Bound);
            for server in servers.chunks(3) {
                if let [name, weight, ..] = server {
                    group.add(*name, u32::from(weight.saturating_sub(b'0')));
                }
            }
            group
        }

        fn carry(&mut self, change: Change) {
            let before = [0, 1].map(|number| self.cell(number).map_or(0, Cell::load));
            let after = self.scheduler.carry(before, change, self);
            self.cells = after.map(core::cell::Cell::new);
        }

        fn add(&mut self, name: u8, weight: u32) {
            let server = Server {
                name,
                weight,
                ..Server::default()
            };
            if let Some(place) = self.servers.get_mut(self.len) {
                *place = server;
            }
            self.len = self.len.saturating_add(1);
            self.carry(Change::Added);
        }

        fn remove(&mut self, name: u8) {
            let index = self.index(name);
            if let Some(rest) = self.servers.get_mut(index..) {
                rest.rotate_left(1);
            }
            self.len = self.len.saturating_sub(1);
            self.carry(Change::Removed(index));
        }

        fn edit(&mut self, name: u8, weight: u32) {
            self.change(name, |server| server.weight = weight);
            self.carry(Change::Edited);
        }

        fn overload(&mut self, name: u8) {
            self.change(name, |server| server.overloaded = true);
        }

        fn load(&mut self, name: u8, active: u32, total: u32) {
            self.change(name, |server| {
                server.active = active;
                server.total = total;
            });
        }

        fn change(&mut self, name: u8, how: impl Fn(&mut Server)) {
            let index = self.index(name);
            if let Some(server) = self.servers.get_mut(index) {
                how(server);
            }
        }

        fn index(&self, name: u8) -> usize {
            (0..self.len)
                .find(|index| self.get(*index).name == name)
                .unwrap_or(self.len)
        }

        fn get(&self, index: usize) -> Server {
            self.servers.get(index).copied().unwrap_or_default()
        }

        /// Picks as often as there are names and tells whether those were picked; `-` is nobody.
        fn picks(&self, names: &[u8]) -> bool {
            let flow = Flow {
                family: Family::V4,
                protocol: Protocol::TCP,
                source: Endpoint::default(),
                dest: Endpoint::default(),
            };
            names.iter().all(|name| {
                let picked = self.scheduler.pick(self, &flow);
                picked.map_or(b'-', |index| self.get(index).name) == *name
            })
        }
    }

    impl Servers for Group {
        type Cell = core::cell::Cell<u64>;

        fn len(&self) -> usize {
            self.len
        }

        fn weight(&self, index: usize) -> u32 {
            self.get(index).weight
        }

        fn active(&self, index: usize) -> u32 {
            self.get(index).active
        }

        fn total(&self, index: usize) -> u32 {
            self.get(index).total
        }

        fn usable(&self, index: usize) -> bool {
            !self.get(index).overloaded
        }

        fn cell(&self, number: usize) -> Option<&Self::Cell> {
            self.cells.get(number)
        }
    }
}
