// SPDX-License-Identifier: GPL-2.0
//! A service's servers as the module keeps them: chunks with holes, summaries kept until a change.

use super::server::{note, some_flow, List, Server};
use ipvs::addr::Family;
use ipvs::flow::Flow;
use ipvs::sched::{
    self, Aggregate, Candidate, Cell, Change, Options, Scheduler, Servers, State, CELLS, CHUNK,
};
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
struct Chunk {
    servers: Vec<Server>,
    changes: u64,
    aggregate: Mutex<Option<(u64, Aggregate)>>,
}

/// How the chunks change with the set of servers.
#[derive(Clone, Copy, Debug)]
pub struct Grouping {
    /// A server joins the newest chunk only if that has fewer.
    pub room: usize,
    /// The chunk that takes its newer neighbour in, if both fit into one.
    pub merge: usize,
}

pub const FULL: Grouping = Grouping {
    room: CHUNK,
    merge: usize::MAX,
};

/// The servers of a service, its scheduler and what that keeps.
pub struct World {
    pub scheduler: Scheduler,
    pub options: Options,
    pub family: Family,
    chunks: Vec<Chunk>,
    cells: [Shared; CELLS],
    pub table: Vec<u16>,
    draws: AtomicU64,
    names: u32,
}

impl World {
    pub fn new(scheduler: Scheduler, family: Family, options: Options) -> World {
        let mut world = World {
            scheduler,
            options,
            family,
            chunks: Vec::new(),
            cells: Default::default(),
            table: Vec::new(),
            draws: AtomicU64::new(0),
            names: 0,
        };
        world.bind(scheduler);
        world
    }

    /// A world with servers named from 1 on, which gets its scheduler at the end.
    pub fn of(scheduler: Scheduler, weights: &[u32]) -> World {
        World::grouped(scheduler, weights, CHUNK)
    }

    /// The same in chunks of a size.
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
        for chunk in &mut self.chunks {
            *chunk.aggregate.get_mut().unwrap() = None;
        }
        self.table = vec![sched::NO_SERVER; slots(scheduler)];
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
        match self.chunks.last_mut() {
            Some(chunk) if chunk.servers.len() < how.room => {
                chunk.servers.push(server);
                *chunk.aggregate.get_mut().unwrap() = None;
            }
            _ => self.chunks.push(Chunk {
                servers: vec![server],
                ..Chunk::default()
            }),
        }
        self.merge(how.merge);
        self.changed(Change::Added, &before);
    }

    /// Removes a server; its chunk stays even if it was the last, until a neighbour takes it in.
    pub fn remove(&mut self, name: u32, merge: usize) {
        let before = self.numbers();
        for chunk in &mut self.chunks {
            if chunk.servers.iter().any(|server| server.name == name) {
                chunk.servers.retain(|server| server.name != name);
                *chunk.aggregate.get_mut().unwrap() = None;
            }
        }
        self.merge(merge);
        self.changed(Change::Removed, &before);
    }

    fn merge(&mut self, at: usize) {
        let fits = |pair: &[Chunk]| pair[0].servers.len() + pair[1].servers.len() <= CHUNK;
        if at
            .checked_add(1)
            .is_some_and(|next| next < self.chunks.len())
            && fits(&self.chunks[at..=at + 1])
        {
            let newer = self.chunks.remove(at + 1);
            let older = std::mem::take(&mut self.chunks[at]);
            let servers = older.servers.into_iter().chain(newer.servers).collect();
            self.chunks[at] = Chunk {
                servers,
                ..Chunk::default()
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

    /// Lets a server be beyond its thresholds, or no longer.
    pub fn overload(&mut self, name: u32, overloaded: bool) {
        let matters = self.find(name).unwrap().overloaded != overloaded;
        self.edit(name, matters, |server| server.overloaded = overloaded);
    }

    /// Gives a server other counts; only schedulers that say so are told.
    pub fn load(&mut self, name: u32, active: u32, total: u32) {
        let matters = self.scheduler.spec().watches_counts;
        self.edit(name, matters, |server| {
            (server.active, server.total) = (active, total)
        });
    }

    fn edit(&mut self, name: u32, matters: bool, how: impl FnOnce(&mut Server)) {
        for chunk in &mut self.chunks {
            if let Some(server) = chunk.servers.iter_mut().find(|server| server.name == name) {
                chunk.changes += u64::from(matters);
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
        let after = self
            .scheduler
            .migrate(self.state(), change, self, moved)
            .unwrap_or_default();
        self.cells = after.map(|value| Shared(AtomicU64::new(value)));
        let table = self.scheduler.spec().table.as_ref();
        if table.is_some_and(|table| (table.is_refilled_by)(change)) {
            self.fill();
        }
    }

    /// Fills the table again; returns whether there were slots for all.
    pub fn fill(&mut self) -> bool {
        let Some(table) = &self.scheduler.spec().table else {
            return true;
        };
        let Ok(count) = table.candidates(self.numbers().len()) else {
            return false;
        };
        let mut slots = vec![sched::NO_SERVER; table.slots];
        table.fill(self, &mut vec![Candidate::NONE; count], &mut slots);
        self.table = slots;
        true
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
        let chunks = self.chunks.iter().enumerate();
        let numbers = chunks.flat_map(|(chunk, Chunk { servers, .. })| {
            let servers = servers.iter().enumerate();
            servers.map(move |(slot, server)| (chunk * CHUNK + slot, server.name))
        });
        numbers.collect()
    }

    pub fn list(&self) -> List {
        let chunks = self.chunks.iter().rev();
        chunks
            .flat_map(|chunk| chunk.servers.iter().rev().copied())
            .collect()
    }

    pub fn find(&self, name: u32) -> Option<&Server> {
        let mut servers = self.chunks.iter().flat_map(|chunk| &chunk.servers);
        servers.find(|server| server.name == name)
    }

    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Picks for a packet: the server's name.
    pub fn pick_for(&self, flow: &Flow) -> Option<u32> {
        let number = self.scheduler.pick(self, flow, self.options)?;
        Some(self.chunk(number / CHUNK)[number % CHUNK].name)
    }

    pub fn pick(&self) -> Option<u32> {
        self.pick_for(&some_flow())
    }

    /// The names in the places of the table.
    pub fn slots(&self) -> Vec<Option<u32>> {
        let end = self.chunks.len() * CHUNK;
        let name = |seat: &u16| {
            let number = end - usize::from(*seat);
            (*seat != sched::NO_SERVER).then(|| self.server(number).unwrap().name)
        };
        self.table.iter().map(name).collect()
    }
}

/// How many slots the table of a scheduler has.
pub fn slots(scheduler: Scheduler) -> usize {
    let table = scheduler.spec().table.as_ref();
    table.map_or(0, |table| table.slots)
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

    fn chunks(&self) -> usize {
        self.chunks.len()
    }

    fn chunk(&self, chunk: usize) -> &[Server] {
        self.chunks.get(chunk).map_or(&[], |chunk| &chunk.servers)
    }

    fn aggregate(&self, chunk: usize, compute: impl Fn(&[Server]) -> Aggregate) -> Aggregate {
        note(|effort| effort.aggregates += 1);
        let chunk = &self.chunks[chunk];
        let mut known = chunk.aggregate.lock().unwrap();
        match *known {
            Some((changes, aggregate)) if changes == chunk.changes => aggregate,
            _ => {
                let aggregate = compute(&chunk.servers);
                *known = Some((chunk.changes, aggregate));
                aggregate
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
