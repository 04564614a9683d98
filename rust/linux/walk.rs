// SPDX-License-Identifier: GPL-2.0
//! Walks over the entries of a table, inside an RCU section.

use crate::list::{self, List, Node};
use crate::rcu::Reader;
use crate::shadow;
use crate::table::{Entry, Record, Table};
use core::marker::PhantomData;
use core::ops::ControlFlow;
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

    /// The place before all entries whose order is `order` or more.
    pub fn before(order: u32) -> Self {
        Self {
            order,
            serial: u64::MAX,
        }
    }

    /// Returns the order of the entry before it; the hash of an entry is its order, but for one bit.
    pub fn order(self) -> u32 {
        self.order
    }

    /// Returns whether an entry comes behind this place.
    fn is_before<R: Record>(&self, entry: &Entry<R>) -> bool {
        let Self { order, serial } = entry.cursor();
        // Newer entries of the same order are in front.
        order > self.order || (order == self.order && serial < self.serial)
    }

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

impl<'g, R: Record> Candidates<'g, R> {
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

    /// Returns the live entry that a node leads to.
    ///
    /// # Safety
    ///
    /// The node is one of an entry's, and was in the list inside the section `'g`.
    #[inline]
    unsafe fn live(node: NonNull<Node>) -> Option<&'g Entry<R>> {
        // SAFETY: By the caller's promise.
        let second = unsafe { Entry::<R>::of_second(node) };
        // The first node is at the entry's beginning.
        let entry = second.unwrap_or(node.cast());
        // SAFETY: By the caller's promise: it is freed after the section.
        let entry: &'g Entry<R> = unsafe { entry.as_ref() };
        if !entry.word().is_dead() {
            return Some(entry);
        }
        // SAFETY: It was reached inside the section.
        second.and_then(|_| unsafe { shadow::newest_below(entry) })
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
            // The node's in the list, whatever its entry shadows.
            self.node = place.next();
            // SAFETY: As above; an order that a hash has is never a marker's.
            if let Some(entry) = unsafe { Self::live(node) } {
                return Some(entry);
            }
        }
        None
    }
}

/// What one section of a walk may cost, in nodes that are passed: a tenth of a millisecond when none
/// of them is in a cache.
const BUDGET: u32 = 1024;
/// What an entry that is visited costs, in such nodes.
const VISIT: u32 = 16;

/// Shows the entries behind a place to `visit`, as far as one read section should go.
///
/// Returns where the next section goes on. The walk ends with `None` at the end of the list, or with
/// the place before the entry at which `visit` broke it off.
///
/// # Safety
///
/// The list is that of a table of `R`, which is lent for all of `'g`.
pub(crate) unsafe fn section<'g, R: Record>(
    list: &List,
    from: Cursor,
    rcu: Reader<'g>,
    visit: &mut impl FnMut(&'g Entry<R>, Reader<'g>) -> ControlFlow<()>,
) -> ControlFlow<Option<Cursor>, Cursor> {
    let (mut place, mut order, mut cost) = (from, 0, 0u32);
    // SAFETY: The reader proves a section.
    let mut next = unsafe { list.first_at(from.order) };
    while let Some(node) = next {
        // SAFETY: It was in the list inside the section.
        let found: &Node = unsafe { node.as_ref() };
        // Between two orders only, as a place inside of one is an entry's.
        if cost >= BUDGET && found.order() > order {
            return ControlFlow::Continue(Cursor::before(found.order()));
        }
        (next, order, cost) = (found.next(), found.order(), cost.saturating_add(1));
        // An entry is listed at its first node.
        if found.tag() != list::FIRST {
            continue;
        }
        // SAFETY: The first node is at the entry's beginning; freed after the section.
        let entry: &'g Entry<R> = unsafe { node.cast().as_ref() };
        if !from.is_before(entry) || entry.word().is_dead() {
            continue;
        }
        if visit(entry, rcu).is_break() {
            return ControlFlow::Break(Some(place));
        }
        (place, cost) = (entry.cursor(), cost.saturating_add(VISIT));
    }
    ControlFlow::Break(None)
}
