// SPDX-License-Identifier: GPL-2.0
//! Schedulers against plain models that walk a list as the specification says.

use ipvs::addr::{Addr, Endpoint, Family, Port, Protocol};
use ipvs::flow::Flow;
use ipvs::sched::{Cell, Change, Scheduler, Servers, CELLS};
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

const ANYWHERE: Endpoint = Endpoint {
    addr: Addr::ANY,
    port: Port::ANY,
};

const FLOW: Flow = Flow {
    family: Family::V4,
    protocol: Protocol::TCP,
    source: ANYWHERE,
    dest: ANYWHERE,
};

#[derive(Clone, Copy, Debug)]
struct Server {
    name: u32,
    weight: u32,
    active: u32,
    total: u32,
    usable: bool,
}

#[derive(Default)]
struct Shared(AtomicU64);

impl Cell for Shared {
    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn exchange(&self, present: u64, next: u64) -> Result<(), u64> {
        self.0
            .compare_exchange(present, next, Ordering::SeqCst, Ordering::SeqCst)
            .map(drop)
    }
}

/// What the code under test sees: oldest first.
#[derive(Default)]
struct Group {
    servers: Vec<Server>,
    cells: [Shared; CELLS],
}

impl Group {
    fn carry(&mut self, scheduler: Scheduler, change: Change) {
        let before = [self.cells[0].load(), self.cells[1].load()];
        let after = scheduler.carry(before, change, self);
        self.cells = after.map(|value| Shared(AtomicU64::new(value)));
    }

    fn pick(&self, scheduler: Scheduler) -> Option<u32> {
        let index = scheduler.pick(self, &FLOW)?;
        Some(self.servers[index].name)
    }
}

impl Servers for Group {
    type Cell = Shared;

    fn len(&self) -> usize {
        self.servers.len()
    }

    fn weight(&self, index: usize) -> u32 {
        self.servers[index].weight
    }

    fn active(&self, index: usize) -> u32 {
        self.servers[index].active
    }

    fn total(&self, index: usize) -> u32 {
        self.servers[index].total
    }

    fn usable(&self, index: usize) -> bool {
        self.servers[index].usable
    }

    fn cell(&self, number: usize) -> Option<&Shared> {
        self.cells.get(number)
    }
}

/// The list as users see it, newest first; `None` stands for its head where a place is meant.
type List = Vec<Server>;
type Place = Option<u32>;

fn position(list: &List, place: Place) -> Option<usize> {
    place.map(|name| list.iter().position(|server| server.name == name).unwrap())
}

trait Model {
    fn bound(&mut self, _list: &List) {}
    fn added(&mut self, _list: &List) {}
    /// `before` is the list with the server that was removed.
    fn removed(&mut self, _name: u32, _before: &List, _list: &List) {}
    fn edited(&mut self, _list: &List) {}
    fn pick(&mut self, list: &List) -> Option<u32>;
}

#[derive(Default)]
struct Rr {
    cursor: Place,
}

impl Model for Rr {
    fn bound(&mut self, _list: &List) {
        self.cursor = None;
    }

    fn removed(&mut self, name: u32, before: &List, _list: &List) {
        if self.cursor == Some(name) {
            let at = position(before, Some(name)).unwrap();
            self.cursor = at.checked_sub(1).map(|previous| before[previous].name);
        }
    }

    fn pick(&mut self, list: &List) -> Option<u32> {
        let first = position(list, self.cursor).map_or(0, |at| at + 1);
        let order = (first..list.len()).chain(0..first);
        for at in order {
            if list[at].usable && list[at].weight > 0 {
                self.cursor = Some(list[at].name);
                return self.cursor;
            }
        }
        None
    }
}

/// Steps down one divisor at a time: the loop of the specification, 5.2.
#[derive(Default)]
struct Wrr {
    cl: Place,
    di: i64,
    mw: i64,
    cw: i64,
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

impl Wrr {
    fn levels(&mut self, list: &List) {
        let weights = || list.iter().map(|server| i64::from(server.weight));
        self.di = weights().fold(0, |all, weight| gcd(weight, all)).max(1);
        self.mw = weights().max().unwrap_or(0) - (self.di - 1);
        self.mw = self.mw.max(0);
        self.cl = None;
    }

    fn changed(&mut self, list: &List) {
        self.levels(list);
        if self.cw > self.mw || self.cw == 0 {
            self.cw = self.mw;
        } else if self.di > 1 {
            self.cw = self.cw / self.di * self.di + 1;
        }
    }
}

impl Model for Wrr {
    fn bound(&mut self, list: &List) {
        self.levels(list);
        self.cw = self.mw;
    }

    fn added(&mut self, list: &List) {
        self.changed(list);
    }

    fn removed(&mut self, _name: u32, _before: &List, list: &List) {
        self.changed(list);
    }

    fn edited(&mut self, list: &List) {
        self.changed(list);
    }

    fn pick(&mut self, list: &List) -> Option<u32> {
        if self.mw == 0 {
            return None;
        }
        let start = position(list, self.cl);
        let (mut from, mut stop) = (start.map_or(0, |at| at + 1), None);
        let (mut last_pass, mut restarted) = (false, false);
        loop {
            for at in from..list.len() {
                if list[at].usable && i64::from(list[at].weight) >= self.cw {
                    self.cl = Some(list[at].name);
                    return self.cl;
                }
                if stop == Some(at) {
                    self.cl = Some(list[at].name);
                    return None;
                }
            }
            from = 0;
            self.cw -= self.di;
            if self.cw <= 0 {
                self.cw = self.mw;
                if last_pass || start.is_none() {
                    self.cl = None;
                    return None;
                }
                restarted = true;
            }
            last_pass = self.cw <= self.di;
            if last_pass && restarted {
                stop = start;
            }
        }
    }
}

fn load(server: &Server) -> i128 {
    256 * i128::from(server.active) + i128::from(server.total)
}

struct Lc;

impl Model for Lc {
    fn pick(&mut self, list: &List) -> Option<u32> {
        let mut best: Option<&Server> = None;
        for server in list {
            if server.usable
                && server.weight != 0
                && best.is_none_or(|best| load(server) < load(best))
            {
                best = Some(server);
            }
        }
        best.map(|server| server.name)
    }
}

struct Wlc;

impl Model for Wlc {
    fn pick(&mut self, list: &List) -> Option<u32> {
        let mut best: Option<&Server> = None;
        for server in list {
            if !server.usable || (best.is_none() && server.weight == 0) {
                continue;
            }
            if best.is_none_or(|best| {
                load(best) * i128::from(server.weight) > load(server) * i128::from(best.weight)
            }) {
                best = Some(server);
            }
        }
        best.map(|server| server.name)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(u32),
    Remove(prop::sample::Index),
    Weight(prop::sample::Index, u32),
    Overload(prop::sample::Index, bool),
    Load(prop::sample::Index, u32, u32),
    Pick(u8),
}

fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0..8_u32,
        2 => prop::sample::select(vec![0, 10, 20, 30, 100, 300]),
        1 => 0..5_000_u32,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => weight().prop_map(Step::Add),
        2 => index().prop_map(Step::Remove),
        2 => (index(), weight()).prop_map(|(at, weight)| Step::Weight(at, weight)),
        4 => (index(), any::<bool>()).prop_map(|(at, usable)| Step::Overload(at, usable)),
        4 => (index(), 0..5_u32, 0..9_u32).prop_map(|(at, active, more)| Step::Load(at, active, active + more)),
        8 => (1..12_u8).prop_map(Step::Pick),
    ]
}

/// Runs both through the same life and compares every decision.
fn agree(scheduler: Scheduler, mut model: impl Model, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut group = Group::default();
    let mut name = 0;
    let newest_first = |group: &Group| -> List { group.servers.iter().rev().copied().collect() };
    group.carry(scheduler, Change::Bound);
    model.bound(&Vec::new());
    for step in steps {
        let len = group.servers.len();
        let before = newest_first(&group);
        match step {
            Step::Add(weight) => {
                name += 1;
                group.servers.push(Server {
                    name,
                    weight: *weight,
                    active: 0,
                    total: 0,
                    usable: true,
                });
                group.carry(scheduler, Change::Added);
                model.added(&newest_first(&group));
            }
            Step::Pick(times) => {
                for _ in 0..*times {
                    prop_assert_eq!(group.pick(scheduler), model.pick(&before));
                }
            }
            _ if len == 0 => {}
            Step::Remove(at) => {
                let index = at.index(len);
                let removed = group.servers.remove(index);
                group.carry(scheduler, Change::Removed(index));
                model.removed(removed.name, &before, &newest_first(&group));
            }
            Step::Weight(at, weight) => {
                group.servers[at.index(len)].weight = *weight;
                group.carry(scheduler, Change::Edited);
                model.edited(&newest_first(&group));
            }
            Step::Overload(at, usable) => group.servers[at.index(len)].usable = *usable,
            Step::Load(at, active, total) => {
                let server = &mut group.servers[at.index(len)];
                (server.active, server.total) = (*active, *total);
            }
        }
    }
    Ok(())
}

fn life() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn rr_agrees_with_its_model(steps in life()) {
        agree(Scheduler::Rr, Rr::default(), &steps)?;
    }

    #[test]
    fn wrr_agrees_with_its_model(steps in life()) {
        agree(Scheduler::Wrr, Wrr::default(), &steps)?;
    }

    #[test]
    fn lc_agrees_with_its_model(steps in life()) {
        agree(Scheduler::Lc, Lc, &steps)?;
    }

    #[test]
    fn wlc_agrees_with_its_model(steps in life()) {
        agree(Scheduler::Wlc, Wlc, &steps)?;
    }

    #[test]
    fn nobody_gets_a_connection_who_must_not(
        weights in prop::collection::vec((0..3_u32, any::<bool>()), 0..20)
    ) {
        for scheduler in Scheduler::ALL {
            let mut group = Group::default();
            group.carry(scheduler, Change::Bound);
            for (name, (weight, usable)) in weights.iter().enumerate() {
                let server = Server {
                    name: u32::try_from(name).unwrap(),
                    weight: *weight,
                    active: 0,
                    total: 0,
                    usable: *usable,
                };
                group.servers.push(server);
                group.carry(scheduler, Change::Added);
            }
            let possible = weights.iter().any(|(weight, usable)| *weight > 0 && *usable);
            for _ in 0..40 {
                let picked = scheduler.pick(&group, &FLOW);
                if let Some(index) = picked {
                    prop_assert!(weights[index].0 > 0 && weights[index].1);
                }
                prop_assert_eq!(picked.is_some(), possible && scheduler != Scheduler::None);
            }
        }
    }

    #[test]
    fn wrr_shares_a_cycle_by_weight(weights in prop::collection::vec(1..40_u32, 1..12)) {
        let group = filled(&weights);
        let divisor = weights.iter().fold(0, |all, weight| gcd(i64::from(*weight), all));
        let cycle: u32 = weights.iter().sum::<u32>() / u32::try_from(divisor).unwrap();
        let mut counts = vec![0; weights.len()];
        for _ in 0..cycle {
            counts[Scheduler::Wrr.pick(&group, &FLOW).unwrap()] += divisor;
        }
        prop_assert!(counts.iter().zip(&weights).all(|(count, weight)| *count == i64::from(*weight)));
    }
}

/// A group for wrr that starts with a whole round.
fn filled(weights: &[u32]) -> Group {
    let mut group = Group::default();
    for weight in weights {
        group.servers.push(Server {
            name: 0,
            weight: *weight,
            active: 0,
            total: 0,
            usable: true,
        });
    }
    group.carry(Scheduler::Wrr, Change::Bound);
    group
}

#[test]
fn no_weight_makes_a_decision_long() {
    let mut group = filled(&[1, i32::MAX as u32, 1]);
    group.servers[1].usable = false;
    for _ in 0..1_000_000 {
        assert!(Scheduler::Wrr.pick(&group, &FLOW).is_some());
    }
    group.servers[0].usable = false;
    group.servers[2].usable = false;
    for _ in 0..1_000_000 {
        assert_eq!(Scheduler::Wrr.pick(&group, &FLOW), None);
    }
}

#[test]
fn many_cpus_keep_the_exact_share() {
    const CYCLES: usize = 500;
    let group = filled(&[1, 2, 4, 5]);
    let counts: [AtomicU64; 4] = Default::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..CYCLES * 12 / 4 {
                    let index = Scheduler::Wrr.pick(&group, &FLOW).unwrap();
                    counts[index].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let counts = counts.map(|count| count.into_inner() as usize / CYCLES);
    assert_eq!(counts, [1, 2, 4, 5]);
}
