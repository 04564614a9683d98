// SPDX-License-Identifier: GPL-2.0
//! Schedulers: which real server gets a new connection.
//!
//! A scheduler is a pure function over a view of the servers of one service and a few 64-bit cells
//! of state. The view reads live counters; the cells are advanced by compare-exchange, so that
//! rr and wrr give their exact sequence however many CPUs pick at once, without a lock.
//!
//! Servers stand in the order of their addition, in groups of at most [`GROUP`]. Users see the
//! newest first, and every tie and every round of C follows that order: here it is "from the end".
//! What a scheduler wants to know of a group is summed up in a [`Summary`], which the view keeps
//! until one of the group's servers changes: a decision looks at few servers, however many there
//! are.

use crate::addr::{words, Addr, Family};
use crate::flags::service::{SCHED1, SCHED2};
use crate::flow::Flow;
use core::ops::{ControlFlow, Range};
use maglev::{Kept, Memory};

mod dh;
mod fo;
pub mod lblc;
pub mod lblcr;
mod lc;
mod least;
pub mod maglev;
mod mh;
mod nq;
mod ovf;
mod rr;
mod sed;
mod sh;
mod twos;
mod wlc;
mod wrr;

pub use maglev::Permutation;

/// How many cells of state a scheduler may use.
pub const CELLS: usize = 2;

/// The values of all cells of a scheduler.
pub type State = [u64; CELLS];

/// The longest name of a scheduler that user space may send, in bytes.
pub const NAME_MAX: usize = 15;

/// The most servers that a group holds.
pub const GROUP: usize = 32;

/// Stands for no server in a table, which is free when it is zeroed: see [`Servers::table`].
pub const NOBODY: u16 = 0;

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

/// What schedulers ask of a server.
pub trait Server {
    /// Returns its share; 0 takes no new connection.
    fn weight(&self) -> u32;

    /// Returns the share it had when it was not 0 last; 0 if it always was.
    fn last_weight(&self) -> u32;

    /// Returns how many of its connections are active.
    fn active(&self) -> u32;

    /// Returns how many connections it has, templates not counted.
    fn total(&self) -> u32;

    /// Returns whether it is below its thresholds.
    fn usable(&self) -> bool;

    /// Returns whether it still belongs to its service.
    fn available(&self) -> bool;

    /// Returns the way it takes through a Maglev table.
    fn permutation(&self) -> Permutation;
}

/// What a scheduler remembers of a group of servers; the meaning of the words is its own.
pub type Summary = [u64; 2];

/// The servers of one service as a scheduler sees them: groups in the order of addition.
///
/// A server's number is its group's times [`GROUP`] plus its place in it.
pub trait Servers {
    /// What a cell of state is made of.
    type Cell: Cell;
    /// What a server is.
    type Server: Server;

    /// Returns how many groups there are.
    fn groups(&self) -> usize;

    /// Returns the servers of a group in the order of addition; none for a group that is not there.
    fn group(&self, group: usize) -> &[Self::Server];

    /// Returns what `sum_up` says of a group, or said of it when none of its servers had changed.
    ///
    /// A scheduler always asks with the same `sum_up`.
    fn summary(&self, group: usize, sum_up: impl Fn(&[Self::Server]) -> Summary) -> Summary;

    /// Returns a cell of state; there are [`CELLS`] of them.
    fn cell(&self, number: usize) -> Option<&Self::Cell>;

    /// Returns the table that [`Scheduler::fill`] made of these servers.
    ///
    /// A server is named by how far its number is from the end of the last group, so that 16 bits
    /// are enough for the newest thousands, however many there are.
    fn table(&self) -> &[u16];

    /// Returns a random number from 0 to `last`, which nobody can predict.
    fn random(&self, last: u64) -> u64;

    /// Returns a server by its number.
    fn server(&self, number: usize) -> Option<&Self::Server> {
        self.group(number / GROUP).get(number % GROUP)
    }
}

/// All servers of a view, the newest first.
fn newest_first<S: Servers>(servers: &S) -> impl Iterator<Item = &S::Server> {
    let groups = (0..servers.groups()).rev();
    groups.flat_map(|group| servers.group(group).iter().rev())
}

/// Shows servers to `visit` with what stands for them in a table, the newest first, until that
/// breaks off or there is nothing to stand for them.
fn visit_newest<S: Servers>(
    servers: &S,
    mut visit: impl FnMut(u16, &S::Server) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let groups = servers.groups();
    for group in (0..groups).rev() {
        let members = servers.group(group);
        let end = u16::try_from(number_of(groups.wrapping_sub(group), 0));
        let (Ok(end), Ok(len)) = (end, u16::try_from(members.len())) else {
            return ControlFlow::Break(());
        };
        let mut seat = end.saturating_sub(len);
        for server in members.iter().rev() {
            seat = seat.wrapping_add(1);
            visit(seat, server)?;
        }
    }
    ControlFlow::Continue(())
}

/// A change of the set of servers that a scheduler's state must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The scheduler is new for the service.
    Bound,
    /// A server was added at the end.
    Added,
    /// A server was removed.
    Removed,
    /// A server was edited.
    Edited {
        /// Its weight is another.
        weight: bool,
        /// So is [`Server::last_weight`].
        last_weight: bool,
    },
}

/// The flags of a service that a scheduler looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Look for another server when the table's takes no connection (sh and mh).
    pub fallback: bool,
    /// The client's port counts, not only its address (sh and mh).
    pub port: bool,
}

impl Options {
    /// Reads them from the flags of a service, see [`crate::flags::service`].
    pub const fn of(flags: u32) -> Self {
        Self {
            fallback: flags & SCHED1 != 0,
            port: flags & SCHED2 != 0,
        }
    }
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
    /// Weighted failover.
    Fo,
    /// Weighted overflow.
    Ovf,
    /// Locality-based least connections.
    Lblc,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Destination hashing.
    Dh,
    /// Source hashing.
    Sh,
    /// Maglev hashing.
    Mh,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// The better of two random choices.
    Twos,
}

impl Scheduler {
    /// All schedulers that a service can have.
    pub const ALL: [Scheduler; 15] = [
        Scheduler::None,
        Scheduler::Rr,
        Scheduler::Wrr,
        Scheduler::Lc,
        Scheduler::Wlc,
        Scheduler::Fo,
        Scheduler::Ovf,
        Scheduler::Lblc,
        Scheduler::Lblcr,
        Scheduler::Dh,
        Scheduler::Sh,
        Scheduler::Mh,
        Scheduler::Sed,
        Scheduler::Nq,
        Scheduler::Twos,
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
            Scheduler::Fo => "fo",
            Scheduler::Ovf => "ovf",
            Scheduler::Lblc => "lblc",
            Scheduler::Lblcr => "lblcr",
            Scheduler::Dh => "dh",
            Scheduler::Sh => "sh",
            Scheduler::Mh => "mh",
            Scheduler::Sed => "sed",
            Scheduler::Nq => "nq",
            Scheduler::Twos => "twos",
        }
    }

    /// Picks the server for a new connection: its number, or `None` if none takes it.
    ///
    /// lblc and lblcr ask here when what they remember of an address does not answer.
    pub fn pick(self, servers: &impl Servers, flow: &Flow, options: Options) -> Option<usize> {
        match self {
            Scheduler::None => None,
            Scheduler::Rr => rr::pick(servers),
            Scheduler::Wrr => wrr::pick(servers),
            Scheduler::Lc => least::pick(servers, lc::claim),
            Scheduler::Wlc => least::pick(servers, wlc::claim),
            Scheduler::Fo => least::pick(servers, fo::claim),
            Scheduler::Ovf => least::pick(servers, ovf::claim),
            Scheduler::Lblc | Scheduler::Lblcr => lblc::pick(servers),
            Scheduler::Dh => dh::pick(servers, flow),
            Scheduler::Sh => sh::pick(servers, flow, options),
            Scheduler::Mh => mh::pick(servers, flow, options),
            Scheduler::Sed => least::pick(servers, sed::claim),
            Scheduler::Nq => least::pick(servers, nq::claim),
            Scheduler::Twos => twos::pick(servers),
        }
    }

    /// Returns whether the scheduler's summaries change with the number of connections.
    pub const fn counts(self) -> bool {
        matches!(
            self,
            Scheduler::Lc
                | Scheduler::Wlc
                | Scheduler::Ovf
                | Scheduler::Lblc
                | Scheduler::Lblcr
                | Scheduler::Sed
                | Scheduler::Nq
        )
    }

    /// Returns whether the scheduler remembers who serves an address.
    pub const fn remembers(self) -> bool {
        matches!(self, Scheduler::Lblc | Scheduler::Lblcr)
    }

    /// Returns how many places the scheduler's table has; 0 if it has none.
    pub const fn table_len(self) -> usize {
        match self {
            Scheduler::Dh => dh::PLACES,
            Scheduler::Sh => sh::PLACES,
            Scheduler::Mh => maglev::PLACES,
            _ => 0,
        }
    }

    /// Returns whether `change` makes another table of the same servers, or of others.
    pub const fn refills(self, change: Change) -> bool {
        match self {
            Scheduler::Dh => !matches!(change, Change::Edited { .. }),
            Scheduler::Sh => !matches!(change, Change::Edited { weight: false, .. }),
            Scheduler::Mh => !matches!(
                change,
                Change::Edited {
                    last_weight: false,
                    ..
                }
            ),
            _ => false,
        }
    }

    /// Fills the scheduler's table, of [`Scheduler::table_len`] places that are free, with servers.
    ///
    /// Only mh needs `memory`, and by what it returns tells the next run how to use what is left in
    /// it. `None` if the table was left as it was: there are more servers than places.
    pub fn fill(
        self,
        servers: &impl Servers,
        memory: &mut Memory<'_>,
        table: &mut [u16],
    ) -> Option<Kept> {
        match self {
            Scheduler::Dh => dh::fill(servers, table),
            Scheduler::Sh => sh::fill(servers, table),
            Scheduler::Mh => return maglev::fill(servers, memory, table),
            _ => {}
        }
        Some(Kept::default())
    }

    /// Returns the state with which the scheduler goes on after `change`.
    ///
    /// `before` is the state up to the change, `servers` the set after it (its cells are not
    /// looked at). `moved` tells the number that a server now has from the one it had; for one
    /// that is gone, the next newer one's; `None` before the newest.
    pub fn carry(
        self,
        before: State,
        change: Change,
        servers: &impl Servers,
        moved: impl Fn(usize) -> Option<usize>,
    ) -> State {
        match self {
            Scheduler::Rr => rr::carry(before, change, moved),
            Scheduler::Wrr => wrr::carry(before, change, servers),
            _ => [0; CELLS],
        }
    }

    /// Returns whether it uses cells of state.
    pub const fn has_cells(self) -> bool {
        matches!(self, Scheduler::Rr | Scheduler::Wrr)
    }
}

/// Returns the load of a server that least-connection schedulers compare: an active connection
/// weighs as much as 257 inactive ones.
fn load(server: &impl Server) -> u64 {
    // C computes this in 32 bits and overflows beyond eight million active connections.
    u64::from(server.active())
        .wrapping_mul(256)
        .wrapping_add(u64::from(server.total()))
}

/// Returns whether a server takes new connections.
fn eligible(server: &impl Server) -> bool {
    server.weight() != 0 && server.usable()
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
            Cursor::At(number) => number.saturating_add(1),
        }
    }

    /// The cursor kept in half of a cell.
    fn from_half(half: u32) -> Cursor {
        half.checked_sub(1).map_or(Cursor::Head, Cursor::At)
    }

    /// The group it is in, of so many; behind them all at the head.
    fn group(self, groups: usize) -> usize {
        match self {
            Cursor::Head => groups,
            Cursor::At(number) => groups.min(to_index(number) / GROUP),
        }
    }

    /// A cursor at the server with this number.
    fn at(number: usize) -> Cursor {
        u32::try_from(number).map_or(Cursor::Head, Cursor::At)
    }
}

/// Finds the first server after `from` that fits, up to the oldest.
///
/// `may` tells from a group's number whether somebody in it fits; it is not asked about the group
/// that `from` is in, nor about the only one.
fn first_after<S: Servers>(
    servers: &S,
    from: Cursor,
    may: impl Fn(usize) -> bool,
    fits: impl Fn(&S::Server) -> bool,
) -> Option<usize> {
    let older = 0..from.group(servers.groups());
    first_beside(servers, from, &fits).or_else(|| first_among(servers, older, may, fits))
}

/// As [`first_after`], but goes on with the newest behind the oldest, once around.
fn first_around<S: Servers>(
    servers: &S,
    from: Cursor,
    may: impl Fn(usize) -> bool,
    fits: impl Fn(&S::Server) -> bool,
) -> Option<usize> {
    let groups = servers.groups();
    let own = from.group(groups);
    first_beside(servers, from, &fits)
        .or_else(|| first_among(servers, 0..own, &may, &fits))
        .or_else(|| first_among(servers, own..groups, may, fits))
}

/// Finds the first server after `from` that fits in the same group.
fn first_beside<S: Servers>(
    servers: &S,
    from: Cursor,
    fits: impl Fn(&S::Server) -> bool,
) -> Option<usize> {
    let Cursor::At(number) = from else {
        return None;
    };
    let number = to_index(number);
    let (group, end) = (number / GROUP, number % GROUP);
    let members = servers.group(group);
    // A cursor that was moved while the list changed may be beyond the group: all are left.
    let rest = members.get(..end).unwrap_or(members);
    Some(number_of(group, newest(rest, &fits)?))
}

/// Finds the first server of some groups that fits.
fn first_among<S: Servers>(
    servers: &S,
    groups: Range<usize>,
    may: impl Fn(usize) -> bool,
    fits: impl Fn(&S::Server) -> bool,
) -> Option<usize> {
    let only = servers.groups() == 1;
    groups
        .rev()
        .filter(|group| only || may(*group))
        .find_map(|group| {
            let slot = newest(servers.group(group), &fits)?;
            Some(number_of(group, slot))
        })
}

/// The place of the newest of a group that fits.
fn newest<T>(group: &[T], fits: &impl Fn(&T) -> bool) -> Option<usize> {
    (0..group.len())
        .rev()
        .find(|slot| group.get(*slot).is_some_and(fits))
}

/// The number of the server at a place of a group.
fn number_of(group: usize, slot: usize) -> usize {
    group.wrapping_mul(GROUP).wrapping_add(slot)
}

/// Folds an address into the 32 bits that the hashing schedulers use.
fn fold(family: Family, addr: Addr) -> u32 {
    let words = words(addr).into_iter();
    let count = match family {
        Family::V4 => 1,
        Family::V6 => 4,
    };
    u32::from_be(words.take(count).fold(0, |all, word| all ^ word))
}

/// Multiplicative hash of 32 bits down to `bits`, which are 1 to 32 (Knuth; golden ratio).
fn hash32(value: u32, bits: u32) -> usize {
    let hash = value.wrapping_mul(0x61c8_8647);
    to_index(hash.wrapping_shr(32_u32.wrapping_sub(bits)))
}

/// Returns the client's port where the service wants it to count.
fn port_of(flow: &Flow, options: Options) -> u32 {
    match options.port && flow.transport.has_ports() {
        true => u32::from(flow.source.port.host()),
        false => 0,
    }
}

/// Returns the number of the server at a place of the table.
fn seated(servers: &impl Servers, place: usize) -> Option<usize> {
    let seat = *servers.table().get(place)?;
    let end = number_of(servers.groups(), 0);
    (seat != NOBODY).then(|| end.wrapping_sub(usize::from(seat)))
}

/// Widens a number of a server; no machine of ours has a narrower `usize`.
fn to_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The greatest number that divides both; one of 0 and x is x.
fn greatest_common_divisor(first: u32, second: u32) -> u32 {
    let (mut high, mut low) = (first, second);
    while let Some(rest) = high.checked_rem(low) {
        (high, low) = (low, rest);
    }
    high
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
    use crate::addr::{ipv4, Endpoint, Port};
    use crate::proto::Transport;

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
            assert!(group.picks(b"--"));
        }
    }

    #[test]
    fn sed_and_nq_differ_over_idle_servers() {
        let mut group = Group::of(Scheduler::Sed, b"A9 B1 C1");
        group.load(b'A', 1, 1);
        assert!(group.picks(b"A"));
        group.scheduler = Scheduler::Nq;
        assert!(group.picks(b"C"));
        group.load(b'C', 1, 1);
        assert!(group.picks(b"B"));
        group.load(b'B', 1, 1);
        assert!(group.picks(b"A"));
    }

    #[test]
    fn fo_takes_the_heaviest_and_ovf_fills_it() {
        let mut group = Group::of(Scheduler::Fo, b"A1 B3 C3");
        assert!(group.picks(b"CC"));
        group.load(b'C', 4, 4);
        assert!(group.picks(b"C"));
        group.scheduler = Scheduler::Ovf;
        assert!(group.picks(b"B"));
        group.load(b'B', 3, 3);
        assert!(group.picks(b"B"));
        group.load(b'B', 4, 4);
        group.load(b'A', 2, 2);
        assert!(group.picks(b"-"));
        group.overload(b'A');
        group.overload(b'B');
        group.scheduler = Scheduler::Fo;
        assert!(group.picks(b"C"));
    }

    #[test]
    fn twos_takes_the_less_loaded_of_two() {
        let mut group = Group::of(Scheduler::Twos, b"A1 B2 C0");
        group.load(b'B', 9, 9);
        // The draws are 0, 1, 2 and so on: B is up to 2, A is 3.
        assert!(group.picks(b"BA"));
        group.overload(b'A');
        group.overload(b'B');
        assert!(group.picks(b"--"));
    }

    #[test]
    fn dh_and_sh_follow_their_tables() {
        let vip = [192, 0, 2, 1];
        assert!(Group::of(Scheduler::Dh, b"A1 B1 C1").picks_of([10, 0, 0, 9], vip, b'A'));
        let sources = [
            [10, 0, 0, 1],
            [10, 0, 0, 2],
            [192, 0, 2, 1],
            [198, 51, 100, 7],
        ];
        let group = Group::of(Scheduler::Sh, b"A1 B2 C3");
        let named = sources.into_iter().zip(*b"BACB");
        assert!(named
            .clone()
            .all(|(source, name)| group.picks_of(source, vip, name)));
    }

    #[test]
    fn sh_falls_back_only_if_told_to() {
        let mut group = Group::of(Scheduler::Sh, b"A1 B1");
        group.overload(b'A');
        group.overload(b'B');
        assert!(group.picks(b"-"));
        let mut group = Group::of(Scheduler::Sh, b"A1 B0");
        let free = (0..32_u8).filter(|last| group.picks_of([10, 0, 0, *last], [0; 4], b'-'));
        assert!(free.count() > 8);
        group.options.fallback = true;
        assert!((0..32_u8).all(|last| group.picks_of([10, 0, 0, last], [0; 4], b'A')));
    }

    #[test]
    fn lblc_keeps_a_busy_server_unless_another_is_idle() {
        let mut group = Group::of(Scheduler::Lblc, b"A2 B2");
        assert!(group.keeps(b'A'));
        group.load(b'A', 3, 3);
        assert!(!group.keeps(b'A'));
        group.load(b'B', 1, 1);
        assert!(group.keeps(b'A'));
        group.edit(b'A', 0);
        assert!(!group.keeps(b'A'));
    }

    #[derive(Clone, Copy, Default)]
    struct One {
        name: u8,
        weight: u32,
        last_weight: u32,
        active: u32,
        total: u32,
        overloaded: bool,
    }

    impl Server for One {
        fn weight(&self) -> u32 {
            self.weight
        }

        fn last_weight(&self) -> u32 {
            self.last_weight
        }

        fn active(&self) -> u32 {
            self.active
        }

        fn total(&self) -> u32 {
            self.total
        }

        fn usable(&self) -> bool {
            !self.overloaded
        }

        fn available(&self) -> bool {
            true
        }

        fn permutation(&self) -> Permutation {
            Permutation::new(u16::from(self.name), 1)
        }
    }

    /// A few servers with one-letter names, changed as a service changes them.
    struct Group {
        scheduler: Scheduler,
        options: Options,
        servers: [One; 4],
        len: usize,
        cells: [core::cell::Cell<u64>; CELLS],
        table: [u16; sh::PLACES],
        draws: core::cell::Cell<u64>,
    }

    impl Group {
        /// Adds servers as in `A1 B2`: name and weight.
        fn of(scheduler: Scheduler, servers: &[u8]) -> Group {
            let mut group = Group {
                scheduler,
                options: Options::of(0),
                servers: [One::default(); 4],
                len: 0,
                cells: Default::default(),
                table: [NOBODY; sh::PLACES],
                draws: core::cell::Cell::new(0),
            };
            group.carry(Change::Bound, Some);
            for server in servers.chunks(3) {
                if let [name, weight, ..] = server {
                    group.add(*name, u32::from(weight.saturating_sub(b'0')));
                }
            }
            group
        }

        fn carry(&mut self, change: Change, moved: impl Fn(usize) -> Option<usize>) {
            let before = [0, 1].map(|number| self.cell(number).map_or(0, Cell::load));
            let after = self.scheduler.carry(before, change, self, moved);
            self.cells = after.map(core::cell::Cell::new);
            let mut table = self.table;
            if self.scheduler.table_len() == table.len() && self.scheduler.refills(change) {
                table.fill(NOBODY);
                self.scheduler
                    .fill(self, &mut Memory::default(), &mut table);
                self.table = table;
            }
        }

        fn add(&mut self, name: u8, weight: u32) {
            let server = One {
                name,
                weight,
                last_weight: weight,
                ..One::default()
            };
            if let Some(place) = self.servers.get_mut(self.len) {
                *place = server;
            }
            self.len = self.len.saturating_add(1);
            self.carry(Change::Added, Some);
        }

        fn remove(&mut self, name: u8) {
            let index = self.index(name);
            if let Some(rest) = self.servers.get_mut(index..) {
                rest.rotate_left(1);
            }
            self.len = self.len.saturating_sub(1);
            let len = self.len;
            self.carry(Change::Removed, |number| {
                let now = if number > index {
                    number.checked_sub(1)?
                } else {
                    number
                };
                (now < len).then_some(now)
            });
        }

        fn edit(&mut self, name: u8, weight: u32) {
            self.change(name, |server| server.weight = weight);
            let changed = Change::Edited {
                weight: true,
                last_weight: true,
            };
            self.carry(changed, Some);
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

        fn change(&mut self, name: u8, how: impl Fn(&mut One)) {
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

        fn get(&self, index: usize) -> One {
            self.servers.get(index).copied().unwrap_or_default()
        }

        fn keeps(&self, name: u8) -> bool {
            lblc::keeps(self, &self.get(self.index(name)))
        }

        /// Picks as often as there are names and tells whether those were picked; `-` is nobody.
        fn picks(&self, names: &[u8]) -> bool {
            names
                .iter()
                .all(|name| self.picks_of([0; 4], [0; 4], *name))
        }

        /// Picks for one client and service address.
        fn picks_of(&self, source: [u8; 4], dest: [u8; 4], name: u8) -> bool {
            let end = |addr| Endpoint {
                addr: ipv4(addr),
                port: Port::ANY,
            };
            let flow = Flow {
                transport: Transport::Tcp,
                source: end(source),
                dest: end(dest),
            };
            let picked = self.scheduler.pick(self, &flow, self.options);
            picked.map_or(b'-', |index| self.get(index).name) == name
        }
    }

    impl Servers for Group {
        type Cell = core::cell::Cell<u64>;
        type Server = One;

        fn groups(&self) -> usize {
            usize::from(self.len > 0)
        }

        fn group(&self, group: usize) -> &[One] {
            let servers = if group == 0 {
                self.servers.get(..self.len)
            } else {
                None
            };
            servers.unwrap_or_default()
        }

        fn summary(&self, group: usize, sum_up: impl Fn(&[One]) -> Summary) -> Summary {
            sum_up(self.group(group))
        }

        fn cell(&self, number: usize) -> Option<&Self::Cell> {
            self.cells.get(number)
        }

        fn table(&self) -> &[u16] {
            &self.table
        }

        fn random(&self, last: u64) -> u64 {
            let draw = self.draws.get();
            self.draws.set(draw.wrapping_add(1));
            draw.checked_rem(last.saturating_add(1)).unwrap_or(0)
        }
    }
}
