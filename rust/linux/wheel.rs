// SPDX-License-Identifier: GPL-2.0
//! An expiry wheel drained in process context.
//!
//! Each CPU has a ring of one-second slots. An entry is filed in the slot of the second in which
//! it is due, in the last slot if that is farther away, and stays with the CPU that filed it first
//! for life: so one lock guards all that happens to it. Nothing is done when an entry is used and
//! its end moves away; when its slot comes, it is filed again. While nothing is filed, nothing ticks.
//!
//! **Workers.** As each second begins, one work item looks at all rings and queues those where
//! something is due. Each has a work item of its own, which drains the due slots, at most [`BATCH`]
//! entries for each time it holds the lock. So a flood that one CPU filed is ended beside those of
//! other CPUs, and delays none of them. All of these items belong to a queue that has a worker even
//! when there is no memory for one.
//!
//! **Death.** An entry is marked dead before [`Wheel::remove`] takes the lock; the worker, which has
//! an entry in hand while it is in no slot, looks for the mark after it took the lock and before it
//! files it again. The second of the two sees what the first did, so a dead entry is never left in a
//! slot.

use crate::clock::{Jiffies, Ticks, HZ};
use crate::deferred::Waiting;
use crate::rcu;
use crate::sync::{self, AtomicU32, Full, Locked, Pinned, Queue, Relaxed, Vector, SLOTS};
use crate::work::Task;
use core::cell::{Cell, UnsafeCell};
use core::mem::offset_of;
use core::ptr::{self, NonNull};
use kernel::error::Result;

/// What the wheel asks of, and does to, the entry around a link.
pub(crate) struct Ops {
    /// Returns when the entry is due. Called under a wheel lock.
    pub(crate) deadline: unsafe fn(NonNull<Link>) -> Jiffies,
    /// Returns whether the entry is dead. Called under a wheel lock.
    pub(crate) is_dead: unsafe fn(NonNull<Link>) -> bool,
    /// Ends the entry, if it can be ended; returns whether it is to be filed again.
    pub(crate) expire: unsafe fn(NonNull<Link>) -> bool,
}

/// An entry's place in the wheel.
///
/// # Invariants
///
/// - `next`, `back` and `second` are accessed only under the lock of the CPU `home`, until the
///   entry's memory is on its way back.
/// - `owner` is valid while the entry is filed, and while the lock is held under which it was.
#[repr(C)]
pub(crate) struct Link {
    next: UnsafeCell<*mut Link>,
    /// What points to this link; null while it is in no slot.
    back: UnsafeCell<*mut *mut Link>,
    owner: NonNull<&'static Ops>,
    home: u32,
    /// The second in which it is due, as counted by its CPU.
    second: UnsafeCell<u32>,
}

impl Link {
    /// What waits to be freed fits before `owner`, which is read even then.
    const ROOM: () = assert!(
        size_of::<Waiting>() <= offset_of!(Link, owner)
            && align_of::<Waiting>() <= align_of::<Link>()
    );

    /// Makes a link that is in no slot and will belong to the CPU `home`.
    ///
    /// What `owner` leads to fits the entry, and is there until the link was removed.
    #[inline]
    pub(crate) fn new(owner: NonNull<&'static Ops>, home: u32) -> Self {
        Self {
            next: UnsafeCell::new(ptr::null_mut()),
            back: UnsafeCell::new(ptr::null_mut()),
            owner,
            home,
            second: UnsafeCell::new(0),
        }
    }

    /// Returns what the link was made with.
    #[inline]
    pub(crate) fn owner(&self) -> NonNull<&'static Ops> {
        self.owner
    }

    /// Returns the two words that the release of the memory may use once the wheel is done with it.
    pub(crate) fn spare(this: NonNull<Self>) -> NonNull<Waiting> {
        let () = Self::ROOM;
        this.cast()
    }
}

/// The slots of one CPU.
struct Slots {
    /// The first link of each slot; behind them, at [`DUE`], what remains of the slot that is being
    /// drained. Cells, as links point back to them.
    heads: Vector<Cell<*mut Link>>,
    /// The second whose slot was drained last.
    second: u32,
    /// When that second began.
    began: Jiffies,
    /// Links in all slots.
    count: u32,
    /// Whether the worker is at it, which may have an entry in hand.
    draining: bool,
}

// SAFETY: The pointers lead to links that belong to the slots while they are filed; they may be
// followed on any CPU.
unsafe impl Send for Slots {}

/// Where the slot that is being drained keeps its links.
const DUE: usize = SLOTS;

/// Entries that are handled before the lock is given up.
const BATCH: u32 = 64;

/// What [`Slots::next_due`] found.
enum Due {
    /// An entry, now in no slot, and what fits it.
    Entry(NonNull<Link>, &'static Ops),
    /// There may be more.
    More,
    /// Nothing before the next second.
    Nothing,
}

impl Slots {
    fn new(now: Jiffies) -> Result<Self> {
        Ok(Self {
            heads: sync::vector(SLOTS + 1, Cell::new(ptr::null_mut()))?,
            second: 0,
            began: now.second(),
            count: 0,
            draining: false,
        })
    }

    /// Puts a link into the slot of what is `due` then.
    ///
    /// # Safety
    ///
    /// `link` belongs to this CPU, is in no slot, and stays valid while it is in one.
    unsafe fn place(&mut self, link: NonNull<Link>, due: Jiffies, now: Jiffies) {
        if self.count == 0 {
            // Nothing was drained while nothing was filed.
            self.began = now.second();
        }
        let second = self.second_of(due);
        let Some(head) = self.heads.get(second as usize % SLOTS) else {
            return;
        };
        // SAFETY: A link lives as long as its entry, which the caller holds.
        let place = unsafe { link.as_ref() }.second.get();
        // SAFETY: The lock of the link's home is held, as `self` is borrowed mutably.
        unsafe { *place = second };
        // SAFETY: As above; the heads never move, and links stay where they are while filed.
        unsafe { push(head.as_ptr(), link) };
        self.count = self.count.wrapping_add(1);
    }

    /// Returns the second in which something due at `deadline` is to be looked at.
    fn second_of(&self, deadline: Jiffies) -> u32 {
        let wait = deadline.since(self.began).0;
        // Rounded up, as an entry must not go early; at least one, as the present second's slot
        // has been drained; at most a turn, which is then looked at and filed again.
        let seconds = wait.div_ceil(HZ).clamp(1, SLOTS as u32 - 1);
        self.second.wrapping_add(seconds)
    }

    /// Takes a link out of its slot, if it is in one.
    ///
    /// # Safety
    ///
    /// `link` belongs to this CPU and is valid.
    unsafe fn unlink(&mut self, link: NonNull<Link>) {
        // SAFETY: The lock of the link's home is held, as `self` is borrowed mutably.
        if unsafe { pull(link) } {
            self.count = self.count.wrapping_sub(1);
        }
    }

    /// Returns whether something is due.
    fn is_due(&mut self, now: Jiffies) -> bool {
        loop {
            if self.heads.get(DUE).is_some_and(|due| !due.get().is_null()) {
                return true;
            }
            if !self.advance(now) {
                return false;
            }
        }
    }

    /// Returns whether there is, or is going to be, something in a slot.
    fn is_used(&self) -> bool {
        self.count != 0 || self.draining
    }

    /// Takes out the next entry that is due.
    fn next_due(&mut self, now: Jiffies) -> Due {
        self.draining = true;
        for _ in 0..BATCH {
            let due = self.heads.get(DUE).map(Cell::get);
            let Some(link) = due.and_then(NonNull::new) else {
                if !self.advance(now) {
                    self.draining = false;
                    return Due::Nothing;
                }
                continue;
            };
            // SAFETY: A filed link is valid and belongs to this CPU.
            unsafe { self.unlink(link) };
            // SAFETY: It was filed when the lock was taken.
            let ops = unsafe { ops_of(link) };
            // SAFETY: As above; its end waits for the lock before it is freed.
            let due = unsafe { (ops.deadline)(link) };
            if now.reached(due) {
                return Due::Entry(link, ops);
            }
            // SAFETY: It was just taken out.
            unsafe { self.place(link, due, now) };
        }
        Due::More
    }

    /// Makes the next second's slot due; returns whether its time has come.
    fn advance(&mut self, now: Jiffies) -> bool {
        if self.count == 0 || now.since(self.began).0 < HZ {
            return false;
        }
        self.began = self.began.plus(Ticks(HZ));
        self.second = self.second.wrapping_add(1);
        let from = self.heads.get(self.second as usize % SLOTS);
        if let (Some(from), Some(to)) = (from, self.heads.get(DUE)) {
            // SAFETY: Both heads belong to these slots, whose lock is held; `to` is empty.
            unsafe { hand_over(from, to) };
        }
        true
    }
}

/// The slots of one CPU and the work item that drains them.
pub(crate) struct Ring {
    slots: Locked<Slots>,
}

impl Task for Ring {
    fn run(&self) -> Option<Ticks> {
        let now = Jiffies::now();
        while self.drain_some(now) {
            sync::pause();
        }
        None
    }
}

impl Ring {
    /// Handles a few entries; returns whether there may be more.
    fn drain_some(&self, now: Jiffies) -> bool {
        // One section from before the entry is taken out to when it is done with: should another
        // task end it, it is freed after a grace period.
        rcu::read(|_rcu| {
            let due = self.slots.lock().next_due(now);
            match due {
                Due::Nothing => false,
                Due::More => true,
                Due::Entry(link, ops) => {
                    // SAFETY: It was filed, and stays valid for this section.
                    if unsafe { (ops.expire)(link) } {
                        // SAFETY: It was filed here with these operations.
                        unsafe { self.file(link, ops, now) };
                    }
                    true
                }
            }
        })
    }

    /// Files an entry again by its deadline, wherever it is filed now, unless it is dead.
    ///
    /// The worker must be running.
    ///
    /// # Safety
    ///
    /// The entry was filed in this ring, and `ops` fit it; it is valid to the end of the call.
    unsafe fn file(&self, link: NonNull<Link>, ops: &Ops, now: Jiffies) {
        let mut slots = self.slots.lock();
        // SAFETY: Valid by the caller's promise. See the head of this file for why the lock must be held.
        if unsafe { (ops.is_dead)(link) } {
            return;
        }
        // SAFETY: It belongs to this CPU.
        unsafe { slots.unlink(link) };
        // SAFETY: Valid by the caller's promise.
        let due = unsafe { (ops.deadline)(link) };
        // SAFETY: It is in no slot now, and taken out before it is freed, as it is not dead.
        unsafe { slots.place(link, due, now) };
    }
}

/// The slots of all CPUs.
pub(crate) struct Wheel {
    rings: Vector<Pinned<Ring>>,
    /// 1 while the work item that looks at the rings runs or is going to.
    ticking: AtomicU32,
}

impl Task for Wheel {
    fn run(&self) -> Option<Ticks> {
        self.tick(Jiffies::now())
            .then(|| Jiffies::now().to_next_second())
    }
}

impl Wheel {
    /// Makes an empty wheel, whose rings are drained by a queue's workers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(queue: &Queue, cpus: u32, now: Jiffies) -> Result<Self> {
        let ring = || {
            let slots = sync::locked(Slots::new(now)?)?;
            sync::pinned_on(queue, Ring { slots })
        };
        Ok(Self {
            rings: sync::filled(cpus, ring)?,
            ticking: AtomicU32::new(0),
        })
    }

    /// Returns the slots where a link belongs.
    ///
    /// # Safety
    ///
    /// The entry around the link is not freed yet.
    #[inline]
    unsafe fn home(&self, link: NonNull<Link>) -> Option<&Locked<Slots>> {
        // SAFETY: By the caller's promise.
        let home = unsafe { link.as_ref() }.home;
        // CAST: `usize` has 32 bits or more.
        self.rings.get(home as usize).map(|ring| &ring.slots)
    }

    /// Files a new entry, which is `due` then.
    ///
    /// Returns whether the worker must be woken, as the next second begins.
    ///
    /// # Safety
    ///
    /// The link is in no slot and its entry not dead, and both are not shared yet. The entry stays
    /// valid as long as it is filed: before it is freed it is marked dead and given to
    /// [`Wheel::remove`].
    #[must_use]
    pub(crate) unsafe fn add(&self, link: NonNull<Link>, due: Jiffies, now: Jiffies) -> bool {
        // SAFETY: Valid by the caller's promise.
        let Some(cpu) = (unsafe { self.home(link) }) else {
            return false;
        };
        // SAFETY: It belongs to this CPU; the rest is the caller's promise.
        unsafe { cpu.lock().place(link, due, now) };
        self.ticking.load(Relaxed) == 0 && self.ticking.cmpxchg(0, 1, Full).is_ok()
    }

    /// Files an entry again if it is now due before its slot comes.
    ///
    /// # Safety
    ///
    /// The link's entry is valid to the end of the call, and what its owner pointer leads to as well.
    pub(crate) unsafe fn rearm(&self, link: NonNull<Link>, now: Jiffies) {
        // SAFETY: Valid by the caller's promise.
        let entry = unsafe { link.as_ref() };
        // SAFETY: Valid by the caller's promise.
        let Some(cpu) = (unsafe { self.home(link) }) else {
            return;
        };
        // SAFETY: By the caller's promise.
        let ops = unsafe { ops_of(link) };
        let mut slots = cpu.lock();
        // SAFETY: Valid by the caller's promise. The rest of a dead entry's link may be in other
        // use; one that is not dead now cannot be taken out before the lock is released.
        if unsafe { (ops.is_dead)(link) } {
            return;
        }
        // SAFETY: The lock is held. While it is in no slot the worker has it in hand.
        if unsafe { *entry.back.get() }.is_null() {
            return;
        }
        // SAFETY: Valid by the caller's promise.
        let due = unsafe { (ops.deadline)(link) };
        let wanted = slots.second_of(due);
        // SAFETY: The lock is held.
        let filed = unsafe { *entry.second.get() };
        let past = slots.second;
        if wanted.wrapping_sub(past) < filed.wrapping_sub(past) {
            // SAFETY: It belongs to this CPU.
            unsafe { slots.unlink(link) };
            // SAFETY: It is in no slot now, and taken out before it is freed.
            unsafe { slots.place(link, due, now) };
        }
    }

    /// Takes a dead entry out for good.
    ///
    /// # Safety
    ///
    /// The link's entry is valid to the end of the call and marked dead.
    pub(crate) unsafe fn remove(&self, link: NonNull<Link>) {
        // SAFETY: Valid by the caller's promise.
        if let Some(cpu) = unsafe { self.home(link) } {
            // SAFETY: It belongs to this CPU.
            unsafe { cpu.lock().unlink(link) };
        }
    }

    /// Wakes the workers of the rings where something is due; returns whether to come back as the next
    /// second begins.
    ///
    /// # Locking
    ///
    /// Process context, one caller at a time.
    pub(crate) fn tick(&self, now: Jiffies) -> bool {
        for ring in &self.rings {
            if ring.slots.lock().is_due(now) {
                ring.schedule_once(Ticks(0));
            }
        }
        self.ticks_on()
    }

    /// Decides whether to go on ticking.
    fn ticks_on(&self) -> bool {
        self.ticking.xchg(0, Full);
        // An entry that is filed after its ring was looked at here finds `ticking` zero, through the
        // lock, and sets it going again.
        let is_used = self.rings.iter().any(|ring| ring.slots.lock().is_used());
        is_used && self.ticking.cmpxchg(0, 1, Full).is_ok()
    }
}

/// Returns what fits the entry around a link.
///
/// # Safety
///
/// The link is valid, and its owner pointer as well: see the invariants.
#[inline]
unsafe fn ops_of(link: NonNull<Link>) -> &'static Ops {
    // SAFETY: By the caller's promise.
    let owner = unsafe { link.as_ref() }.owner;
    // SAFETY: By the caller's promise.
    unsafe { owner.as_ref() }
}

/// Puts a link in front of a slot's chain.
///
/// # Safety
///
/// The lock of the slot is held; the link is in no slot; `head` and the link stay where they are.
unsafe fn push(head: *mut *mut Link, link: NonNull<Link>) {
    // SAFETY: The head is valid and ours.
    let next = unsafe { *head };
    // SAFETY: The link is ours.
    let this = unsafe { link.as_ref() };
    // SAFETY: The lock is held.
    unsafe { *this.next.get() = next };
    // SAFETY: The lock is held.
    unsafe { *this.back.get() = head };
    if let Some(next) = NonNull::new(next) {
        // SAFETY: A filed link is valid.
        let back = unsafe { next.as_ref() }.back.get();
        // SAFETY: A filed link's fields are guarded by the lock we hold.
        unsafe { *back = this.next.get() };
    }
    // SAFETY: The head is a slot or a filed link, guarded by the lock we hold.
    unsafe { *head = link.as_ptr() };
}

/// Takes a link out of its chain; returns whether it was in one.
///
/// # Safety
///
/// The lock of the link's home is held and the link is valid.
unsafe fn pull(link: NonNull<Link>) -> bool {
    // SAFETY: Valid by the caller's promise.
    let this = unsafe { link.as_ref() };
    // SAFETY: The lock is held.
    let back = unsafe { *this.back.get() };
    if back.is_null() {
        return false;
    }
    // SAFETY: The lock is held.
    let next = unsafe { *this.next.get() };
    // SAFETY: What points to a filed link is a head or a filed link's `next`.
    unsafe { *back = next };
    if let Some(next) = NonNull::new(next) {
        // SAFETY: A filed link is valid.
        let place = unsafe { next.as_ref() }.back.get();
        // SAFETY: A filed link's fields are guarded by the lock we hold.
        unsafe { *place = back };
    }
    // SAFETY: The lock is held.
    unsafe { *this.back.get() = ptr::null_mut() };
    true
}

/// Moves a chain to another head, which must be empty.
///
/// # Safety
///
/// The lock of both heads is held, and they stay where they are.
unsafe fn hand_over(from: &Cell<*mut Link>, to: &Cell<*mut Link>) {
    let first = from.replace(ptr::null_mut());
    to.set(first);
    if let Some(first) = NonNull::new(first) {
        // SAFETY: A filed link is valid.
        let back = unsafe { first.as_ref() }.back.get();
        // SAFETY: A filed link's fields are guarded by the lock we hold.
        unsafe { *back = to.as_ptr() };
    }
}
