// SPDX-License-Identifier: GPL-2.0
//! A few numbers: of places, or of turns.

use super::Permutation;
use crate::sched::NOBODY;

/// So many there are at most.
pub(super) const FEW_AT_MOST: usize = 64;

/// A few numbers, in no order.
pub(super) struct Few {
    numbers: [u16; FEW_AT_MOST],
    len: usize,
}

impl Default for Few {
    fn default() -> Self {
        Self {
            numbers: [0; FEW_AT_MOST],
            len: 0,
        }
    }
}

impl Few {
    /// The free places of a table, as far as there is room for them.
    pub(super) fn free(table: &[u16]) -> Self {
        let (mut free, mut place) = (Self::default(), 0_u16);
        for seat in table {
            if *seat == NOBODY && free.add(place).is_none() {
                break;
            }
            place = place.wrapping_add(1);
        }
        free
    }

    pub(super) fn list(&self) -> &[u16] {
        self.numbers.get(..self.len).unwrap_or_default()
    }

    pub(super) fn least(&self) -> Option<u16> {
        self.list().iter().min().copied()
    }

    /// Returns the place that a server asks for first, if its key is below `end`.
    pub(super) fn best(&self, way: Permutation, end: u32) -> Option<u16> {
        let (mut best, mut end) = (None, end);
        for place in self.list() {
            let key = way.key(*place);
            if key < end {
                (best, end) = (Some(*place), key);
            }
        }
        best
    }

    /// Adds a number, if there is room.
    pub(super) fn add(&mut self, number: u16) -> Option<()> {
        *self.numbers.get_mut(self.len)? = number;
        self.len = self.len.saturating_add(1);
        Some(())
    }

    /// Takes one out, if it is there.
    pub(super) fn remove(&mut self, number: u16) {
        let Some(index) = self.list().iter().position(|other| *other == number) else {
            return;
        };
        self.len = self.len.saturating_sub(1);
        let last = self.numbers.get(self.len).copied().unwrap_or(0);
        if let Some(room) = self.numbers.get_mut(index) {
            *room = last;
        }
    }
}
