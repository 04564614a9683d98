// SPDX-License-Identifier: GPL-2.0
//! The servers of a service as schedulers see them.

use super::server_list::{ServerList, ServerRef};
use ipvs::sched::{self, Aggregate, Servers};
use linux::random;
use linux::sync::{AtomicU64, Full, Relaxed};

/// A value that CPUs advance without a lock.
pub(super) struct Cell(AtomicU64);

impl Cell {
    /// Makes a cell.
    pub(super) fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }
}

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

/// What a scheduler sees of a service.
pub(super) struct View<'a> {
    /// The servers.
    pub(super) list: &'a ServerList,
    /// The cells of state; none if the scheduler has no use for them.
    pub(super) cells: &'a [Cell],
    /// The slots of the table; none without one.
    pub(super) slots: &'a [u16],
}

impl<'a> View<'a> {
    /// Servers without a state and a table.
    pub(super) fn of(list: &'a ServerList) -> Self {
        Self {
            list,
            cells: &[],
            slots: &[],
        }
    }
}

impl Servers for View<'_> {
    type Cell = Cell;
    type Server = ServerRef;

    #[inline]
    fn chunks(&self) -> usize {
        self.list.chunks().len()
    }

    #[inline]
    fn chunk(&self, chunk: usize) -> &[ServerRef] {
        let chunk = self.list.chunks().get(chunk);
        chunk.map_or(&[], |chunk| chunk.members())
    }

    #[inline]
    fn aggregate(&self, chunk: usize, compute: impl Fn(&[ServerRef]) -> Aggregate) -> Aggregate {
        match self.list.chunks() {
            // Changes of a single chunk are not counted: it is looked through each time.
            [only] if chunk == 0 => compute(only.members()),
            chunks => chunks
                .get(chunk)
                .map_or([0; 2], |chunk| chunk.aggregate(compute)),
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
