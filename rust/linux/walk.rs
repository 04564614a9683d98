// SPDX-License-Identifier: GPL-2.0
//! Walks over the entries of a table, inside an RCU section.

use crate::list::{self, Node};
use crate::table::{Entry, Record, Table};
use core::marker::PhantomData;
use core::ptr::NonNull;

/// A place between two entries of a listing, which stays one whatever comes and goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    pub(crate) order: u32,
    pub(crate) serial: u64,
}

impl Cursor {
    /// The place before all entries.
    pub const START: Self = Self {
        order: 0,
        serial: 0,
    };

    /// Returns it as two words; those of the start are zero.
    pub fn words(self) -> [u64; 2] {
        [u64::from(self.order), self.serial]
    }

    /// Returns the place with these words.
    pub fn from_words([order, serial]: [u64; 2]) -> Self {
        // CAST: The upper half of what `words` returned is zero.
        Self {
            order: order as u32,
            serial,
        }
    }
}

/// Returns the entry around one of its nodes; `None` for a marker.
///
/// # Safety
///
/// `node` is in the list of a table of `R`.
#[inline]
unsafe fn entry_of<R: Record>(node: NonNull<Node>) -> Option<NonNull<Entry<R>>> {
    // SAFETY: Nodes in the list are valid.
    let offset = match unsafe { node.as_ref() }.tag() {
        list::FIRST => 0,
        list::SECOND => Entry::<R>::SECOND,
        _ => return None,
    };
    // SAFETY: The tag says where in an entry the node is.
    Some(unsafe { node.byte_sub(offset) }.cast())
}

/// The entries that one hash leads to: see [`Table::candidates`].
///
/// # Invariants
///
/// `node` was in the list of the table inside the RCU section `'g`, which is not over.
pub struct Candidates<'g, R: Record> {
    node: Option<NonNull<Node>>,
    order: u32,
    table: PhantomData<&'g Table<R>>,
}

impl<R: Record> Candidates<'_, R> {
    /// Goes on from `node` while the order is `order`.
    ///
    /// # Safety
    ///
    /// `node` is in the list of a table of `R`, which is lent for the lifetime of the result; an
    /// RCU section is open and stays so for as long.
    #[inline]
    pub(crate) unsafe fn new(node: Option<NonNull<Node>>, order: u32) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            node,
            order,
            table: PhantomData,
        }
    }
}

impl<'g, R: Record> Iterator for Candidates<'g, R> {
    type Item = &'g Entry<R>;

    #[inline]
    fn next(&mut self) -> Option<&'g Entry<R>> {
        while let Some(node) = self.node {
            // SAFETY: The node was in the list inside the section `'g`.
            let place = unsafe { node.as_ref() };
            if place.order() != self.order {
                return None;
            }
            self.node = place.next();
            // SAFETY: As above; an order that a hash has is never a marker's.
            if let Some(entry) = unsafe { entry_of::<R>(node) } {
                // SAFETY: As above: it is freed after the section.
                let entry: &'g Entry<R> = unsafe { entry.as_ref() };
                if !entry.word().is_dead() {
                    return Some(entry);
                }
            }
        }
        None
    }
}

/// The entries behind a cursor: see [`Table::after`].
///
/// # Invariants
///
/// As for [`Candidates`].
pub struct After<'g, R: Record> {
    node: Option<NonNull<Node>>,
    cursor: Cursor,
    table: PhantomData<&'g Table<R>>,
}

impl<R: Record> After<'_, R> {
    /// Goes on from `node`.
    ///
    /// # Safety
    ///
    /// As for [`Candidates::new`].
    #[inline]
    pub(crate) unsafe fn new(node: Option<NonNull<Node>>, cursor: Cursor) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            node,
            cursor,
            table: PhantomData,
        }
    }

    /// Tells whether an entry comes behind the cursor.
    fn is_behind(&self, entry: &Entry<R>) -> bool {
        let Cursor { order, serial } = entry.cursor();
        // Newer entries of the same order are in front.
        order > self.cursor.order || serial < self.cursor.serial
    }
}

impl<'g, R: Record> Iterator for After<'g, R> {
    type Item = &'g Entry<R>;

    fn next(&mut self) -> Option<&'g Entry<R>> {
        while let Some(node) = self.node {
            // SAFETY: The node was in the list inside the section `'g`.
            let place = unsafe { node.as_ref() };
            self.node = place.next();
            // An entry is listed at its first node.
            if place.tag() != list::FIRST {
                continue;
            }
            // SAFETY: The first node is at the entry's beginning; freed after the section.
            let entry: &'g Entry<R> = unsafe { node.cast().as_ref() };
            if self.is_behind(entry) && !entry.word().is_dead() {
                return Some(entry);
            }
        }
        None
    }
}
