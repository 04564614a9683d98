// SPDX-License-Identifier: GPL-2.0
//! The servers of one service as they are published, and as schedulers see them.

use crate::dest::Dest;
use crate::grow;
use ipvs::flow::Flow;
use ipvs::sched::{self, Change, Servers, State};
use ipvs::service::{DestKey, ServiceSettings};
use kernel::prelude::*;
use linux::rcu::{Arc, Borrow, Reader};
use linux::sync::{AtomicU64, Full, Relaxed};

/// What is published about a service, all of a piece.
pub(super) struct Set {
    /// What can be changed about the service.
    pub(super) settings: ServiceSettings,
    cells: [Cell; sched::CELLS],
    /// The servers.
    pub(super) list: Arc<List>,
}

/// A set as a command found it, to be changed and published.
#[derive(Clone)]
pub(super) struct Draft {
    /// What can be changed about the service.
    pub(super) settings: ServiceSettings,
    state: State,
    /// The servers.
    pub(super) list: Arc<List>,
}

impl Draft {
    /// Makes a draft of a service without servers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn empty(settings: ServiceSettings) -> Result<Self> {
        Ok(Self {
            settings,
            state: State::default(),
            list: List::empty()?,
        })
    }

    /// Returns the draft with the scheduler's state carried over a change of the servers.
    pub(super) fn carried(mut self, change: Change) -> Self {
        let view = View {
            dests: &self.list.0,
            cells: &[],
        };
        self.state = self.settings.scheduler.carry(self.state, change, &view);
        self
    }

    /// Makes it a set that can be published.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn finish(self) -> Result<Arc<Set>> {
        let set = Set {
            settings: self.settings,
            cells: self.state.map(|value| Cell(AtomicU64::new(value))),
            list: self.list,
        };
        Arc::new(set, GFP_KERNEL)
    }
}

impl Set {
    /// Copies what is published now.
    pub(super) fn draft(&self) -> Draft {
        let mut state = State::default();
        for (value, cell) in state.iter_mut().zip(&self.cells) {
            *value = sched::Cell::load(cell);
        }
        Draft {
            settings: self.settings,
            state,
            list: self.list.clone(),
        }
    }

    /// Picks the server for a new connection.
    #[inline]
    pub(super) fn pick<'g>(&'g self, rcu: Reader<'g>, flow: &Flow) -> Option<Borrow<'g, Dest>> {
        let view = View {
            dests: &self.list.0,
            cells: &self.cells,
        };
        let index = self.settings.scheduler.pick(&view, flow)?;
        Some(self.list.0.get(index)?.borrow(rcu))
    }
}

/// The servers of a service in the order of their addition.
pub(super) struct List(KVVec<Arc<Dest>>);

impl List {
    fn empty() -> Result<Arc<Self>> {
        Arc::new(Self(KVVec::new()), GFP_KERNEL)
    }

    fn of<'a>(len: usize, dests: impl Iterator<Item = &'a Arc<Dest>>) -> Result<Arc<Self>> {
        let mut list = KVVec::with_capacity(len, GFP_KERNEL)?;
        for dest in dests {
            list.push_within_capacity(dest.clone())
                .map_err(|_full| ENOMEM)?;
        }
        Arc::new(Self(list), GFP_KERNEL)
    }

    /// Returns the list with one more server.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn with(&self, dest: &Arc<Dest>) -> Result<Arc<Self>> {
        let dests = Iterator::chain(self.0.iter(), [dest]);
        Self::of(self.0.len().saturating_add(1), dests)
    }

    /// Returns the list without the server at `index`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn without(&self, index: usize) -> Result<Arc<Self>> {
        let before = self.0.iter().take(index);
        let after = self.0.iter().skip(index.saturating_add(1));
        Self::of(self.0.len(), Iterator::chain(before, after))
    }

    /// Finds a server by its key.
    pub(super) fn position(&self, key: &DestKey) -> Option<(usize, &Arc<Dest>)> {
        let mut dests = (0..self.0.len()).zip(&self.0);
        dests.find(|(_, dest)| dest.key() == key)
    }

    /// Returns the newest server below a serial.
    pub(super) fn below(&self, serial: u64) -> Option<&Arc<Dest>> {
        let end = grow::prefix(&self.0, |dest| dest.serial() < serial);
        self.0.get(end.checked_sub(1)?)
    }

    /// Lists the servers, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Dest>> {
        self.0.iter()
    }
}

/// A value that CPUs advance without a lock.
struct Cell(AtomicU64);

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
struct View<'a> {
    dests: &'a [Arc<Dest>],
    cells: &'a [Cell],
}

impl View<'_> {
    #[inline]
    fn of<R: Default>(&self, index: usize, what: impl Fn(&Dest) -> R) -> R {
        self.dests
            .get(index)
            .map_or_else(R::default, |dest| what(dest))
    }
}

impl Servers for View<'_> {
    type Cell = Cell;

    #[inline]
    fn len(&self) -> usize {
        self.dests.len()
    }

    #[inline]
    fn weight(&self, index: usize) -> u32 {
        self.of(index, Dest::weight)
    }

    #[inline]
    fn active(&self, index: usize) -> u32 {
        self.of(index, Dest::active)
    }

    #[inline]
    fn total(&self, index: usize) -> u32 {
        self.of(index, Dest::total)
    }

    #[inline]
    fn usable(&self, index: usize) -> bool {
        self.of(index, |dest| !dest.is_overloaded())
    }

    #[inline]
    fn cell(&self, number: usize) -> Option<&Cell> {
        self.cells.get(number)
    }
}
