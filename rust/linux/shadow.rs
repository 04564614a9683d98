// SPDX-License-Identifier: GPL-2.0
//! Entries of one second key: the newest is in the list and shadows the older ones.
//!
//! Any number of entries can have one second key, as when a firewall mark sends all ports of all
//! addresses to one port of one server. All of them answer to the same packets (see
//! [`Record::same_second`]), so the newest that lives is always the right one, and the others need
//! not be met. Of each second key the list holds one node, that of the newest entry; the others hang
//! from it in a chain, newest first. What a look-up meets are therefore different keys of equal
//! hash, of which there are few whatever packets come, and no step depends on the length of a chain:
//!
//! - a new entry takes the place of the one that it shadows;
//! - a shadowed entry leaves its chain as one leaves any doubly linked list;
//! - when the newest ends, the next takes its place back.
//!
//! **Locking.** A chain is changed under the stripe lock of the second hash, as the list is there.
//!
//! **Readers** that meet a dead entry in the list go down its chain to the first that lives. An entry
//! that left the chain keeps its `older`, as a node that left the list keeps its `next`, so readers
//! on it go on. The node of a shadowed entry keeps the `next` it had in the list. That is good for a
//! reader that has been on it since, and for no other: behind a chain, a reader goes on where it left
//! the list.
//!
//! **Order.** Among second nodes the newest of a key is found and no other. A first node of the same
//! order comes before or behind it, as the entry that began the chain is older or newer. Both match
//! one packet only where a connection that needs no second node is made to the very address that is
//! another one's server.

use crate::list::{List, Node};
use crate::sync::{AtomicPtr, Relaxed};
use crate::table::{Entry, Record};
use core::ptr::{self, NonNull};

/// An entry's place among those of its second key.
///
/// # Invariants
///
/// While the entry has its second node in the list or in a chain, both pointers are null or lead to
/// the neighbours in its chain. Afterwards `older` leads to an entry that was in the chain then.
pub(crate) struct Shadow<R: Record> {
    older: AtomicPtr<Entry<R>>,
    /// Changed and read under the stripe lock; null at the head of a chain.
    newer: AtomicPtr<Entry<R>>,
}

impl<R: Record> Shadow<R> {
    /// Makes a place beside no other entry.
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            older: AtomicPtr::new(ptr::null_mut()),
            newer: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Returns the next older and the next newer entry.
    fn neighbours(&self) -> [Option<NonNull<Entry<R>>>; 2] {
        [&self.older, &self.newer].map(|neighbour| NonNull::new(neighbour.load(Relaxed)))
    }
}

/// Returns a pointer as it is kept.
fn or_null<R: Record>(entry: Option<NonNull<Entry<R>>>) -> *mut Entry<R> {
    entry.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Returns the newest live entry that a dead one shadows.
///
/// # Safety
///
/// An RCU section is open and stays so for all of `'g`; `dead` was reached inside it.
pub(crate) unsafe fn newest_below<'g, R: Record>(dead: &'g Entry<R>) -> Option<&'g Entry<R>> {
    let mut entry = dead;
    loop {
        // Relaxed: an older entry was complete before the newer one was inserted that led here.
        let older = NonNull::new(entry.shadow().older.load(Relaxed))?;
        // SAFETY: By the invariants it was in the chain inside the section, so it is freed after it.
        entry = unsafe { older.as_ref() };
        if !entry.word().is_dead() {
            return Some(entry);
        }
    }
}

/// Puts an entry's second node into the list, and into its shadow the entry that was newest before.
///
/// # Safety
///
/// The caller holds the stripe lock of the second order, inside an RCU section. The entry is new and
/// pinned, and has a second node.
pub(crate) unsafe fn insert<R: Record>(list: &List, entry: NonNull<Entry<R>>) {
    // SAFETY: A pinned entry is valid.
    let new = unsafe { entry.as_ref() };
    // SAFETY: The pinned entry is valid.
    let node = unsafe { Entry::second(entry) };
    let is_alike = |node| {
        // SAFETY: The list shows its nodes, which are valid under the lock.
        let found = unsafe { Entry::<R>::of_second(node) };
        // SAFETY: As above: an entry is freed after its node was taken out.
        found.is_some_and(|found| new.same_second(unsafe { found.as_ref() }))
    };
    // SAFETY: The lock is held inside a section; the node is new.
    if let Err(alike) = unsafe { list.insert_unless(node, is_alike) } {
        // SAFETY: By the caller's promise, and the list found `alike` there.
        unsafe { take_over(list, entry, alike) };
    }
}

/// Puts an entry in the place of the one around a second node, which it shadows from here on.
///
/// # Safety
///
/// As for [`insert`]; `alike` is in the list, and a second node.
#[cold]
#[inline(never)]
unsafe fn take_over<R: Record>(list: &List, entry: NonNull<Entry<R>>, alike: NonNull<Node>) {
    // SAFETY: A pinned entry is valid.
    let new = unsafe { entry.as_ref() };
    // SAFETY: A node in the list is valid under the lock.
    if let Some(found) = unsafe { Entry::<R>::of_second(alike) } {
        // INVARIANT: They are neighbours as soon as the lock is released.
        new.shadow().older.store(found.as_ptr(), Relaxed);
        // SAFETY: Valid under the lock.
        let found = unsafe { found.as_ref() };
        found.shadow().newer.store(entry.as_ptr(), Relaxed);
    }
    // SAFETY: The pinned entry is valid.
    let node = unsafe { Entry::second(entry) };
    // SAFETY: The lock is held, `alike` is in the list, and the new node is not.
    unsafe { list.replace(alike, node) };
}

/// Takes an entry's second node out of the list, or the entry out of the shadow it is in.
///
/// # Safety
///
/// The caller holds the stripe lock of the second order, inside an RCU section. The entry was given
/// to [`insert`], and is taken out once.
pub(crate) unsafe fn remove<R: Record>(list: &List, entry: &Entry<R>) {
    let [older, newer] = entry.shadow().neighbours();
    // INVARIANT: The neighbours become each other's; the entry keeps its own.
    if let Some(older) = older {
        // SAFETY: Valid under the lock, as it is in the chain.
        let older = unsafe { older.as_ref() };
        older.shadow().newer.store(or_null(newer), Relaxed);
    }
    if let Some(newer) = newer {
        // SAFETY: Valid under the lock, as it is in the chain.
        let newer = unsafe { newer.as_ref() };
        newer.shadow().older.store(or_null(older), Relaxed);
        return;
    }
    // SAFETY: A reference leads to a valid entry.
    let node = unsafe { Entry::second(NonNull::from(entry)) };
    let Some(older) = older else {
        // SAFETY: The lock is held, and the node of an entry without a newer one is in the list.
        unsafe { list.remove(node) };
        return;
    };
    // SAFETY: Valid under the lock.
    let next = unsafe { Entry::second(older) };
    // SAFETY: As for the removal; a shadowed entry's node is not in the list.
    unsafe { list.replace(node, next) };
}
