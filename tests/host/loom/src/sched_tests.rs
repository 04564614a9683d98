// SPDX-License-Identifier: GPL-2.0
//! Several CPUs choose servers at once: exact shares, and no server that was never right.

use crate::sync::{AtomicU32, AtomicU64, Full, Relaxed};
use crate::version::{Cached, Version};
use ipvs::addr::{Endpoint, Family, Port};
use ipvs::flow::Flow;
use ipvs::proto::Transport;
use ipvs::sched::{
    self, Aggregate, Change, Options, Permutation, Scheduler, Servers, CELLS, CHUNK,
};
use loom::sync::Arc;
use loom::thread;

/// A cell as the module has it.
struct Cell(AtomicU64);

impl sched::Cell for Cell {
    fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn exchange(&self, present: u64, next: u64) -> Result<(), u64> {
        self.0.cmpxchg(present, next, Full).map(|_| ())
    }
}

struct Server {
    weight: u32,
    active: AtomicU32,
}

impl sched::Server for Server {
    fn weight(&self) -> u32 {
        self.weight
    }

    fn last_weight(&self) -> u32 {
        self.weight
    }

    fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    fn total(&self) -> u32 {
        // Every connection is active; another look would see another moment.
        0
    }

    fn is_overloaded(&self) -> bool {
        false
    }

    fn is_linked(&self) -> bool {
        true
    }

    fn permutation(&self) -> Permutation {
        Permutation::FIRST
    }
}

struct Group {
    members: Vec<Server>,
    version: Version,
    cached: Cached,
}

/// A service whose groups are as small as a test needs them.
struct Service {
    scheduler: Scheduler,
    groups: Vec<Group>,
    cells: Vec<Cell>,
}

impl Service {
    /// Makes a service from the weights and the active connections of the servers of each group.
    fn new(scheduler: Scheduler, groups: &[&[(u32, u32)]]) -> Arc<Self> {
        let server = |&(weight, active): &(u32, u32)| Server {
            weight,
            active: AtomicU32::new(active),
        };
        let group = |members: &&[(u32, u32)]| Group {
            members: members.iter().map(server).collect(),
            version: Version::new(),
            cached: Cached::new(),
        };
        let mut service = Self {
            scheduler,
            groups: groups.iter().map(group).collect(),
            cells: Vec::new(),
        };
        let state = scheduler.migrate([0; CELLS], Change::Bound, &service, Some);
        service.cells = state
            .unwrap_or_default()
            .map(|value| Cell(AtomicU64::new(value)))
            .into();
        if scheduler.spec().watches_counts {
            for group in &service.groups {
                group.version.watch();
            }
        }
        Arc::new(service)
    }

    /// Picks a server and returns its number.
    fn pick(&self) -> usize {
        let end = Endpoint {
            addr: Family::V4.unspecified(),
            port: Port::ANY,
        };
        let flow = Flow {
            transport: Transport::Tcp,
            source: end,
            dest: end,
        };
        self.scheduler
            .pick(self, &flow, Options::of(0))
            .expect("a server takes it")
    }

    /// Lets the connections of a server become more or fewer, as the module does.
    fn change(&self, number: usize, change: i32) {
        let group = &self.groups[number / CHUNK];
        let active = &group.members[number % CHUNK].active;
        match change {
            0.. => active.fetch_add(change.unsigned_abs(), Full),
            _ => active.fetch_sub(change.unsigned_abs(), Full),
        };
        group.version.count_if_watched();
    }
}

impl Servers for Service {
    type Cell = Cell;
    type Server = Server;

    fn chunks(&self) -> usize {
        self.groups.len()
    }

    fn chunk(&self, group: usize) -> &[Server] {
        self.groups.get(group).map_or(&[], |group| &group.members)
    }

    fn aggregate(&self, group: usize, compute: impl Fn(&[Server]) -> Aggregate) -> Aggregate {
        let group = &self.groups[group];
        group.cached.get(&group.version, || compute(&group.members))
    }

    fn cell(&self, number: usize) -> Option<&Cell> {
        self.cells.get(number)
    }

    fn table(&self) -> &[u16] {
        &[]
    }

    fn random(&self, _last: u64) -> u64 {
        0
    }
}

fn check(preemptions: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(test);
}

/// Has two threads pick two servers each and returns how often each server was picked.
fn two_pick(scheduler: Scheduler, weights: &[u32]) -> Vec<usize> {
    let servers: Vec<_> = weights.iter().map(|weight| (*weight, 0)).collect();
    let service = Service::new(scheduler, &[&servers]);
    let other = service.clone();
    let other = thread::spawn(move || [other.pick(), other.pick()]);
    let mine = [service.pick(), service.pick()];
    let mut counts = vec![0; weights.len()];
    for number in mine.into_iter().chain(other.join().unwrap()) {
        counts[number] += 1;
    }
    counts
}

#[test]
fn rr_gives_each_the_same_over_whole_cycles() {
    check(4, || assert_eq!(two_pick(Scheduler::Rr, &[1, 7]), [2, 2]));
    check(4, || {
        assert_eq!(two_pick(Scheduler::Rr, &[1, 1, 0, 1, 1]), [1, 1, 0, 1, 1])
    });
}

#[test]
fn wrr_gives_each_its_weight_over_whole_cycles() {
    check(4, || assert_eq!(two_pick(Scheduler::Wrr, &[2, 6]), [1, 3]));
    check(4, || {
        assert_eq!(two_pick(Scheduler::Wrr, &[1, 0, 2, 1]), [1, 0, 2, 1])
    });
}

/// The numbers of the servers of a second group.
const B: usize = CHUNK;

/// Two groups: 0 is best at first and has one connection, the first of the second group has two.
fn two_groups(scheduler: Scheduler) -> Arc<Service> {
    let service = Service::new(scheduler, &[&[(1, 1), (1, 7)], &[(1, 2), (1, 6)]]);
    // What is remembered is of before.
    assert_eq!(service.pick(), 0);
    service
}

const LEAST: [Scheduler; 3] = [Scheduler::Lc, Scheduler::Wlc, Scheduler::Sed];

#[test]
fn least_picks_a_server_that_is_right_before_or_after_a_change() {
    for scheduler in LEAST {
        loom::model(move || {
            let service = two_groups(scheduler);
            let changer = service.clone();
            let changer = thread::spawn(move || changer.change(0, 3));
            let (first, second) = (service.pick(), service.pick());
            assert!([0, B].contains(&first), "{first} was never right");
            assert!(
                second == B || (first, second) == (0, 0),
                "{second} after {first}"
            );
            changer.join().unwrap();
            assert_eq!(service.pick(), B, "a change that returned was not seen");
        });
    }
}

#[test]
fn least_picks_no_server_that_is_right_at_no_moment_of_two_changes() {
    for scheduler in LEAST {
        check(3, move || {
            let service = two_groups(scheduler);
            let changer = service.clone();
            let changer = thread::spawn(move || {
                // The best is 0, then B, and then 0 again.
                changer.change(0, 3);
                changer.change(0, -3);
            });
            let picked = service.pick();
            assert!([0, B].contains(&picked), "{picked} was never right");
            changer.join().unwrap();
            assert_eq!(service.pick(), 0, "a change that returned was not seen");
        });
    }
}

#[test]
fn two_threads_that_pick_while_a_third_changes_are_right() {
    check(2, || {
        let service = two_groups(Scheduler::Lc);
        let (changer, other) = (service.clone(), service.clone());
        let changer = thread::spawn(move || changer.change(0, 3));
        let other = thread::spawn(move || other.pick());
        let picked = [service.pick(), other.join().unwrap()];
        assert!(picked.iter().all(|number| [0, B].contains(number)));
        changer.join().unwrap();
        assert_eq!(service.pick(), B, "a change that returned was not seen");
    });
}
