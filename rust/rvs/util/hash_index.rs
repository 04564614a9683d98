// SPDX-License-Identifier: GPL-2.0
//! An unordered hash index: values are found by a digest that tells most of them apart.
//!
//! It has two vectors: as many heads of chains as there is room for values, and the values, each
//! with the place of the next one in its chain. The last value takes the place of one that goes.

use super::OutOfMemory;
use core::mem::replace;
use kernel::prelude::*;

/// The room that the first value brings.
const FIRST: usize = 8;
/// Ends a chain: a place that does not exist.
const END: u32 = u32::MAX;

/// See the top of the file.
pub(crate) struct HashIndex<T> {
    items: KVVec<Item<T>>,
    /// A power of two of them, or none.
    heads: KVVec<u32>,
}

struct Item<T> {
    value: T,
    digest: u32,
    next: u32,
}

impl<T> HashIndex<T> {
    /// Makes an empty index, which takes no memory.
    pub(crate) const fn new() -> Self {
        Self {
            items: KVVec::new(),
            heads: KVVec::new(),
        }
    }

    /// Returns whether it is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Inserts a value.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn insert(&mut self, digest: u32, value: T) -> Result<(), OutOfMemory> {
        if self.items.len() >= self.heads.len() {
            self.grow()?;
        }
        let place = u32::try_from(self.items.len()).map_err(|_many| OutOfMemory)?;
        let item = Item {
            value,
            digest,
            next: END,
        };
        self.items.push_within_capacity(item)?;
        self.link(place);
        Ok(())
    }

    /// Finds a value that was inserted with `digest` and is `wanted`.
    pub(crate) fn find(&self, digest: u32, wanted: impl Fn(&T) -> bool) -> Option<&T> {
        let place = self.place(digest, wanted)?;
        Some(&self.items.get(to_index(place))?.value)
    }

    /// Removes a value that was inserted with `digest` and is `wanted`.
    pub(crate) fn remove(&mut self, digest: u32, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let place = self.place(digest, wanted)?;
        self.remove_at(place)
    }

    fn place(&self, digest: u32, wanted: impl Fn(&T) -> bool) -> Option<u32> {
        let mask = self.heads.len().wrapping_sub(1);
        let mut place = *self.heads.get(to_index(digest) & mask)?;
        loop {
            let item = self.items.get(to_index(place))?;
            if item.digest == digest && wanted(&item.value) {
                return Some(place);
            }
            place = item.next;
        }
    }

    /// Drops all values that `keep` is not true of.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let len = u32::try_from(self.items.len()).unwrap_or(END);
        // From the end, so that a value that takes a free place was looked at already.
        for place in (0..len).rev() {
            let item = self.items.get_mut(to_index(place));
            if item.is_some_and(|item| !keep(&mut item.value)) {
                drop(self.remove_at(place));
            }
        }
        if self.is_empty() {
            *self = Self::new();
        }
    }

    /// Makes room for twice as many.
    fn grow(&mut self) -> Result<(), OutOfMemory> {
        let len = u32::try_from(self.items.len()).map_err(|_many| OutOfMemory)?;
        let room = self.heads.len().saturating_mul(2).max(FIRST);
        let heads = KVVec::from_elem(END, room, GFP_KERNEL)?;
        let mut items = KVVec::with_capacity(room, GFP_KERNEL)?;
        for item in self.items.drain_all() {
            items.push_within_capacity(item)?;
        }
        *self = Self { items, heads };
        (0..len).for_each(|place| self.link(place));
        Ok(())
    }

    /// Begins the chain that an item belongs to with it.
    fn link(&mut self, place: u32) {
        let mask = self.heads.len().wrapping_sub(1);
        if let Some(item) = self.items.get_mut(to_index(place)) {
            if let Some(head) = self.heads.get_mut(to_index(item.digest) & mask) {
                item.next = replace(head, place);
            }
        }
    }

    fn head(&mut self, digest: u32) -> Option<&mut u32> {
        let mask = self.heads.len().wrapping_sub(1);
        self.heads.get_mut(to_index(digest) & mask)
    }

    fn remove_at(&mut self, place: u32) -> Option<T> {
        let next = self.items.get(to_index(place))?.next;
        self.lead(place, next);
        let last = self.items.len().checked_sub(1)?;
        self.lead(u32::try_from(last).ok()?, place);
        let last = self.items.remove(last).ok()?;
        match self.items.get_mut(to_index(place)) {
            Some(free) => Some(replace(free, last).value),
            None => Some(last.value),
        }
    }

    /// Lets what leads to the item at `from` in its chain lead `to` another place.
    fn lead(&mut self, from: u32, to: u32) -> Option<()> {
        let digest = self.items.get(to_index(from))?.digest;
        let head = self.head(digest)?;
        if *head == from {
            *head = to;
            return Some(());
        }
        let mut place = *head;
        loop {
            let item = self.items.get_mut(to_index(place))?;
            if item.next == from {
                item.next = to;
                return Some(());
            }
            place = item.next;
        }
    }
}

/// Returns a number as an index; `usize` has 32 bits or more.
fn to_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_hash_index))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_removed_once() {
        // All in one chain, a few in each, each in its own.
        for spread in [0, 1, 7, u32::MAX] {
            assert!(life(100, spread).is_some());
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let mut index = HashIndex::new();
        assert_eq!(index.remove(1, |_: &u32| true), None);
        assert!(index.insert(1, 5_u32).is_ok());
        assert_eq!(index.remove(9, |_| true), None);
        assert_eq!(index.remove(1, |value| *value == 6), None);
        assert_eq!(index.remove(1, |value| *value == 5), Some(5));
        assert!(index.is_empty());
    }

    #[test]
    fn what_is_not_kept_goes() {
        let mut index = filled(50, 3);
        index.retain(|value| *value % 2 == 0);
        let left =
            (0..50).filter(|value| index.remove(value & 3, |other| other == value).is_some());
        assert_eq!(left.count(), 25);
        assert!(index.is_empty());
    }

    fn filled(count: u32, spread: u32) -> HashIndex<u32> {
        let mut index = HashIndex::new();
        assert!((0..count).all(|value| index.insert(value & spread, value).is_ok()));
        index
    }

    /// Removes every third, then the rest from the end, and looks for each a second time.
    fn life(count: u32, spread: u32) -> Option<()> {
        let mut index = filled(count, spread);
        let thirds = (0..count).filter(|value| value % 3 == 0);
        let rest = (0..count).rev().filter(|value| value % 3 != 0);
        for value in Iterator::chain(thirds, rest) {
            index.remove(value & spread, |other| *other == value)?;
            let again = index.remove(value & spread, |other| *other == value);
            again.is_none().then_some(())?;
        }
        index.is_empty().then_some(())
    }
}
