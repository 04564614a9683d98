// SPDX-License-Identifier: GPL-2.0
//! Schedulers: which real server gets a new connection.
//!
//! A scheduler is a pure function over a view of the servers of one service and a few 64-bit cells
//! of state. The view reads live counters; the cells are advanced by compare-exchange, so that
//! rr and wrr give their exact sequence however many CPUs pick at once, without a lock.
//!
//! Each scheduler has a file of its own with its [`Spec`], which says all that the module has to
//! know to serve it, and its tests. In the module, adding one means: that file, its `mod` line, and a
//! row of `schedulers!`; `docs/developing/adding.md` has the tests and documents besides.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::flow::Flow;
use view::Weights;

mod cursor;
mod dh;
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod fixture;
mod fo;
mod hashing;
pub mod lblc;
pub mod lblcr;
mod lc;
mod least;
mod mh;
mod nq;
mod ovf;
mod permutation;
mod rr;
mod sed;
mod sh;
mod table;
mod twos;
mod view;
mod wlc;
mod wrr;

pub use hashing::Options;
pub use permutation::{Permutation, NO_SERVER};
pub use table::{Candidate, TableSpec, TooManyServers};
pub use view::{Aggregate, Cell, Server, Servers, CHUNK};

/// How many cells of state a scheduler may use.
pub const CELLS: usize = 2;

/// The values of all cells of a scheduler.
pub type State = [u64; CELLS];

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

/// How the set of servers changed, as far as a scheduler's cells depend on it.
pub struct Transition<'a> {
    change: Change,
    /// See [`Scheduler::migrate`].
    moved: &'a dyn Fn(usize) -> Option<usize>,
    /// Reads the weights after the change.
    weights: &'a dyn Fn() -> Weights,
}

/// Returns the state with which a scheduler goes on after a change, from the one up to it.
pub type Migrate = fn(State, &Transition<'_>) -> State;

/// Whether several servers may serve one address: the difference between lblc and lblcr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// Only one does.
    Single,
    /// A set of them does, which grows and shrinks.
    Set,
}

/// What the module has to know of a scheduler to serve it.
///
/// Every field is written out in every file: what a new scheduler needs is asked, not assumed.
pub struct Spec {
    /// What user space calls it.
    pub name: &'static str,
    /// Whether its aggregates change with the number of connections.
    pub watches_counts: bool,
    /// How its cells of state follow a change of the set of servers, if it has any.
    pub cells: Option<Migrate>,
    /// Its table, if it has one.
    pub table: Option<TableSpec>,
    /// Whether it keeps which servers serve an address (see [`lblc`]), and how many those may be.
    pub cache: Option<Replication>,
}

/// Makes the type [`Scheduler`] of a row for each: its meaning, its [`Spec`], and how it picks one of `$servers`.
macro_rules! schedulers {
    (pick($servers:ident, $flow:ident, $options:ident);
     $($(#[$meaning:meta])* $scheduler:ident = $spec:path, $pick:expr;)*) => {
        /// The known schedulers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Scheduler {
            $($(#[$meaning])* $scheduler,)*
        }

        impl Scheduler {
            /// All schedulers that a service can have.
            pub const ALL: [Scheduler; [$(Scheduler::$scheduler),*].len()] = [$(Scheduler::$scheduler),*];

            /// Returns what the module has to know of the scheduler.
            pub const fn spec(self) -> &'static Spec {
                match self {
                    $(Scheduler::$scheduler => &$spec,)*
                }
            }

            /// Picks the server for a new connection: its number, or `None` if none takes it.
            ///
            /// lblc and lblcr ask here when the address is not in their cache.
            pub fn pick(self, $servers: &impl Servers, $flow: &Flow, $options: Options) -> Option<usize> {
                match self {
                    $(Scheduler::$scheduler => $pick,)*
                }
            }
        }
    };
}

schedulers! {
    pick(servers, flow, options);

    /// No scheduler: no new connection finds a server.
    None = NONE, None;
    /// Round robin.
    Rr = rr::SPEC, rr::pick(servers);
    /// Weighted round robin.
    Wrr = wrr::SPEC, wrr::pick(servers);
    /// Least connections.
    Lc = lc::SPEC, least::pick(servers, lc::claim);
    /// Weighted least connections.
    Wlc = wlc::SPEC, least::pick(servers, wlc::claim);
    /// Weighted failover.
    Fo = fo::SPEC, least::pick(servers, fo::claim);
    /// Weighted overflow.
    Ovf = ovf::SPEC, least::pick(servers, ovf::claim);
    /// Locality-based least connections.
    Lblc = lblc::SPEC, lblc::pick(servers);
    /// Locality-based least connections with replication.
    Lblcr = lblcr::SPEC, lblc::pick(servers);
    /// Destination hashing.
    Dh = dh::SPEC, dh::pick(servers, flow);
    /// Source hashing.
    Sh = sh::SPEC, sh::pick(servers, flow, options);
    /// Maglev hashing.
    Mh = mh::SPEC, mh::pick(servers, flow, options);
    /// Shortest expected delay.
    Sed = sed::SPEC, least::pick(servers, sed::claim);
    /// Never queue.
    Nq = nq::SPEC, least::pick(servers, nq::claim);
    /// The better of two random choices.
    Twos = twos::SPEC, twos::pick(servers);
}

/// See [`Scheduler::None`].
const NONE: Spec = Spec {
    name: "none",
    watches_counts: false,
    cells: None,
    table: None,
    cache: None,
};

impl Scheduler {
    /// Returns the scheduler that user space calls `name` (without a terminating NUL).
    pub fn from_name(name: &[u8]) -> Option<Scheduler> {
        Self::ALL
            .into_iter()
            .find(|scheduler| scheduler.name().as_bytes() == name)
    }

    /// Returns the name that user space uses.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Returns the state with which the scheduler goes on after `change`; `None` if it uses no
    /// cells.
    ///
    /// `before` is the state up to the change, `servers` the set after it (its cells are not
    /// looked at). `moved` maps the number that a server had to the one it has now; for a server
    /// that is gone, to that of the next newer one; `None` beyond the newest.
    pub fn migrate(
        self,
        before: State,
        change: Change,
        servers: &impl Servers,
        moved: impl Fn(usize) -> Option<usize>,
    ) -> Option<State> {
        let migrate = self.spec().cells?;
        let transition = Transition {
            change,
            moved: &moved,
            weights: &|| Weights::of(servers),
        };
        Some(migrate(before, &transition))
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_sched))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::fixture::Service;
    use super::*;

    #[test]
    fn names_lead_back() {
        assert!(Scheduler::ALL
            .into_iter()
            .all(|scheduler| Scheduler::from_name(scheduler.name().as_bytes()) == Some(scheduler)));
        assert_eq!(Scheduler::from_name(b""), None);
        assert_eq!(Scheduler::from_name(b"rr2"), None);
    }

    #[test]
    fn no_scheduler_picks_no_server() {
        assert!(Service::of(Scheduler::None, b"A1").picks(b"--"));
    }

    #[test]
    fn no_scheduler_picks_one_of_no_servers() {
        for scheduler in Scheduler::ALL {
            assert!(Service::of(scheduler, b"").picks(b"--"));
        }
    }
}
