// SPDX-License-Identifier: GPL-2.0
//! An ordered list with markers: a hash table that grows and shrinks without moving an entry.
//!
//! All nodes are in one singly linked list, sorted by their hash. A bucket is a marker node in that
//! list, in front of the nodes whose hash begins with the bucket's number. The nodes of bucket `b`
//! of 2^n are those of the buckets `2b` and `2b + 1` of 2^(n+1), one group behind the other:
//! doubling the table only puts a second marker in the middle. No reader ever has to look twice,
//! and a listing that remembers where it was finds its way whatever grew meanwhile. (The
//! split-ordered list of Shalev and Shavit, 2006, which takes the low bits of a hash and has to
//! reverse them.)
//!
//! **Markers** are the directory: an array for the first [`FIRST_BITS`] bits and one more array for
//! each doubling, which never move. Those of the first array are linked from the start; the others
//! by [`List::link_markers`] after the doubling, or earlier by an insertion into their bucket. Until
//! then a bucket is reached through its parent (its marker's order without the lowest bit), whose
//! marker is further in front.
//!
//! **Halving** takes the last array away. A bucket is looked for inside an RCU section. So a grace
//! period after the number of buckets is halved no look-up starts from those markers and no insertion
//! links them any more, and they are taken out like entries; a grace period later no reader is on
//! them.
//!
//! **Stripes.** A node is inserted or removed under the stripe lock of its order's first
//! [`FIRST_BITS`] bits. The nodes of one stripe are a contiguous piece of the list which begins with a
//! marker of the first array, and that is never removed. So the node in front of any other node of
//! the stripe belongs to the same stripe, and its `next` is changed under the same lock alone:
//! neither can it be removed meanwhile nor can another insertion come behind it. That holds however
//! often the table has doubled, because a stripe does not depend on the number of buckets.
//!
//! **Readers** hold an RCU section. A removed node keeps its `next`, so a reader on it goes on; its
//! memory is freed after the readers. A node may come back into the list where it was, in place of
//! another ([`List::replace`]): a reader that was on it all the time goes on from there.

use crate::rcu;
use crate::sync::{
    self, Acquire, AtomicPtr, AtomicU32, Full, Need, Relaxed, Release, FIRST_BITS, MAX_BITS,
    SEGMENTS,
};
use core::ptr::{self, NonNull};
use kernel::error::Result;

/// A place in the list: a marker, or one of an entry's two.
#[repr(C)]
pub(crate) struct Node {
    next: AtomicPtr<Node>,
    /// The hash: made odd for entries; even for markers, which have no bits behind their bucket's.
    order: u32,
    tag: AtomicU32,
}

/// A marker that is not in the list yet.
const UNLINKED: u32 = 0;
/// A marker in the list.
const LINKED: u32 = 1;
/// An entry's first node.
pub(crate) const FIRST: u32 = 2;
/// An entry's second node.
pub(crate) const SECOND: u32 = 3;

impl Node {
    /// Makes a node of an entry, to be inserted.
    pub(crate) fn new(order: u32, tag: u32) -> Self {
        Self {
            next: AtomicPtr::new(ptr::null_mut()),
            order,
            tag: AtomicU32::new(tag),
        }
    }

    /// Returns the hash, made odd; a marker's is even.
    #[inline]
    pub(crate) fn order(&self) -> u32 {
        self.order
    }

    /// Returns [`FIRST`] or [`SECOND`] for an entry's node, something else for a marker.
    #[inline]
    pub(crate) fn tag(&self) -> u32 {
        self.tag.load(Relaxed)
    }

    /// Returns the node behind this one.
    #[inline]
    pub(crate) fn next(&self) -> Option<NonNull<Node>> {
        // Pairs with the release in `put_behind`: the node's fields are seen as it was inserted.
        NonNull::new(self.next.load(Acquire))
    }

    /// Puts `node` behind this one.
    ///
    /// # Safety
    ///
    /// The caller holds the stripe lock of both; `node` is not in the list and stays valid as long
    /// as it is, and a grace period longer.
    unsafe fn put_behind(&self, node: NonNull<Node>) {
        // SAFETY: By the caller's promise it is valid.
        let inserted = unsafe { node.as_ref() };
        inserted.next.store(self.next.load(Relaxed), Relaxed);
        self.next.store(node.as_ptr(), Release);
    }
}

/// Returns the order of a hash.
#[inline]
pub(crate) fn order_of(hash: u32) -> u32 {
    hash | 1
}

/// Returns which stripe lock guards the nodes of an order.
#[inline]
pub(crate) fn stripe(order: u32) -> usize {
    // CAST: At most `FIRST_BITS` bits are left.
    (u64::from(order) >> (32 - FIRST_BITS)) as usize
}

/// Markers that are linked or taken out without a pause.
const BATCH: u32 = 256;

/// The list and its directory of markers.
///
/// # Invariants
///
/// - Segment 0 holds 2^`FIRST_BITS` markers, segment `n` 2^(`FIRST_BITS` + n - 1), once not null.
/// - The segments that 2^`bits` buckets need are not null, nor are those that were needed when an RCU
///   section began which is not over.
/// - All markers of segment 0 are linked, and never unlinked.
/// - The list is sorted by order.
pub(crate) struct List {
    bits: AtomicU32,
    segments: [AtomicPtr<Node>; SEGMENTS],
}

impl List {
    /// Makes an empty list of 2^[`FIRST_BITS`] buckets.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let list = Self {
            bits: AtomicU32::new(FIRST_BITS),
            segments: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        };
        list.add_segment(0, Need::Must)?;
        let mut last: Option<NonNull<Node>> = None;
        for place in 0..1u32 << FIRST_BITS {
            let marker = list.marker(marker_order(0, place));
            // SAFETY: The list is not shared yet.
            let node = unsafe { marker.as_ref() };
            if let Some(last) = last {
                // SAFETY: Markers live as long as the list.
                let last = unsafe { last.as_ref() };
                // SAFETY: The list is not shared yet.
                unsafe { last.put_behind(marker) };
            }
            node.tag.store(LINKED, Relaxed);
            last = Some(marker);
        }
        Ok(list)
    }

    /// Returns the number of buckets.
    #[inline]
    pub(crate) fn buckets(&self) -> u64 {
        1u64.wrapping_shl(self.bits.load(Relaxed))
    }

    /// Allocates a segment and publishes it.
    fn add_segment(&self, index: u32, need: Need) -> Result {
        let len = segment_len(index);
        let make = |place: usize| Node {
            next: AtomicPtr::new(ptr::null_mut()),
            // CAST: The place is below the segment's length, which fits.
            order: marker_order(index, place as u32),
            tag: AtomicU32::new(UNLINKED),
        };
        let array = sync::array(len, need, make)?;
        if let Some(cell) = self.segments.get(index as usize) {
            // Pairs with the load in `marker`.
            cell.store(array.as_ptr(), Release);
        }
        Ok(())
    }

    /// Returns whether there should be more buckets for so many entries, and can be.
    #[inline]
    pub(crate) fn is_small_for(&self, count: u64) -> bool {
        count > self.buckets() && self.bits.load(Relaxed) < MAX_BITS
    }

    /// Returns whether half the buckets would do for so many entries, several times over.
    pub(crate) fn is_large_for(&self, count: u64) -> bool {
        count < self.buckets() >> 3 && self.has_grown()
    }

    /// Returns whether there are more buckets than at first.
    pub(crate) fn has_grown(&self) -> bool {
        self.bits.load(Relaxed) > FIRST_BITS
    }

    /// Doubles the number of buckets, unless there are as many as there can be.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Locking
    ///
    /// Process context, one caller of this and of `shrink` at a time.
    pub(crate) fn grow(&self) -> Result {
        let bits = self.bits.load(Relaxed);
        if bits >= MAX_BITS {
            return Ok(());
        }
        // Buckets that are missing only cost time.
        self.add_segment(last_segment(bits.wrapping_add(1)), Need::May)?;
        // INVARIANT: The segment was stored before. Pairs with the loads in `bucket`.
        self.bits.store(bits.wrapping_add(1), Release);
        Ok(())
    }

    /// Links the markers that the last doubling brought.
    ///
    /// `locked` does something while the stripe lock of an order is held, `goes_on` tells between
    /// two batches of markers whether the work is still wanted.
    ///
    /// # Locking
    ///
    /// As for [`List::grow`]; sleeps.
    pub(crate) fn link_markers(&self, locked: impl Fn(u32, &dyn Fn()), goes_on: impl Fn() -> bool) {
        let index = last_segment(self.bits.load(Relaxed));
        // CAST: The length of a segment is a number of buckets.
        for place in 0..segment_len(index) as u32 {
            let bucket = marker_order(index, place);
            rcu::read(|_rcu| {
                locked(bucket, &|| {
                    // SAFETY: The stripe lock is held inside a section; the number of buckets is
                    // changed by the caller alone.
                    unsafe { self.link_marker(bucket) };
                });
            });
            if place % BATCH == 0 {
                sync::pause();
                if !goes_on() {
                    return;
                }
            }
        }
    }

    /// Halves the number of buckets, unless there are as few as at first.
    ///
    /// `locked` does something while the stripe lock of an order is held.
    ///
    /// # Locking
    ///
    /// Process context, one caller of this and of `grow` at a time; sleeps.
    pub(crate) fn shrink(&self, locked: impl Fn(u32, &dyn Fn())) {
        if !self.has_grown() {
            return;
        }
        let bits = self.bits.load(Relaxed).wrapping_sub(1);
        self.bits.store(bits, Release);
        // The sections are over afterwards in which the larger number was seen.
        rcu::synchronize();
        let index = last_segment(bits.wrapping_add(1));
        let len = segment_len(index);
        // CAST: The length of a segment is a number of buckets.
        for place in 0..len as u32 {
            self.unlink_marker(marker_order(index, place), &locked);
            if place % BATCH == 0 {
                sync::pause();
            }
        }
        let Some(cell) = self.segments.get(index as usize) else {
            return;
        };
        let array = NonNull::new(cell.xchg(ptr::null_mut(), Full));
        // No reader is on one of the markers afterwards.
        rcu::synchronize();
        if let Some(array) = array {
            // SAFETY: By the invariants it came from `array` with this length; its markers are out
            // of the list, and all sections are over that could lead there.
            unsafe { sync::free_array(array, len) };
        }
    }

    /// Takes the marker of a bucket out that is looked for no more.
    fn unlink_marker(&self, bucket: u32, locked: &impl Fn(u32, &dyn Fn())) {
        let marker = self.marker(bucket);
        // SAFETY: The marker's segment is still there.
        let node: &Node = unsafe { marker.as_ref() };
        // Relaxed: a grace period ago the last one could be linked.
        if node.tag.load(Relaxed) == LINKED {
            // SAFETY: The stripe lock is held, and the marker in the list. The caller of `shrink`
            // alone changes the number of buckets.
            locked(node.order, &|| unsafe { self.remove(marker) });
        }
    }

    /// Returns the bucket of an order at the present size, as its marker's order.
    #[inline]
    fn bucket(&self, order: u32) -> u32 {
        // Pairs with the stores in `grow` and `shrink`.
        let bits = self.bits.load(Acquire);
        order & !(u32::MAX.wrapping_shr(bits))
    }

    /// Returns the marker of a bucket, linked or not.
    #[inline]
    fn marker(&self, bucket: u32) -> NonNull<Node> {
        let (index, place) = place_of(bucket);
        // SAFETY: A bucket came from `bucket` inside the present RCU section and may have lost bits
        // since, or is one of a segment that `shrink` is about to take away; so by the invariants of
        // `bits` its segment is below `SEGMENTS`.
        let cell = unsafe { self.segments.get_unchecked(index) };
        // SAFETY: By the same invariants the segment exists.
        let segment = unsafe { NonNull::new_unchecked(cell.load(Acquire)) };
        // SAFETY: `place_of` gives a place inside the segment.
        unsafe { segment.add(place) }
    }

    /// Returns the nearest linked marker in front of all nodes of `bucket`.
    #[inline]
    fn linked_before(&self, mut bucket: u32) -> &Node {
        loop {
            // SAFETY: Markers live as long as the section in which their bucket was looked for.
            let node: &Node = unsafe { self.marker(bucket).as_ref() };
            // Pairs with the release in `link_marker`. The markers of segment 0 end the loop.
            if node.tag.load(Acquire) == LINKED {
                return node;
            }
            bucket = parent(bucket);
        }
    }

    /// Returns the first node of `order` or behind.
    ///
    /// # Safety
    ///
    /// The caller is inside an RCU section, and stays there while it uses the result.
    #[inline]
    pub(crate) unsafe fn first_at(&self, order: u32) -> Option<NonNull<Node>> {
        let mut before = self.linked_before(self.bucket(order));
        loop {
            let next = before.next()?;
            // SAFETY: By the caller's promise.
            let node: &Node = unsafe { next.as_ref() };
            // What was seen counts: to look again behind `before` might show a newer node of a
            // lower order.
            if node.order >= order {
                return Some(next);
            }
            before = node;
        }
    }

    /// Inserts an entry's node in front of all others of the same order.
    ///
    /// # Safety
    ///
    /// The caller holds the stripe lock of the node's order, inside an RCU section. The node is in
    /// no list; it stays valid until a grace period after its removal.
    pub(crate) unsafe fn insert(&self, node: NonNull<Node>) {
        // SAFETY: Valid by the caller's promise.
        let order = unsafe { node.as_ref() }.order;
        // SAFETY: The stripe lock is held inside a section.
        let before = unsafe { self.place_for(order) };
        // SAFETY: By the caller's promise, and both belong to the stripe.
        unsafe { before.put_behind(node) };
    }

    /// Inserts an entry's node as [`List::insert`] does, unless `is_alike` says so of a node of the
    /// same order.
    ///
    /// # Errors
    ///
    /// The node that is alike.
    ///
    /// # Safety
    ///
    /// As for [`List::insert`].
    pub(crate) unsafe fn insert_unless(
        &self,
        node: NonNull<Node>,
        is_alike: impl Fn(NonNull<Node>) -> bool,
    ) -> Result<(), NonNull<Node>> {
        // SAFETY: Valid by the caller's promise.
        let order = unsafe { node.as_ref() }.order;
        // SAFETY: The stripe lock is held inside a section.
        let before = unsafe { self.place_for(order) };
        let mut place = before;
        while let Some(next) = place.next() {
            // SAFETY: Nodes of the stripe stay while its lock is held; the first node behind them is
            // a marker of segment 0, which stays with the list.
            place = unsafe { next.as_ref() };
            if place.order != order {
                break;
            }
            if is_alike(next) {
                return Err(next);
            }
        }
        // SAFETY: By the caller's promise, and both belong to the stripe.
        unsafe { before.put_behind(node) };
        Ok(())
    }

    /// Returns the node behind which an entry's node of `order` is inserted.
    ///
    /// # Safety
    ///
    /// The caller holds the stripe lock of the order, inside an RCU section.
    #[inline]
    unsafe fn place_for(&self, order: u32) -> &Node {
        let bucket = self.bucket(order);
        // SAFETY: The bucket's marker has the same first bits, hence the same stripe.
        let marker = unsafe { self.link_marker(bucket) };
        // SAFETY: The stripe lock is held.
        unsafe { last_before(marker, order) }
    }

    /// Returns the marker of `bucket`, after linking it unless it is linked.
    ///
    /// # Safety
    ///
    /// The caller holds the stripe lock of the bucket, inside an RCU section in which the bucket was
    /// looked for.
    #[inline]
    unsafe fn link_marker(&self, bucket: u32) -> &Node {
        let marker = self.marker(bucket);
        // SAFETY: Markers live as long as the section in which their bucket was looked for.
        let node: &Node = unsafe { marker.as_ref() };
        // Relaxed: it is changed under the lock that the caller holds.
        if node.tag.load(Relaxed) != LINKED {
            // SAFETY: By the caller's promise; it is not in the list.
            unsafe { self.insert_marker(marker) };
        }
        node
    }

    /// Puts a marker into the list: seldom, as most are linked when the list has grown.
    ///
    /// # Safety
    ///
    /// As for [`List::link_marker`]; the marker is not linked.
    #[cold]
    #[inline(never)]
    unsafe fn insert_marker(&self, marker: NonNull<Node>) {
        // SAFETY: By the caller's promise it lives.
        let node = unsafe { marker.as_ref() };
        let start = self.linked_before(node.order);
        // SAFETY: The stripe lock is held.
        let before = unsafe { last_before(start, node.order) };
        // SAFETY: The stripe lock is held; a marker stays until a grace period after its removal.
        unsafe { before.put_behind(marker) };
        // Pairs with the load in `linked_before`: its `next` is seen where it is seen linked.
        node.tag.store(LINKED, Release);
    }

    /// Takes an entry's node, or a marker that is no longer looked for, out.
    ///
    /// # Safety
    ///
    /// The caller holds the stripe lock of the node's order, inside an RCU section or while the
    /// number of buckets does not change, and the node is in this list.
    pub(crate) unsafe fn remove(&self, node: NonNull<Node>) {
        // SAFETY: It is in the list, hence valid.
        let next = unsafe { node.as_ref() }.next.load(Relaxed);
        // SAFETY: By the caller's promise.
        if let Some(before) = unsafe { self.before(node) } {
            // The node keeps its own `next` for the readers that are on it.
            before.next.store(next, Release);
        }
    }

    /// Puts a node in the place of another one of the same order, which is taken out.
    ///
    /// # Safety
    ///
    /// As for [`List::remove`]; `by` is not in the list and stays valid until a grace period after
    /// its removal.
    pub(crate) unsafe fn replace(&self, node: NonNull<Node>, by: NonNull<Node>) {
        // SAFETY: It is in the list, hence valid.
        let next = unsafe { node.as_ref() }.next.load(Relaxed);
        // SAFETY: By the caller's promise.
        if let Some(before) = unsafe { self.before(node) } {
            // Release: a reader may be on it since it was in the list before.
            // SAFETY: Valid by the caller's promise.
            unsafe { by.as_ref() }.next.store(next, Release);
            before.next.store(by.as_ptr(), Release);
        }
    }

    /// Returns the node in front of one in the list.
    ///
    /// # Safety
    ///
    /// As for [`List::remove`].
    #[inline]
    unsafe fn before(&self, node: NonNull<Node>) -> Option<&Node> {
        // SAFETY: It is in the list, hence valid.
        let order = unsafe { node.as_ref() }.order;
        let mut before = self.linked_before(self.bucket(order));
        loop {
            let next = before.next()?;
            if next == node {
                return Some(before);
            }
            // SAFETY: Nodes of the stripe stay while its lock is held; a node of another stripe is
            // not met, as the wanted one comes before.
            before = unsafe { next.as_ref() };
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        for (index, cell) in (0u32..).zip(&self.segments) {
            let len = segment_len(index);
            if let Some(array) = NonNull::new(cell.load(Relaxed)) {
                // SAFETY: By the invariants it came from `array` with this length; the list is
                // going, so no reader walks it.
                unsafe { sync::free_array(array, len) };
            }
        }
    }
}

/// Returns the last node before `order`, going from `start`.
///
/// # Safety
///
/// `start` is a node of a list before `order`. The caller holds the stripe lock of `order`, and
/// `start` belongs to that stripe.
#[inline]
unsafe fn last_before<'a>(start: &'a Node, order: u32) -> &'a Node {
    let mut before = start;
    while let Some(next) = before.next() {
        // SAFETY: Nodes of the stripe stay while its lock is held; the first node behind them is a
        // marker of segment 0, which stays with the list.
        let next: &'a Node = unsafe { next.as_ref() };
        if next.order >= order {
            break;
        }
        before = next;
    }
    before
}

/// Returns the last segment that 2^`bits` buckets need.
fn last_segment(bits: u32) -> u32 {
    bits.wrapping_sub(FIRST_BITS)
}

/// Returns how many markers a segment has.
fn segment_len(index: u32) -> usize {
    1usize.wrapping_shl(FIRST_BITS.wrapping_add(index.saturating_sub(1)))
}

/// Returns the order of the marker at a place of a segment.
///
/// The markers of a segment are in the middle between those of all segments before it.
fn marker_order(index: u32, place: u32) -> u32 {
    let bits = FIRST_BITS.wrapping_add(index);
    let number = match index {
        0 => place,
        _ => place.wrapping_shl(1) | 1,
    };
    number.wrapping_shl(32u32.wrapping_sub(bits))
}

/// Returns the segment of the marker with an order, and its place there.
#[inline]
fn place_of(bucket: u32) -> (usize, usize) {
    let below = bucket.trailing_zeros();
    // CAST: `usize` has 32 bits or more.
    match (32 - FIRST_BITS).checked_sub(below) {
        Some(index @ 1..) => (
            index as usize,
            bucket.wrapping_shr(below.wrapping_add(1)) as usize,
        ),
        _ => (0, bucket.wrapping_shr(32 - FIRST_BITS) as usize),
    }
}

/// Returns the parent of a bucket, both as the orders of their markers.
#[inline]
fn parent(bucket: u32) -> u32 {
    bucket & bucket.wrapping_sub(1)
}
