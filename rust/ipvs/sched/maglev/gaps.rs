// SPDX-License-Identifier: GPL-2.0
//! Free places that servers are drawn to, and marks of those who were once refused at a place.

use super::Permutation;
use crate::sched::NOBODY;

/// So many gaps there are at most.
pub(super) const GAPS: usize = 64;

/// Marks of servers: each has one, together with some others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks([u64; 4]);

impl Marks {
    /// Returns the mark of a server.
    pub(super) fn of(way: Permutation) -> u8 {
        let [mark, _] = way.offset().to_le_bytes();
        mark
    }

    pub(super) fn add(&mut self, mark: u8) {
        if let Some(word) = self.0.get_mut(usize::from(mark / 64)) {
            *word |= 1_u64.wrapping_shl(u32::from(mark));
        }
    }

    /// Shows all marks to `visit`.
    pub(super) fn visit(&self, mut visit: impl FnMut(u8)) {
        for (begin, word) in [0_u8, 64, 128, 192].into_iter().zip(self.0) {
            let mut rest = word;
            while rest != 0 {
                let bit = u8::try_from(rest.trailing_zeros()).unwrap_or(0);
                visit(begin.wrapping_add(bit));
                rest &= rest.wrapping_sub(1);
            }
        }
    }
}

/// Places that are free, in no order.
pub(super) struct Gaps {
    places: [u16; GAPS],
    pub(super) len: usize,
}

impl Default for Gaps {
    fn default() -> Self {
        Self {
            places: [0; GAPS],
            len: 0,
        }
    }
}

impl Gaps {
    /// All free places of a table, as far as there is room for them.
    pub(super) fn of(table: &[u16]) -> Self {
        let (mut gaps, mut place) = (Self::default(), 0_u16);
        for seat in table {
            if *seat == NOBODY && gaps.add(place).is_none() {
                break;
            }
            place = place.wrapping_add(1);
        }
        gaps
    }

    pub(super) fn list(&self) -> &[u16] {
        self.places.get(..self.len).unwrap_or_default()
    }

    /// Returns whether a server asks for one of them before it asks for `place`.
    #[inline(never)]
    pub(super) fn tempt(&self, way: Permutation, place: u16) -> bool {
        let key = way.key(place);
        self.list().iter().any(|gap| way.key(*gap) < key)
    }

    /// Returns the one that a server asks for first, if its key is below `end`.
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

    pub(super) fn add(&mut self, place: u16) -> Option<()> {
        *self.places.get_mut(self.len)? = place;
        self.len = self.len.saturating_add(1);
        Some(())
    }

    /// Removes one; returns whether it was there.
    pub(super) fn remove(&mut self, place: u16) -> bool {
        let Some(index) = self.list().iter().position(|other| *other == place) else {
            return false;
        };
        self.len = self.len.saturating_sub(1);
        let last = self.places.get(self.len).copied().unwrap_or(0);
        if let Some(room) = self.places.get_mut(index) {
            *room = last;
        }
        true
    }
}
