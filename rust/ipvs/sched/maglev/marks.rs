// SPDX-License-Identifier: GPL-2.0
//! Marks of those who were once refused at a place.

use super::Walk;

/// Marks of servers: each has one, together with some others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks([u64; 4]);

impl Walk {
    /// Returns the mark of the server.
    #[inline]
    pub(super) fn mark(&self) -> u8 {
        let [mark, _] = self.way.offset().to_le_bytes();
        mark
    }
}

impl Marks {
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
