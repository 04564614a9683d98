// SPDX-License-Identifier: GPL-2.0
//! An entry that is pinned as often as may be: for tests of what comes then.

use super::{Entry, Pin, Record, Unpinned};
use crate::life::{MOST_PINS, PIN};
use crate::sync::Full;

impl<R: Record> Entry<R> {
    /// Pins the entry as often as may be, for tests of what comes then.
    ///
    /// # Errors
    ///
    /// Why it cannot be pinned.
    pub fn pin_fully(&self) -> Result<AllPins<R>, Unpinned> {
        let pin = self.pin()?;
        // INVARIANT: As many are added as `AllPins` takes away besides the one it has.
        self.life.fetch_add(MOST_PINS - PIN, Full);
        Ok(AllPins(pin))
    }
}

/// As many pins of an entry as it may have, or more.
///
/// # Invariants
///
/// `MOST_PINS` pins belong to this value, that of the field among them.
pub struct AllPins<R: Record>(Pin<R>);

impl<R: Record> Drop for AllPins<R> {
    fn drop(&mut self) {
        self.0.life.fetch_sub(MOST_PINS - PIN, Full);
    }
}
