// SPDX-License-Identifier: GPL-2.0
//! What a scheduler keeps for one service: cells of state, a table, a destination cache.

use super::lblc::DestinationCache;
use super::server_list::{Position, ServerList};
use super::view::{Cell, View};
use crate::config::CacheExpiry;
use crate::dest::Dest;
use crate::util::OutOfMemory;
use ipvs::flow::Flow;
use ipvs::refusal::Refusal;
use ipvs::sched::{self, Candidate, Change, Options, Scheduler, Spec, State, TableSpec};
use ipvs::service::ServiceSettings;
use kernel::prelude::*;
use linux::rcu::{Arc, Borrow, Reader};

/// What a scheduler keeps; what of it there is, its [`Spec`] says.
#[derive(Clone)]
pub(super) struct Scheduling {
    cells: Option<Arc<Cells>>,
    table: Option<Arc<SlotTable>>,
    cache: Option<Arc<DestinationCache>>,
}

/// A change of a service's servers.
pub(super) struct Transition<'a> {
    /// The servers up to the change.
    pub(super) before: &'a ServerList,
    /// The servers after it.
    pub(super) after: &'a ServerList,
    /// What it was.
    pub(super) change: Change,
}

impl Scheduling {
    /// Starts a scheduler over some servers.
    ///
    /// # Errors
    ///
    /// [`Refusal::ServersTooMany`], [`Refusal::Memory`].
    pub(super) fn new(
        scheduler: Scheduler,
        servers: &ServerList,
        expiry: &CacheExpiry,
    ) -> Result<Self, Refusal> {
        let replication = scheduler.spec().cache;
        let cache = replication.map(|replication| DestinationCache::new(replication, expiry));
        let new = Self {
            cells: None,
            table: None,
            cache: cache.transpose()?,
        };
        let start = Transition {
            before: servers,
            after: servers,
            change: Change::Bound,
        };
        new.next(scheduler, &start)
    }

    /// Returns what the scheduler keeps after a change.
    ///
    /// # Errors
    ///
    /// As [`Scheduling::new`]; too many servers are refused only at the start.
    pub(super) fn next(&self, scheduler: Scheduler, of: &Transition<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            cells: self.next_cells(scheduler, of)?,
            table: self.next_table(scheduler.spec(), of)?,
            cache: self.cache.clone(),
        })
    }

    fn next_cells(
        &self,
        scheduler: Scheduler,
        of: &Transition<'_>,
    ) -> Result<Option<Arc<Cells>>, Refusal> {
        let cells = self.cells.as_ref();
        let state = cells.map_or(State::default(), |cells| cells.state());
        let moved = |number| {
            let position = of.after.moved(of.before, Position::of(number))?;
            Some(position.number())
        };
        match scheduler.migrate(state, of.change, &View::of(of.after), moved) {
            None => Ok(None),
            Some(after) if after == state && cells.is_some() => Ok(self.cells.clone()),
            // A decision at this moment advances cells that are about to go: its step is lost.
            Some(after) => Ok(Some(Cells::new(after)?)),
        }
    }

    fn next_table(
        &self,
        spec: &Spec,
        of: &Transition<'_>,
    ) -> Result<Option<Arc<SlotTable>>, Refusal> {
        let table = spec.table.as_ref();
        let Some(table) = table.filter(|table| (table.is_refilled_by)(of.change)) else {
            return Ok(self.table.clone());
        };
        match table.candidates(of.after.len()) {
            Ok(count) => Ok(Some(SlotTable::of(table, of.after, count)?)),
            // There is none to keep.
            Err(_) if of.change == Change::Bound => Err(Refusal::ServersTooMany),
            Err(_) => Ok(self.table.clone()),
        }
    }

    /// Picks the server for a new connection.
    #[inline]
    pub(super) fn pick<'g>(
        &'g self,
        servers: &'g ServerList,
        settings: &ServiceSettings,
        (flow, rcu): (&Flow, Reader<'g>),
    ) -> Option<Borrow<'g, Dest>> {
        let options = Options::of(settings.flags);
        let view = self.view(servers);
        let pick = || {
            let number = settings.scheduler.pick(&view, flow, options)?;
            view.list.dest(Position::of(number))
        };
        match &self.cache {
            Some(cache) => cache.pick(rcu, &view, flow, pick),
            None => Some(pick()?.borrow(rcu)),
        }
    }

    fn view<'a>(&'a self, servers: &'a ServerList) -> View<'a> {
        let (list, slots) = match &self.table {
            Some(table) => (&table.list, &*table.slots),
            None => (servers, &[][..]),
        };
        View {
            list,
            cells: self.cells.as_ref().map_or(&[], |cells| &cells.0),
            slots,
        }
    }
}

/// A scheduler's table, with the servers that its slots name.
struct SlotTable {
    list: ServerList,
    slots: KVVec<u16>,
}

impl SlotTable {
    /// Fills a table with `count` candidates of a list.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    fn of(spec: &TableSpec, list: &ServerList, count: usize) -> Result<Arc<Self>, OutOfMemory> {
        let mut slots = KVVec::zeroed(spec.slots, GFP_KERNEL)?;
        let mut room = KVVec::from_elem(Candidate::NONE, count, GFP_KERNEL)?;
        spec.fill(&View::of(list), &mut room, &mut slots);
        let list = list.clone();
        Ok(Arc::new(Self { list, slots }, GFP_KERNEL)?)
    }
}

/// A scheduler's state from decision to decision.
struct Cells([Cell; sched::CELLS]);

impl Cells {
    fn new(state: State) -> Result<Arc<Self>, OutOfMemory> {
        Ok(Arc::new(Self(state.map(Cell::new)), GFP_KERNEL)?)
    }

    fn state(&self) -> State {
        let mut state = State::default();
        for (value, cell) in state.iter_mut().zip(&self.0) {
            *value = sched::Cell::load(cell);
        }
        state
    }
}
