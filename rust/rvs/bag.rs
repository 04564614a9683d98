// SPDX-License-Identifier: GPL-2.0
//! Things in no order, found again by a number that tells most of them apart.
//!
//! A hash table in two vectors: as many heads of chains as there is room for things, and the things,
//! each with the place of the next one in its chain. The last one takes the place of one that goes.

use core::mem::replace;
use kernel::prelude::*;

/// The room that the first one brings.
const FIRST: usize = 8;
/// Ends a chain: a place that does not exist.
const END: u32 = u32::MAX;

/// See the top of the file.
pub(crate) struct Bag<T> {
    items: KVVec<Item<T>>,
    /// A power of two of them, or none.
    heads: KVVec<u32>,
}

struct Item<T> {
    value: T,
    digest: u32,
    next: u32,
}

impl<T> Bag<T> {
    /// Makes an empty bag, which takes no memory.
    pub(crate) const fn new() -> Self {
        Self {
            items: KVVec::new(),
            heads: KVVec::new(),
        }
    }

    /// Tells whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Puts something in.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn put(&mut self, digest: u32, value: T) -> Result {
        if self.items.len() >= self.heads.len() {
            self.grow()?;
        }
        let place = u32::try_from(self.items.len())?;
        let item = Item {
            value,
            digest,
            next: END,
        };
        self.items
            .push_within_capacity(item)
            .map_err(|_full| ENOMEM)?;
        self.link(place);
        Ok(())
    }

    /// Finds something that was put in with `digest` and is `wanted`.
    pub(crate) fn find(&self, digest: u32, wanted: impl Fn(&T) -> bool) -> Option<&T> {
        let place = self.place(digest, wanted)?;
        Some(&self.items.get(index(place))?.value)
    }

    /// Takes out something that was put in with `digest` and is `wanted`.
    pub(crate) fn take(&mut self, digest: u32, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let place = self.place(digest, wanted)?;
        self.remove(place)
    }

    fn place(&self, digest: u32, wanted: impl Fn(&T) -> bool) -> Option<u32> {
        let mask = self.heads.len().wrapping_sub(1);
        let mut place = *self.heads.get(index(digest) & mask)?;
        loop {
            let item = self.items.get(index(place))?;
            if item.digest == digest && wanted(&item.value) {
                return Some(place);
            }
            place = item.next;
        }
    }

    /// Drops all that `keep` is not true of.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let len = u32::try_from(self.items.len()).unwrap_or(END);
        // From the end, so that whoever takes a free place was looked at already.
        for place in (0..len).rev() {
            let item = self.items.get_mut(index(place));
            if item.is_some_and(|item| !keep(&mut item.value)) {
                drop(self.remove(place));
            }
        }
        if self.is_empty() {
            *self = Self::new();
        }
    }

    /// Makes room for twice as many.
    fn grow(&mut self) -> Result {
        let room = self.heads.len().saturating_mul(2).max(FIRST);
        let heads = KVVec::from_elem(END, room, GFP_KERNEL)?;
        let mut items = KVVec::with_capacity(room, GFP_KERNEL)?;
        for item in self.items.drain_all() {
            items.push_within_capacity(item).map_err(|_full| ENOMEM)?;
        }
        *self = Self { items, heads };
        let len = u32::try_from(self.items.len()).unwrap_or(END);
        (0..len).for_each(|place| self.link(place));
        Ok(())
    }

    /// Begins the chain that an item belongs to with it.
    fn link(&mut self, place: u32) {
        let mask = self.heads.len().wrapping_sub(1);
        if let Some(item) = self.items.get_mut(index(place)) {
            if let Some(head) = self.heads.get_mut(index(item.digest) & mask) {
                item.next = replace(head, place);
            }
        }
    }

    fn head(&mut self, digest: u32) -> Option<&mut u32> {
        let mask = self.heads.len().wrapping_sub(1);
        self.heads.get_mut(index(digest) & mask)
    }

    fn remove(&mut self, place: u32) -> Option<T> {
        let next = self.items.get(index(place))?.next;
        self.lead(place, next);
        let last = self.items.len().checked_sub(1)?;
        self.lead(u32::try_from(last).ok()?, place);
        let last = self.items.remove(last).ok()?;
        match self.items.get_mut(index(place)) {
            Some(free) => Some(replace(free, last).value),
            None => Some(last.value),
        }
    }

    /// Lets what leads to the item at `from` in its chain lead `to` another place.
    fn lead(&mut self, from: u32, to: u32) -> Option<()> {
        let digest = self.items.get(index(from))?.digest;
        let head = self.head(digest)?;
        if *head == from {
            *head = to;
            return Some(());
        }
        let mut place = *head;
        loop {
            let item = self.items.get_mut(index(place))?;
            if item.next == from {
                item.next = to;
                return Some(());
            }
            place = item.next;
        }
    }
}

/// Returns a number as an index; `usize` has 32 bits or more.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_bag))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_out_once() {
        // All in one chain, a few in each, each in its own.
        for spread in [0, 1, 7, u32::MAX] {
            assert!(life(100, spread).is_some());
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let mut bag = Bag::new();
        assert_eq!(bag.take(1, |_: &u32| true), None);
        assert!(bag.put(1, 5_u32).is_ok());
        assert_eq!(bag.take(9, |_| true), None);
        assert_eq!(bag.take(1, |value| *value == 6), None);
        assert_eq!(bag.take(1, |value| *value == 5), Some(5));
        assert!(bag.is_empty());
    }

    #[test]
    fn what_is_not_kept_goes() {
        let mut bag = filled(50, 3);
        bag.retain(|value| *value % 2 == 0);
        let left = (0..50).filter(|value| bag.take(value & 3, |other| other == value).is_some());
        assert_eq!(left.count(), 25);
        assert!(bag.is_empty());
    }

    fn filled(count: u32, spread: u32) -> Bag<u32> {
        let mut bag = Bag::new();
        assert!((0..count).all(|value| bag.put(value & spread, value).is_ok()));
        bag
    }

    /// Takes out every third, then the rest from the end, and looks for each a second time.
    fn life(count: u32, spread: u32) -> Option<()> {
        let mut bag = filled(count, spread);
        let thirds = (0..count).filter(|value| value % 3 == 0);
        let rest = (0..count).rev().filter(|value| value % 3 != 0);
        for value in Iterator::chain(thirds, rest) {
            bag.take(value & spread, |other| *other == value)?;
            let again = bag.take(value & spread, |other| *other == value);
            again.is_none().then_some(())?;
        }
        bag.is_empty().then_some(())
    }
}
