// SPDX-License-Identifier: GPL-2.0
//! The servers of one service as they are published, and as schedulers see them.

use super::groups::{Entry, List, Position};
use super::locality::Locality;
use crate::config::Config;
use crate::dest::Dest;
use ipvs::flow::Flow;
use ipvs::sched::{self, Aggregate, Candidate, Change, Options, Servers, State, TableSpec};
use ipvs::service::ServiceSettings;
use kernel::prelude::*;
use linux::random;
use linux::rcu::{Arc, Borrow, Reader};
use linux::sync::{AtomicU64, Full, Relaxed};

/// What is published about a service, all of a piece.
pub(super) struct Set {
    /// What can be changed about the service.
    pub(super) settings: ServiceSettings,
    /// None if the scheduler has no use for them.
    cells: Option<Arc<Cells>>,
    table: Option<Arc<Table>>,
    locality: Option<Arc<Locality>>,
    /// The servers.
    pub(super) list: List,
}

/// A set as a command found it, to be changed and published.
pub(super) struct Draft {
    /// What can be changed about the service.
    pub(super) settings: ServiceSettings,
    /// None if the scheduler has no use for them.
    cells: Option<Arc<Cells>>,
    table: Option<Arc<Table>>,
    locality: Option<Arc<Locality>>,
    /// The servers.
    pub(super) list: List,
}

impl Draft {
    /// Makes a draft of a service without servers.
    pub(super) fn empty(settings: ServiceSettings) -> Self {
        Self {
            settings,
            cells: None,
            table: None,
            locality: None,
            list: List::EMPTY,
        }
    }

    /// Returns the draft with its scheduler new to it.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the scheduler's table has too few slots for the servers, `ENOMEM`.
    pub(super) fn bound(mut self, config: &Config) -> Result<Self> {
        self.list = self.list.forgotten()?;
        let replication = self.settings.scheduler.spec().cache;
        let locality = replication.map(|replication| Locality::new(replication, &config.memory));
        self.locality = locality.transpose()?;
        self.table = None;
        let list = self.list.clone();
        self.carried(Change::Bound, &list)
    }

    /// Returns the draft with what its scheduler keeps carried over a change from the servers
    /// `before`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; for a new scheduler as in [`Draft::bound`].
    pub(super) fn carried(mut self, change: Change, before: &List) -> Result<Self> {
        let scheduler = self.settings.scheduler;
        let state = self
            .cells
            .as_ref()
            .map_or(State::default(), |cells| cells.state());
        let moved = |number| {
            self.list
                .moved(before, Position::of(number))
                .map(Position::number)
        };
        match scheduler.migrate(state, change, &View::of(&self.list), moved) {
            None => self.cells = None,
            // Those who pick at this moment advance what is about to go: their step is lost.
            Some(after) if after != state || self.cells.is_none() => {
                self.cells = Some(Cells::new(after)?);
            }
            Some(_) => {}
        }
        let spec = scheduler.spec().table.as_ref();
        if let Some(spec) = spec.filter(|spec| (spec.is_refilled_by)(change)) {
            match spec.candidates(self.list.len()) {
                Ok(count) => self.table = Some(Table::of(spec, &self.list, count)?),
                // There is none to keep.
                Err(_) if change == Change::Bound => return Err(EINVAL),
                Err(_) => {}
            }
        }
        Ok(self)
    }

    /// Makes it a set that can be published.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn finish(self) -> Result<Arc<Set>> {
        let set = Set {
            settings: self.settings,
            cells: self.cells,
            table: self.table,
            locality: self.locality,
            list: self.list,
        };
        Arc::new(set, GFP_KERNEL)
    }
}

impl Set {
    /// Copies what is published now.
    pub(super) fn draft(&self) -> Draft {
        Draft {
            settings: self.settings,
            cells: self.cells.clone(),
            table: self.table.clone(),
            locality: self.locality.clone(),
            list: self.list.clone(),
        }
    }

    /// Picks the server for a new connection.
    #[inline]
    pub(super) fn pick<'g>(&'g self, rcu: Reader<'g>, flow: &Flow) -> Option<Borrow<'g, Dest>> {
        let options = Options::of(self.settings.flags);
        let scheduler = self.settings.scheduler;
        let view = self.view();
        let pick = || {
            let number = scheduler.pick(&view, flow, options)?;
            view.list.dest(Position::of(number))
        };
        match &self.locality {
            Some(locality) => locality.pick(rcu, &view, flow, pick),
            None => Some(pick()?.borrow(rcu)),
        }
    }

    fn view(&self) -> View<'_> {
        let (list, slots) = match &self.table {
            Some(table) => (&table.list, &*table.slots),
            None => (&self.list, &[][..]),
        };
        View {
            list,
            cells: self.cells.as_ref().map_or(&[], |cells| &cells.0),
            slots,
        }
    }

    /// Has changes counted as the scheduler needs it, before the set reslots one with `before`.
    pub(super) fn watch(&self, before: &List) {
        let counts = self.settings.scheduler.spec().watches_counts;
        self.list.prepare(before, counts);
    }

    /// Ends counting what the scheduler needs no more, once the set is published.
    pub(super) fn unwatch(&self) {
        if !self.settings.scheduler.spec().watches_counts {
            self.list.unwatch();
        }
    }
}

/// A scheduler's table, with the servers that its numbers name.
struct Table {
    list: List,
    slots: KVVec<u16>,
}

impl Table {
    /// Fills a table with `count` candidates of a list.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn of(spec: &TableSpec, list: &List, count: usize) -> Result<Arc<Self>> {
        let mut slots = KVVec::zeroed(spec.slots, GFP_KERNEL)?;
        let mut room = KVVec::from_elem(Candidate::NONE, count, GFP_KERNEL)?;
        spec.fill(&View::of(list), &mut room, &mut slots);
        let list = list.clone();
        Arc::new(Self { list, slots }, GFP_KERNEL)
    }
}

/// What a scheduler remembers from decision to decision.
struct Cells([Cell; sched::CELLS]);

impl Cells {
    fn new(state: State) -> Result<Arc<Self>> {
        let cells = state.map(|value| Cell(AtomicU64::new(value)));
        Arc::new(Self(cells), GFP_KERNEL)
    }

    fn state(&self) -> State {
        let mut state = State::default();
        for (value, cell) in state.iter_mut().zip(&self.0) {
            *value = sched::Cell::load(cell);
        }
        state
    }
}

/// A value that CPUs advance without a lock.
pub(super) struct Cell(AtomicU64);

impl sched::Cell for Cell {
    #[inline]
    fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }

    #[inline]
    fn exchange(&self, present: u64, next: u64) -> Result<(), u64> {
        self.0.cmpxchg(present, next, Full).map(|_| ())
    }
}

/// What a scheduler sees.
pub(super) struct View<'a> {
    list: &'a List,
    cells: &'a [Cell],
    slots: &'a [u16],
}

impl<'a> View<'a> {
    /// Servers without a state and a table.
    pub(super) fn of(list: &'a List) -> Self {
        Self {
            list,
            cells: &[],
            slots: &[],
        }
    }
}

impl Servers for View<'_> {
    type Cell = Cell;
    type Server = Entry;

    #[inline]
    fn chunks(&self) -> usize {
        self.list.groups().len()
    }

    #[inline]
    fn chunk(&self, group: usize) -> &[Entry] {
        let group = self.list.groups().get(group);
        group.map_or(&[], |group| group.members())
    }

    #[inline]
    fn aggregate(&self, group: usize, compute: impl Fn(&[Entry]) -> Aggregate) -> Aggregate {
        match self.list.groups() {
            // Changes of a single chunk are not counted: it is looked through each time.
            [only] if group == 0 => compute(only.members()),
            groups => groups
                .get(group)
                .map_or([0; 2], |group| group.remembered(compute)),
        }
    }

    #[inline]
    fn cell(&self, number: usize) -> Option<&Cell> {
        self.cells.get(number)
    }

    #[inline]
    fn table(&self) -> &[u16] {
        self.slots
    }

    fn random(&self, last: u64) -> u64 {
        random::up_to(last)
    }
}
