// SPDX-License-Identifier: GPL-2.0
//! Entries that are made apart from their table, for a moment.

use crate::life::DEAD;
use crate::rcu::Reader;
use crate::table::{Entry, New, Record, Refused, Table};

/// An entry that was never in its table, and is disposed of when this goes.
///
/// It is dead from the start: no look-up and no listing has it, it never expires, and nothing about it
/// changes. It counts among the table's entries, and [`Table::close`] waits for it.
///
/// # Invariants
///
/// The entry was made dead, is in no list and on no wheel, and its burial belongs to this value. The
/// lifetime is that of an RCU section.
pub struct Apart<'g, R: Record>(&'g Entry<R>);

impl<'g, R: Record> Apart<'g, R> {
    /// Makes an entry as [`Table::insert`] does.
    ///
    /// # Errors
    ///
    /// As [`Table::insert`].
    pub fn new(
        table: &'g Table<R>,
        limit: u64,
        rcu: Reader<'g>,
        make: impl FnOnce() -> New<R>,
    ) -> Result<Self, Refused> {
        let entry = table.core().make(limit, DEAD, rcu, make)?;
        // SAFETY: It is complete, and freed a grace period after its burial, which is inside `'g`.
        let entry = unsafe { entry.as_ref() };
        // INVARIANT: It was just made, dead, and the reader proves the section.
        Ok(Self(entry))
    }

    /// Returns the entry.
    pub fn entry(&self) -> &'g Entry<R> {
        self.0
    }
}

impl<R: Record> Drop for Apart<'_, R> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { self.0.dispose() };
    }
}
