// SPDX-License-Identifier: GPL-2.0
//! The word that says whether an entry of a table lives, is pinned, and what its user adds.

/// The dead bit of the life word.
pub(crate) const DEAD: u64 = 1 << 63;
/// One pin in the life word.
pub(crate) const PIN: u64 = 1 << 40;
/// All pins.
pub(crate) const PINS: u64 = DEAD - PIN;
/// As many pins as an entry may have: four million. As many again cannot be on their way at once.
pub(crate) const MOST_PINS: u64 = DEAD / 2;
/// What belongs to the user.
pub(crate) const BITS: u64 = PIN - 1;

/// What an entry's life word said at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word(pub(crate) u64);

impl Word {
    /// Returns the user's 40 bits.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0 & BITS
    }

    /// Returns whether the entry was dead.
    #[inline]
    pub const fn is_dead(self) -> bool {
        self.0 & DEAD != 0
    }

    /// Returns whether a pin kept the entry from dying.
    #[inline]
    pub const fn is_pinned(self) -> bool {
        self.0 & PINS != 0
    }
}

/// What came of trying to kill an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kill {
    /// This call killed it.
    Done,
    /// It lives on: it is pinned.
    Pinned,
    /// It was dead already.
    Dead,
}

/// Why an entry was not pinned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unpinned {
    /// It is dead.
    Dead,
    /// It has as many pins as an entry may have.
    Full,
}
