// SPDX-License-Identifier: GPL-2.0
//! A few servers with one-letter names for the tests of schedulers.

use super::{
    Aggregate, Candidate, Cell, Change, Options, Permutation, Scheduler, Server, Servers, CELLS,
    NO_SERVER,
};
use crate::addr::{ipv4, Endpoint, Port};
use crate::flow::Flow;
use crate::proto::Transport;

/// The slots of the tables that are filled here: those of dh and sh.
const SLOTS: usize = 256;

/// A server whose every answer is a field.
#[derive(Clone, Copy, Default)]
pub(super) struct One {
    pub(super) name: u8,
    pub(super) weight: u32,
    pub(super) last_weight: u32,
    pub(super) active: u32,
    pub(super) total: u32,
    pub(super) overloaded: bool,
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

    fn is_overloaded(&self) -> bool {
        self.overloaded
    }

    fn is_linked(&self) -> bool {
        true
    }

    fn permutation(&self) -> Permutation {
        Permutation::new(u32::from(self.name), 0)
    }
}

/// A service with a few servers, changed as a service changes them.
pub(super) struct Service {
    scheduler: Scheduler,
    pub(super) options: Options,
    servers: [One; 4],
    len: usize,
    cells: [core::cell::Cell<u64>; CELLS],
    table: [u16; SLOTS],
    draws: core::cell::Cell<u64>,
}

impl Service {
    /// Adds servers as in `A1 B2`: name and weight.
    pub(super) fn of(scheduler: Scheduler, servers: &[u8]) -> Service {
        let mut service = Service {
            scheduler,
            options: Options::of(0),
            servers: [One::default(); 4],
            len: 0,
            cells: Default::default(),
            table: [NO_SERVER; SLOTS],
            draws: core::cell::Cell::new(0),
        };
        service.follow(Change::Bound, Some);
        for server in servers.chunks(3) {
            if let [name, weight, ..] = server {
                service.add(*name, u32::from(weight.saturating_sub(b'0')));
            }
        }
        service
    }

    /// Follows a change as the module does.
    fn follow(&mut self, change: Change, moved: impl Fn(usize) -> Option<usize>) {
        let before = [0, 1].map(|number| self.cell(number).map_or(0, Cell::load));
        let after = self.scheduler.migrate(before, change, self, moved);
        self.cells = after.unwrap_or_default().map(core::cell::Cell::new);
        let tables = self.scheduler.spec().table.iter();
        for spec in tables.filter(|spec| spec.slots == SLOTS && (spec.is_refilled_by)(change)) {
            let (mut room, mut slots) = ([const { Candidate::NONE }; 4], [NO_SERVER; SLOTS]);
            let count = spec.candidates(self.len).unwrap_or(0);
            let room = room.get_mut(..count).unwrap_or_default();
            spec.fill(self, room, &mut slots);
            self.table = slots;
        }
    }

    /// Adds a server.
    pub(super) fn add(&mut self, name: u8, weight: u32) {
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
        self.follow(Change::Added, Some);
    }

    /// Removes a server.
    pub(super) fn remove(&mut self, name: u8) {
        let index = self.index(name);
        if let Some(rest) = self.servers.get_mut(index..) {
            rest.rotate_left(1);
        }
        self.len = self.len.saturating_sub(1);
        let len = self.len;
        self.follow(Change::Removed, |number| {
            let now = if number > index {
                number.checked_sub(1)?
            } else {
                number
            };
            (now < len).then_some(now)
        });
    }

    /// Gives a server another weight.
    pub(super) fn edit(&mut self, name: u8, weight: u32) {
        self.change(name, |server| server.weight = weight);
        let changed = Change::Edited {
            weight: true,
            last_weight: true,
        };
        self.follow(changed, Some);
    }

    /// Lets a server be beyond its threshold.
    pub(super) fn overload(&mut self, name: u8) {
        self.change(name, |server| server.overloaded = true);
    }

    /// Gives a server other counts of connections.
    pub(super) fn load(&mut self, name: u8, active: u32, total: u32) {
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

    /// Returns a server by its name.
    pub(super) fn named(&self, name: u8) -> One {
        self.get(self.index(name))
    }

    /// Picks as often as there are names and returns whether those were picked; `-` is no server.
    pub(super) fn picks(&self, names: &[u8]) -> bool {
        names
            .iter()
            .all(|name| self.picks_of([0; 4], [0; 4], *name))
    }

    /// Picks for one client and service address.
    pub(super) fn picks_of(&self, source: [u8; 4], dest: [u8; 4], name: u8) -> bool {
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

impl Servers for Service {
    type Cell = core::cell::Cell<u64>;
    type Server = One;

    fn chunks(&self) -> usize {
        usize::from(self.len > 0)
    }

    fn chunk(&self, chunk: usize) -> &[One] {
        let servers = if chunk == 0 {
            self.servers.get(..self.len)
        } else {
            None
        };
        servers.unwrap_or_default()
    }

    fn aggregate(&self, chunk: usize, compute: impl Fn(&[One]) -> Aggregate) -> Aggregate {
        compute(self.chunk(chunk))
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
