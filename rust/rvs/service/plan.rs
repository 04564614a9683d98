// SPDX-License-Identifier: GPL-2.0
//! How mh's table was filled, kept so that the next one costs little when one server of many changes.
//!
//! For each mh service with at least [`FEW`](ipvs::sched::maglev::FEW) servers it takes about
//! 160 kB, and 48 bytes for each server.

use super::groups::List;
use super::servers::View;
use core::mem::swap;
use ipvs::sched::maglev::{Kept, Marks, Memory, Past, Walk, PLACES, TIMES};
use ipvs::sched::Scheduler;
use kernel::prelude::*;

/// See the top of the file.
pub(super) struct Plan {
    last: Steps,
    /// Room for the next.
    next: Steps,
    refused: KVVec<Marks>,
    times: KVVec<u16>,
    kept: Kept,
}

/// One run through the table.
struct Steps {
    /// Room for at least as many as there were servers.
    walks: KVVec<Walk>,
    servers: usize,
    order: KVVec<u16>,
}

/// How many more servers there is room for, so that a few can be added without other memory.
const SPARE: usize = 256;

impl Steps {
    fn new() -> Result<Self> {
        Ok(Self {
            walks: KVVec::new(),
            servers: 0,
            order: KVVec::zeroed(PLACES, GFP_KERNEL)?,
        })
    }

    /// Makes room for so many servers.
    fn reserve(&mut self, servers: usize) -> Result {
        if self.walks.len() < servers {
            let room = servers.saturating_add(SPARE);
            self.walks = KVVec::from_elem(Walk::default(), room, GFP_KERNEL)?;
        }
        self.servers = servers;
        Ok(())
    }
}

impl Plan {
    /// Makes a plan of no table.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new() -> Result<KBox<Self>> {
        let plan = Self {
            last: Steps::new()?,
            next: Steps::new()?,
            refused: KVVec::from_elem(Marks::default(), PLACES, GFP_KERNEL)?,
            times: KVVec::zeroed(TIMES, GFP_KERNEL)?,
            kept: Kept::default(),
        };
        Ok(KBox::new(plan, GFP_KERNEL)?)
    }

    /// Has a table filled that no other is to follow; returns whether there were places for all
    /// servers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn once(list: &List, places: &mut [u16]) -> Result<bool> {
        let mut walks = KVVec::from_elem(Walk::default(), list.len(), GFP_KERNEL)?;
        let mut memory = Memory {
            walks: &mut walks,
            ..Memory::default()
        };
        let kept = Scheduler::Mh.fill(&View::of(list), &mut memory, places);
        Ok(kept.is_some())
    }

    /// Has a table filled that follows the `last` one of this plan, if it filled one; returns
    /// whether there were places for all servers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn fill(&mut self, list: &List, last: &[u16], places: &mut [u16]) -> Result<bool> {
        self.next.reserve(list.len())?;
        let walks = self.next.walks.get_mut(..list.len());
        let mut memory = Memory {
            walks: walks.unwrap_or_default(),
            order: &mut self.next.order,
            refused: &mut self.refused,
            times: &mut self.times,
            past: Past {
                walks: self.last.walks.get(..self.last.servers).unwrap_or_default(),
                order: &self.last.order,
                table: last,
                kept: self.kept,
            },
        };
        let kept = Scheduler::Mh.fill(&View::of(list), &mut memory, places);
        self.kept = kept.unwrap_or_default();
        if kept.is_none() {
            return Ok(false);
        }
        swap(&mut self.last, &mut self.next);
        Ok(true)
    }
}
