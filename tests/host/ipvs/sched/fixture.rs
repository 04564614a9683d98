// SPDX-License-Identifier: GPL-2.0
//! A service's servers as the module keeps them: groups with holes, summaries kept until a change.

use super::server::{note, some_flow, List, Server};
use ipvs::addr::Family;
use ipvs::flow::Flow;
use ipvs::sched::maglev::{Kept, Marks, Memory, Past, Walk, FEW, PLACES, TIMES};
use ipvs::sched::{self, Cell, Change, Options, Scheduler, Servers, State, Summary, CELLS, GROUP};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

#[derive(Default)]
pub struct Shared(AtomicU64);

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

/// Neighbours in the order of addition, and what was said of them when `changes` was as noted.
#[derive(Default)]
struct Group {
    servers: Vec<Server>,
    changes: u64,
    summary: Mutex<Option<(u64, Summary)>>,
}

/// How the groups change with the set of servers.
#[derive(Clone, Copy, Debug)]
pub struct Grouping {
    /// A server joins the newest group only if that has fewer.
    pub room: usize,
    /// The group that takes its newer neighbour in, if both fit into one.
    pub merge: usize,
}

pub const FULL: Grouping = Grouping {
    room: GROUP,
    merge: usize::MAX,
};

/// What mh keeps of a table.
#[derive(Default)]
struct Plan {
    walks: Vec<Walk>,
    order: Vec<u16>,
    refused: Vec<Marks>,
    kept: Kept,
}

/// The servers of a service, its scheduler and what that keeps.
pub struct World {
    pub scheduler: Scheduler,
    pub options: Options,
    pub family: Family,
    groups: Vec<Group>,
    cells: [Shared; CELLS],
    pub table: Vec<u16>,
    plan: Mutex<Plan>,
    /// How many tables were filled by following the one before.
    pub followed: u32,
    draws: AtomicU64,
    names: u32,
}

impl World {
    pub fn new(scheduler: Scheduler, family: Family, options: Options) -> World {
        let mut world = World {
            scheduler,
            options,
            family,
            groups: Vec::new(),
            cells: Default::default(),
            table: Vec::new(),
            plan: Mutex::default(),
            followed: 0,
            draws: AtomicU64::new(0),
            names: 0,
        };
        world.bind(scheduler);
        world
    }

    /// A world with servers named from 1 on, which gets its scheduler at the end.
    pub fn of(scheduler: Scheduler, weights: &[u32]) -> World {
        World::grouped(scheduler, weights, GROUP)
    }

    /// The same in groups of a size.
    pub fn grouped(scheduler: Scheduler, weights: &[u32], size: usize) -> World {
        let mut world = World::new(Scheduler::None, Family::V4, Options::of(0));
        for weight in weights {
            world.add(*weight, Grouping { room: size, ..FULL });
        }
        world.bind(scheduler);
        world
    }

    pub fn bind(&mut self, scheduler: Scheduler) {
        self.scheduler = scheduler;
        for group in &mut self.groups {
            *group.summary.get_mut().unwrap() = None;
        }
        self.table = vec![sched::NOBODY; scheduler.table_len()];
        let before = self.numbers();
        self.changed(Change::Bound, &before);
    }

    pub fn add(&mut self, weight: u32, how: Grouping) -> u32 {
        let name = self.names + 1;
        self.join(Server::new(self.family, name, weight), how);
        name
    }

    pub fn join(&mut self, server: Server, how: Grouping) {
        let before = self.numbers();
        self.names = server.name;
        match self.groups.last_mut() {
            Some(group) if group.servers.len() < how.room => {
                group.servers.push(server);
                *group.summary.get_mut().unwrap() = None;
            }
            _ => self.groups.push(Group {
                servers: vec![server],
                ..Group::default()
            }),
        }
        self.merge(how.merge);
        self.changed(Change::Added, &before);
    }

    /// Removes a server; its group stays even if it was the last, until a neighbour takes it in.
    pub fn remove(&mut self, name: u32, merge: usize) {
        let before = self.numbers();
        for group in &mut self.groups {
            if group.servers.iter().any(|server| server.name == name) {
                group.servers.retain(|server| server.name != name);
                *group.summary.get_mut().unwrap() = None;
            }
        }
        self.merge(merge);
        self.changed(Change::Removed, &before);
    }

    fn merge(&mut self, at: usize) {
        let fits = |pair: &[Group]| pair[0].servers.len() + pair[1].servers.len() <= GROUP;
        if at
            .checked_add(1)
            .is_some_and(|next| next < self.groups.len())
            && fits(&self.groups[at..=at + 1])
        {
            let newer = self.groups.remove(at + 1);
            let older = std::mem::take(&mut self.groups[at]);
            let servers = older.servers.into_iter().chain(newer.servers).collect();
            self.groups[at] = Group {
                servers,
                ..Group::default()
            };
        }
    }

    pub fn weigh(&mut self, name: u32, weight: u32) {
        let last = |server: &Server| {
            if weight == 0 {
                server.last_weight
            } else {
                weight
            }
        };
        let present = self.find(name).copied().unwrap();
        let change = Change::Edited {
            weight: present.weight != weight,
            last_weight: present.last_weight != last(&present),
        };
        self.edit(name, present.weight != weight, |server| {
            (server.weight, server.last_weight) = (weight, last(server));
        });
        let before = self.numbers();
        self.changed(change, &before);
    }

    pub fn overload(&mut self, name: u32, usable: bool) {
        let matters = self.find(name).unwrap().usable != usable;
        self.edit(name, matters, |server| server.usable = usable);
    }

    /// Gives a server other counts; only schedulers that say so are told.
    pub fn load(&mut self, name: u32, active: u32, total: u32) {
        let matters = self.scheduler.counts();
        self.edit(name, matters, |server| {
            (server.active, server.total) = (active, total)
        });
    }

    fn edit(&mut self, name: u32, matters: bool, how: impl FnOnce(&mut Server)) {
        for group in &mut self.groups {
            if let Some(server) = group.servers.iter_mut().find(|server| server.name == name) {
                group.changes += u64::from(matters);
                return how(server);
            }
        }
    }

    fn changed(&mut self, change: Change, before: &[(usize, u32)]) {
        let moved = |number: usize| {
            let now: HashMap<u32, usize> = self
                .numbers()
                .into_iter()
                .map(|(number, name)| (name, number))
                .collect();
            let at = before
                .iter()
                .position(|(other, _)| *other == number)
                .unwrap();
            before[at..]
                .iter()
                .find_map(|(_, name)| now.get(name).copied())
        };
        let after = self.scheduler.carry(self.state(), change, self, moved);
        self.cells = after.map(|value| Shared(AtomicU64::new(value)));
        if change == Change::Bound || self.scheduler.refills(change) {
            self.fill();
        }
    }

    /// Fills the table again; tells whether there were places for all.
    pub fn fill(&mut self) -> bool {
        let mut table = vec![sched::NOBODY; self.scheduler.table_len()];
        let plan = std::mem::take(self.plan.get_mut().unwrap());
        let servers = self.numbers().len();
        // As the module does: nothing is noted where no table is to follow.
        let room = if servers < FEW { 0 } else { PLACES };
        let mut next = Plan {
            walks: vec![Walk::default(); servers],
            order: vec![0; room],
            refused: plan.refused,
            kept: Kept::default(),
        };
        next.refused.resize(room, Marks::default());
        let mut memory = Memory {
            walks: &mut next.walks,
            order: &mut next.order,
            refused: &mut next.refused,
            times: &mut [0; TIMES],
            past: Past {
                walks: &plan.walks,
                order: &plan.order,
                table: &self.table,
                kept: plan.kept,
            },
        };
        let kept = self.scheduler.fill(self, &mut memory, &mut table);
        self.followed += u32::from(kept.is_some_and(|kept| kept.followed != 0));
        if kept.is_some() {
            self.table = table;
        }
        next.kept = kept.unwrap_or_default();
        *self.plan.get_mut().unwrap() = next;
        kept.is_some()
    }

    /// Returns how many random numbers were drawn.
    pub fn drawn(&self) -> u64 {
        self.draws.load(Ordering::Relaxed)
    }

    pub fn state(&self) -> State {
        [0, 1].map(|number| self.cells[number].load())
    }

    /// Numbers and names in the order of addition.
    fn numbers(&self) -> Vec<(usize, u32)> {
        let groups = self.groups.iter().enumerate();
        let numbers = groups.flat_map(|(group, Group { servers, .. })| {
            let servers = servers.iter().enumerate();
            servers.map(move |(slot, server)| (group * GROUP + slot, server.name))
        });
        numbers.collect()
    }

    pub fn list(&self) -> List {
        let groups = self.groups.iter().rev();
        groups
            .flat_map(|group| group.servers.iter().rev().copied())
            .collect()
    }

    pub fn find(&self, name: u32) -> Option<&Server> {
        let mut servers = self.groups.iter().flat_map(|group| &group.servers);
        servers.find(|server| server.name == name)
    }

    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Picks for a packet: the server's name.
    pub fn pick_for(&self, flow: &Flow) -> Option<u32> {
        let number = self.scheduler.pick(self, flow, self.options)?;
        Some(self.group(number / GROUP)[number % GROUP].name)
    }

    pub fn pick(&self) -> Option<u32> {
        self.pick_for(&some_flow())
    }

    /// The names in the places of the table.
    pub fn seats(&self) -> Vec<Option<u32>> {
        let end = self.groups.len() * GROUP;
        let name = |seat: &u16| {
            let number = end - usize::from(*seat);
            (*seat != sched::NOBODY).then(|| self.server(number).unwrap().name)
        };
        self.table.iter().map(name).collect()
    }
}

/// The random number that is drawn after `draws` others.
pub fn draw(draws: u64, last: u64) -> u64 {
    // SplitMix64.
    let mut mixed = draws.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let range = u128::from(last) + 1;
    u64::try_from(u128::from(mixed ^ mixed >> 31) % range).unwrap()
}

impl Servers for World {
    type Cell = Shared;
    type Server = Server;

    fn groups(&self) -> usize {
        self.groups.len()
    }

    fn group(&self, group: usize) -> &[Server] {
        self.groups.get(group).map_or(&[], |group| &group.servers)
    }

    fn summary(&self, group: usize, sum_up: impl Fn(&[Server]) -> Summary) -> Summary {
        note(|effort| effort.summaries += 1);
        let group = &self.groups[group];
        let mut known = group.summary.lock().unwrap();
        match *known {
            Some((changes, summary)) if changes == group.changes => summary,
            _ => {
                let summary = sum_up(&group.servers);
                *known = Some((group.changes, summary));
                summary
            }
        }
    }

    fn cell(&self, number: usize) -> Option<&Shared> {
        self.cells.get(number)
    }

    fn table(&self) -> &[u16] {
        &self.table
    }

    fn random(&self, last: u64) -> u64 {
        draw(self.draws.fetch_add(1, Ordering::Relaxed), last)
    }
}
