// SPDX-License-Identifier: GPL-2.0
//! Entries that packets find without a lock, a count or a timer.
//!
//! **Life** of an entry: live, dead, freed. One 64-bit word holds a dead bit, a count of pins, and 40
//! bits for the user. The bits are changed by a compare-exchange, which fails on a dead entry; so the
//! caller whose exchange succeeds knows that the entry was live, and side effects happen once. A pin
//! is added first, and taken back where the entry was dead.
//!
//! **Ownership.** The table owns a live entry. A [`Pin`] keeps an entry from dying; it can only be
//! taken while the entry lives. Readers hold no count: what they found stays valid for their RCU
//! section, dead or not, and so do its server and its parent.
//!
//! **Death.** The caller that sets the dead bit, which is impossible while there are pins, takes the
//! entry out of the list and off the wheel, calls the user, lets go of its server and its
//! parent, and has the pool free the memory after the readers. No code of the user runs then.
//!
//! **Birth.** An entry is born with one pin, which goes when it is filed and linked, so it cannot be
//! killed half made where it is found early.

use crate::clock::{Jiffies, Ticks};
pub use crate::life::{Kill, Unpinned, Word};
use crate::life::{BITS, DEAD, MOST_PINS, PIN, PINS};
use crate::list::{self, List, Node};
use crate::pool::{self, Pool};
use crate::rcu::{self, Arc, Borrow, Reader};
use crate::shadow::{self, Shadow};
use crate::sync::{self, Acquire, AtomicPtr, AtomicU32, AtomicU64, Full, Pinned, Relaxed};
use crate::walk;
pub use crate::walk::{Candidates, Cursor};
use crate::wheel::{self, Link};
use crate::work::Task;
use core::mem::{align_of, needs_drop, offset_of, size_of};
use core::ops::{ControlFlow, Deref};
use core::ptr::{self, NonNull};
use kernel::error::Result;

#[cfg(any(test, CONFIG_KUNIT = "y"))]
#[path = "table/full.rs"]
mod full;

/// What a table's user keeps in an entry, and does with it.
///
/// The methods are called with softirqs off and must not sleep.
pub trait Record: Sized + Send + Sync + 'static {
    /// What an entry may be bound to.
    type Server: Send + Sync + 'static;
    /// What the user keeps with the table, for [`Record::on_end`].
    type Scope: Send + Sync + 'static;

    /// Returns when the entry is due.
    fn deadline(&self) -> Jiffies;

    /// Returns whether packets that match another entry by its second hash match this one as well.
    ///
    /// The newest of such entries is found by it and no other. Asked of entries that have a second
    /// hash; must depend on nothing that changes.
    fn same_second(&self, other: &Self) -> bool;

    /// Notes that the entry was due while it was pinned; it is looked at again by its deadline.
    fn on_pinned(&self);

    /// Does what the beginning of an entry brings, once; [`Record::on_end`] takes it back.
    ///
    /// It is sure to be made, and nothing finds it yet: it may end as soon as something does.
    fn begin(new: &New<Self>, rcu: Reader<'_>);

    /// Does what the end of an entry brings, once.
    ///
    /// The entry is dead, can be found no longer, and still has its server.
    fn on_end(entry: &Entry<Self>, server: Option<&Self::Server>, scope: &Self::Scope);
}

/// An entry of a [`Table`].
///
/// # Invariants
///
/// - It was allocated by a pool for the table that `link` leads to, and is freed a grace period
///   after its dead bit was set.
/// - Every `&Entry` is held inside an RCU section that began before the entry died, or under a
///   pin.
/// - That table's inner part outlives every `&Entry`: it waits for all that are not disposed of, which covers pins and
///   the burial itself, and all others are lent out for as long as the table is borrowed.
/// - `server` is null, [`CLOSED`], or owns one count of an `Arc<R::Server>` until the burial.
/// - `parent` is null or owns one pin of an entry of the same table until the burial, and never
///   changes.
#[repr(C, align(64))]
pub struct Entry<R: Record> {
    first: Node,
    second: Node,
    life: AtomicU64,
    server: AtomicPtr<()>,
    record: R,
    serial: AtomicU64,
    /// Leads to the table's inner part.
    link: Link,
    parent: *mut Entry<R>,
    shadow: Shadow<R>,
}

// SAFETY: All that changes in an entry is atomic or guarded by a lock; the record, the server and
// the scope behind `core` are `Send` and `Sync`.
unsafe impl<R: Record> Send for Entry<R> {}
// SAFETY: What changes in an entry is atomic or guarded by a lock, as for `Send`.
unsafe impl<R: Record> Sync for Entry<R> {}

/// Kept in `server` when the entry died without one, so that none comes late.
const CLOSED: *mut () = ptr::without_provenance_mut(1);

impl<R: Record> Deref for Entry<R> {
    type Target = R;

    #[inline]
    fn deref(&self) -> &R {
        &self.record
    }
}

impl<R: Record> Entry<R> {
    /// Returns the second node of an entry.
    ///
    /// # Safety
    ///
    /// It leads to an entry that is not freed yet.
    #[inline]
    pub(crate) unsafe fn second(entry: NonNull<Self>) -> NonNull<Node> {
        // SAFETY: The offset is inside the entry, which is valid by the caller's promise.
        unsafe { entry.byte_add(offset_of!(Self, second)) }.cast()
    }

    /// Returns the entry around its second node; `None` for another node.
    ///
    /// # Safety
    ///
    /// The node is valid, and from the list of a table of `R`.
    #[inline]
    pub(crate) unsafe fn of_second(node: NonNull<Node>) -> Option<NonNull<Self>> {
        // SAFETY: By the caller's promise.
        let is_second = unsafe { node.as_ref() }.tag() == list::SECOND;
        // SAFETY: The tag says that the node is this far inside an entry.
        is_second.then(|| unsafe { node.byte_sub(offset_of!(Self, second)) }.cast())
    }

    /// Returns its place among the entries of its second key.
    #[inline]
    pub(crate) fn shadow(&self) -> &Shadow<R> {
        &self.shadow
    }

    /// The wheel's view of an entry of this type.
    const OPS: &'static wheel::Ops = &wheel::Ops {
        deadline: deadline::<R>,
        is_dead: is_dead::<R>,
        expire: expire::<R>,
    };

    /// Returns the life word as it is now.
    #[inline]
    pub fn word(&self) -> Word {
        Word(self.life.load(Acquire))
    }

    /// Changes the user's bits if nothing about the entry changed since `old` was read.
    ///
    /// # Errors
    ///
    /// The word as it is now; nothing was changed then. On a dead entry it always fails.
    #[inline]
    pub fn exchange(&self, old: Word, bits: u64) -> Result<Word, Word> {
        if old.is_dead() {
            return Err(old);
        }
        let new = (old.0 & !BITS) | (bits & BITS);
        let swapped = self.life.cmpxchg(old.0, new, Full);
        swapped.map(|_| Word(new)).map_err(Word)
    }

    /// Changes the user's bits as `change` says, which may be asked several times.
    ///
    /// Returns what they were and what they are; `None` when the entry is dead or `change` wants
    /// nothing.
    #[inline]
    pub fn update(&self, change: impl Fn(u64) -> Option<u64>) -> Option<(u64, u64)> {
        let mut word = self.word();
        loop {
            let bits = (!word.is_dead()).then(|| change(word.bits()))??;
            match self.exchange(word, bits) {
                Ok(new) => return Some((word.bits(), new.bits())),
                Err(found) => word = found,
            }
        }
    }

    /// Returns the number of this entry, which is never given again in its table.
    #[inline]
    pub fn serial(&self) -> u64 {
        self.serial.load(Relaxed)
    }

    /// Returns the place after which a listing goes on.
    #[inline]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            order: self.first.order(),
            serial: self.serial(),
        }
    }

    /// Returns the server that the entry is bound to, or was when it died.
    #[inline]
    pub fn server<'g>(&self, rcu: Reader<'g>) -> Option<Borrow<'g, R::Server>> {
        // Pairs with the exchange in `bind`.
        let server = NonNull::new(self.server.load(Acquire))?;
        if server.as_ptr() == CLOSED {
            return None;
        }
        // SAFETY: By the invariants the entry was live, or pinned, inside the present section, and
        // its death is what lets go of the server.
        Some(unsafe { Borrow::from_raw(server, rcu) })
    }

    /// Binds an entry without a server.
    ///
    /// # Errors
    ///
    /// Gives the server back when the entry has one already or is dead.
    pub fn bind(&self, server: Arc<R::Server>) -> Result<(), Arc<R::Server>> {
        let raw = server.into_raw();
        // INVARIANT: The count goes with the pointer.
        let bound = self.server.cmpxchg(ptr::null_mut(), raw.as_ptr(), Full);
        // SAFETY: It was not stored, so the count is still ours.
        bound.map(drop).map_err(|_| unsafe { Arc::from_raw(raw) })
    }

    /// Returns the entry that this one keeps alive, or did until it died.
    #[inline]
    pub fn parent<'g>(&'g self, _rcu: Reader<'g>) -> Option<&'g Entry<R>> {
        // SAFETY: As for the server: the parent cannot have died before this entry, which lived
        // inside the present section.
        NonNull::new(self.parent).map(|parent| unsafe { parent.as_ref() })
    }

    /// Keeps the entry from dying.
    ///
    /// Adds and looks afterwards: many that pin one entry at once do not wait for each other.
    ///
    /// # Errors
    ///
    /// Why it cannot be pinned.
    pub fn pin(&self) -> Result<Pin<R>, Unpinned> {
        let before = Word(self.life.fetch_add(PIN, Full));
        let refused = if before.is_dead() {
            Unpinned::Dead
        } else if before.0 & PINS >= MOST_PINS {
            Unpinned::Full
        } else {
            // INVARIANT: The pin was just added to a live entry.
            return Ok(Pin(NonNull::from(self)));
        };
        self.life.fetch_sub(PIN, Full);
        Err(refused)
    }

    /// Looks after the entry earlier if its deadline has come closer.
    #[inline(never)]
    pub fn rearm(&self, now: Jiffies) {
        // SAFETY: The entry is valid by its invariants.
        unsafe { self.core().pool.wheel().rearm(self.link(), now) };
    }

    /// Kills the entry unless it is pinned.
    #[inline]
    pub fn kill(&self) -> Kill {
        let mut word = self.word();
        loop {
            if word.is_dead() {
                return Kill::Dead;
            }
            if word.is_pinned() {
                return Kill::Pinned;
            }
            match self.life.cmpxchg(word.0, word.0 | DEAD, Full) {
                Ok(_) => break,
                Err(found) => word = Word(found),
            }
        }
        // SAFETY: The dead bit was set here.
        unsafe { self.end() };
        Kill::Done
    }

    /// Returns the pointer to the table's inner part.
    #[inline]
    fn owner(&self) -> NonNull<Core<R>> {
        self.link.owner().cast()
    }

    /// Returns the table's inner part.
    #[inline]
    fn core(&self) -> &Core<R> {
        // SAFETY: By the invariants it outlives every `&Entry`.
        unsafe { self.owner().as_ref() }
    }

    /// Returns the pointer that the wheel knows the entry by.
    fn link(&self) -> NonNull<Link> {
        // SAFETY: The offset is inside the entry.
        unsafe { NonNull::from(self).byte_add(offset_of!(Self, link)) }.cast()
    }

    /// Does all that a death brings.
    ///
    /// # Safety
    ///
    /// The caller set the dead bit; it calls this once.
    unsafe fn end(&self) {
        let core = self.core();
        // SAFETY: The entry was linked before its birth pin went, and dies once; it was not killed
        // under a pin, so by the invariants of `Entry` the caller is inside a section.
        unsafe { core.unlink(self) };
        // SAFETY: It is dead, and valid as the caller is inside a section.
        unsafe { core.pool.wheel().remove(self.link()) };
        // SAFETY: It is dead and can be found no longer.
        unsafe { self.dispose() };
    }

    /// Does what a death brings to an entry that can be found no longer.
    ///
    /// # Safety
    ///
    /// The entry is dead, in no list and off the wheel for good; the caller is inside an RCU section
    /// and calls this once.
    pub(crate) unsafe fn dispose(&self) {
        let core = self.core();
        let server = self.close();
        R::on_end(self, server.as_deref(), &core.scope);
        drop(server);
        if let Some(parent) = NonNull::new(self.parent) {
            // SAFETY: By the invariants the entry owns one pin of it until now.
            drop(unsafe { Pin::from_raw(parent) });
        }
        // SAFETY: By the caller's promise no reader can find it any more.
        unsafe { core.pool.free(NonNull::from(self).cast(), self.link()) };
        // The last use of the table: it may go as soon as nothing counts. Pairs with `flush`.
        core.count.fetch_sub(1, Full);
    }

    /// Ends the time in which the entry can be bound, and takes its count of the server.
    fn close(&self) -> Option<Arc<R::Server>> {
        let found = self.server.cmpxchg(ptr::null_mut(), CLOSED, Full).err()?;
        let server = NonNull::new(found)?;
        // SAFETY: The dead entry's count passes to the caller that ended it; readers may still look at
        // the server, which lives for a grace period.
        Some(unsafe { Arc::from_raw(server) })
    }
}

/// A promise that an entry does not die.
///
/// **A pin is never owned by what an [`Arc`] drops.** [`Table::close`] waits for all pins, and may be
/// called where such values are dropped, or by what waits for that: the work that drops values, and
/// the end of a namespace. So a pin is held for a while by a function, or by a child for its life.
///
/// # Invariants
///
/// One pin of the entry belongs to this value.
pub struct Pin<R: Record>(NonNull<Entry<R>>);

// SAFETY: A pin is a counted `&Entry`, which is `Sync`.
unsafe impl<R: Record> Send for Pin<R> {}
// SAFETY: A shared pin gives out `&Entry` only, which is `Sync`.
unsafe impl<R: Record> Sync for Pin<R> {}

impl<R: Record> Pin<R> {
    /// Gives up the value but not the pin.
    fn into_raw(self) -> NonNull<Entry<R>> {
        let entry = self.0;
        core::mem::forget(self);
        entry
    }

    /// Takes a pin back.
    ///
    /// # Safety
    ///
    /// It came from [`Pin::into_raw`] and this is the only value made of it.
    unsafe fn from_raw(entry: NonNull<Entry<R>>) -> Self {
        Self(entry)
    }
}

impl<R: Record> Deref for Pin<R> {
    type Target = Entry<R>;

    #[inline]
    fn deref(&self) -> &Entry<R> {
        // SAFETY: A pinned entry does not die, so it is not freed.
        unsafe { self.0.as_ref() }
    }
}

impl<R: Record> Drop for Pin<R> {
    fn drop(&mut self) {
        // Fully ordered: what was done under the pin comes before the death it allows.
        self.life.fetch_sub(PIN, Full);
    }
}

/// What a new entry begins with.
pub struct New<R: Record> {
    /// What the user keeps in it.
    pub record: R,
    /// The user's bits of the life word.
    pub bits: u64,
    /// The hash that it is found by, and listed in the order of.
    pub hash: u32,
    /// Another hash that it is found by.
    pub second_hash: Option<u32>,
    /// What it is bound to.
    pub server: Option<Arc<R::Server>>,
    /// An entry of the same table that must not die before this one.
    pub parent: Option<Pin<R>>,
}

/// Why an entry was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// There are as many as the caller allows.
    Full,
    /// There is no memory.
    Memory,
    /// The table is being emptied for good.
    Closed,
    /// The parent is another table's.
    Foreign,
}

/// The inner part of a table, which entries point to.
///
/// The first field is what links lead to.
#[repr(C)]
pub(crate) struct Core<R: Record> {
    ops: &'static wheel::Ops,
    list: List,
    scope: R::Scope,
    pool: Arc<Pool>,
    /// Entries that are not disposed of, and those being made.
    count: AtomicU64,
    /// The number that the next entry gets.
    serial: AtomicU64,
    /// 1 once no entry is made any more.
    closed: AtomicU32,
    /// 1 while the list is wanted larger.
    growing: AtomicU32,
    /// Mixed into the stripes, so that small tables do not all use the same locks.
    salt: usize,
}

impl<R: Record> Core<R> {
    /// Runs `work` while the stripe lock of `order` is held.
    #[inline]
    fn locked<T>(&self, order: u32, work: impl FnOnce() -> T) -> T {
        self.pool.locked(list::stripe(order) ^ self.salt, work)
    }

    /// Files a new entry and links it, then lets it be killed.
    ///
    /// # Safety
    ///
    /// `entry` is new, pinned by its birth, complete but for its serial, and not shared yet. The
    /// caller is inside an RCU section.
    unsafe fn publish(&self, entry: NonNull<Entry<R>>, now: Jiffies) {
        // SAFETY: The offset is inside the entry.
        let link: NonNull<Link> = unsafe { entry.byte_add(offset_of!(Entry<R>, link)) }.cast();
        // SAFETY: It is valid: its birth pin keeps it to the end.
        let new = unsafe { entry.as_ref() };
        let (order, due) = (new.first.order(), new.record.deadline());
        // SAFETY: It is not shared yet, and its death takes it off the wheel. Should it be due before
        // it is linked, the pin keeps it from dying.
        if unsafe { self.pool.wheel().add(link, due, now) } {
            self.pool.wake();
        }
        self.locked(order, || {
            // Under the lock, so that among equal hashes the newer one is in front.
            let serial = self.serial.fetch_add(1, Relaxed);
            // Seen where the entry is found in the list.
            new.serial.store(serial, Relaxed);
            // SAFETY: The lock is held, the entry is new and pinned; it is freed after a grace
            // period. The first node is at its beginning.
            unsafe { self.list.insert(entry.cast()) };
        });
        if new.second.tag() == list::SECOND {
            // SAFETY: As above, with the second node's own lock.
            self.locked(new.second.order(), || unsafe {
                shadow::insert(&self.list, entry);
            });
        }
        // SAFETY: The birth pin belongs to this function.
        drop(unsafe { Pin::from_raw(entry) });
    }

    /// Takes an entry out of the list.
    ///
    /// # Safety
    ///
    /// It is in the list, with all its nodes, and was killed by the caller, inside an RCU
    /// section.
    unsafe fn unlink(&self, entry: &Entry<R>) {
        // SAFETY: The lock of its order is held, and it is in the list.
        self.locked(entry.first.order(), || unsafe {
            self.list.remove(NonNull::from(entry).cast());
        });
        if entry.second.tag() == list::SECOND {
            // SAFETY: As for the first.
            self.locked(entry.second.order(), || unsafe {
                shadow::remove(&self.list, entry);
            });
        }
    }

    /// Makes an entry that nothing leads to yet, with a life word besides the user's bits.
    #[inline(always)]
    pub(crate) fn make(
        &self,
        limit: u64,
        life: u64,
        rcu: Reader<'_>,
        make: impl FnOnce() -> New<R>,
    ) -> Result<NonNull<Entry<R>>, Refused> {
        self.reserve(limit)?;
        let Some(memory) = self.pool.alloc() else {
            self.count.fetch_sub(1, Full);
            return Err(Refused::Memory);
        };
        let entry = memory.cast::<Entry<R>>();
        let (new, this) = (make(), NonNull::from(self));
        let parent = new.parent.as_ref();
        if parent.is_some_and(|parent| parent.owner() != this) {
            // SAFETY: The memory is ours, and as large as an entry.
            unsafe { self.give_back(entry) };
            return Err(Refused::Foreign);
        }
        R::begin(&new, rcu);
        // SAFETY: The pool's memory fits an entry, says `FITS`, and is ours.
        unsafe { entry.write(Entry::new(new, life, this)) };
        Ok(entry)
    }

    /// Counts an entry that is about to be made.
    fn reserve(&self, limit: u64) -> Result<(), Refused> {
        // Fully ordered with `close`: either it sees this count or this sees it closed.
        let before = self.count.fetch_add(1, Full);
        let refused = if self.is_closed() {
            Refused::Closed
        } else if before >= limit {
            Refused::Full
        } else {
            return Ok(());
        };
        self.count.fetch_sub(1, Full);
        Err(refused)
    }

    /// Gives back the memory of an entry that was not made.
    ///
    /// # Safety
    ///
    /// The memory came from the pool and is not used.
    #[cold]
    unsafe fn give_back(&self, entry: NonNull<Entry<R>>) {
        // SAFETY: The offset is inside the entry.
        let link = unsafe { entry.byte_add(offset_of!(Entry<R>, link)) }.cast();
        // SAFETY: By the caller's promise; no reader knows it.
        unsafe { self.pool.free(entry.cast(), link) };
        self.count.fetch_sub(1, Full);
    }

    /// Returns whether no entry is made any more.
    fn is_closed(&self) -> bool {
        self.closed.load(Relaxed) != 0
    }

    /// Returns whether the list is too small, unless that is known already.
    #[inline]
    fn is_tight(&self) -> bool {
        self.list.is_small_for(self.count.load(Relaxed))
            && self.growing.load(Relaxed) == 0
            && self.growing.cmpxchg(0, 1, Full).is_ok()
    }
}

impl<R: Record> Task for Core<R> {
    /// Makes the list as large as it should be, or half as large when that is much too large; tries
    /// again later if there is no memory, and looks again while it may shrink.
    fn run(&self) -> Option<Ticks> {
        while self.list.is_small_for(self.count.load(Relaxed)) {
            if self.list.grow().is_err() {
                return Some(RETRY);
            }
            self.list
                .link_markers(|order, work| self.locked(order, work), || !self.is_closed());
            sync::pause();
        }
        self.growing.store(0, sync::Release);
        if self.list.is_large_for(self.count.load(Relaxed)) {
            self.list.shrink(|order, work| self.locked(order, work));
        }
        self.list.has_grown().then_some(LOOK)
    }
}

/// How long a list that is too small waits for memory.
const RETRY: Ticks = Ticks::from_seconds(1);
/// How often a list that has grown is looked at: as often as C looks at its table.
const LOOK: Ticks = Ticks::from_seconds(2);

/// A hash table of entries, one for each user of the pool.
///
/// Memory for the buckets, 16 bytes for each, follows the number of entries.
pub struct Table<R: Record>(Pinned<Core<R>>);

impl<R: Record> Table<R> {
    /// An entry fits the pool's memory and runs no code when it is freed.
    const FITS: () = assert!(
        size_of::<Entry<R>>() <= pool::ENTRY_SIZE
            && align_of::<Entry<R>>() == 64
            && !needs_drop::<R>()
    );

    /// Makes an empty table.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, or `ENODEV` unless [`pool::start`] was called.
    pub fn new(scope: R::Scope, salt: u32) -> Result<Self> {
        let () = Self::FITS;
        let core = Core {
            ops: Entry::<R>::OPS,
            list: List::new()?,
            scope,
            pool: Pool::get()?,
            count: AtomicU64::new(0),
            serial: AtomicU64::new(1),
            closed: AtomicU32::new(0),
            growing: AtomicU32::new(0),
            // CAST: `usize` has 32 bits or more.
            salt: salt as usize,
        };
        Ok(Self(sync::pinned(core)?))
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core<R> {
        &self.0
    }

    /// Returns what the user keeps with the table.
    pub fn scope(&self) -> &R::Scope {
        &self.core().scope
    }

    /// Returns the number of entries, those on their way in and out included.
    pub fn count(&self) -> u64 {
        self.core().count.load(Acquire)
    }

    /// Returns the number of buckets at present.
    pub fn buckets(&self) -> u64 {
        self.core().list.buckets()
    }

    /// Makes an entry while there are fewer than `limit`: what `make` returns, which is asked once
    /// there is room for it.
    ///
    /// # Errors
    ///
    /// Why there is none. `make` was not asked, but for [`Refused::Foreign`]: then what it returned
    /// is dropped.
    #[inline]
    pub fn insert<'g>(
        &'g self,
        limit: u64,
        now: Jiffies,
        rcu: Reader<'g>,
        make: impl FnOnce() -> New<R>,
    ) -> Result<&'g Entry<R>, Refused> {
        let core = self.core();
        let entry = core.make(limit, PIN, rcu, make)?;
        // SAFETY: It is complete and not shared yet, and the reader proves a section.
        unsafe { core.publish(entry, now) };
        if core.is_tight() {
            // It may be waiting to look for the next time.
            self.0.schedule(Ticks(0));
        }
        // SAFETY: It was live inside the section `'g`, and is freed a grace period after its death.
        Ok(unsafe { entry.as_ref() })
    }

    /// Returns the live entries that a hash leads to, the newest first among those made alike.
    #[inline]
    pub fn candidates<'g>(&'g self, hash: u32, _rcu: Reader<'g>) -> Candidates<'g, R> {
        let order = list::order_of(hash);
        // SAFETY: The reader proves a section.
        let node = unsafe { self.core().list.first_at(order) };
        // SAFETY: The node came from this table's list inside the section.
        unsafe { Candidates::new(node, order) }
    }

    /// Shows the live entries behind a place to `visit`, each once, until it breaks off.
    ///
    /// Those that live throughout are never missed, whatever else comes and goes. Each entry is shown
    /// inside an RCU section, which ends after a bounded number of them, or of what lies between
    /// them. Returns the place before the entry at which `visit` broke off; `None` when there are no
    /// more.
    ///
    /// # Locking
    ///
    /// Process context; sleeps between the sections.
    pub fn visit(
        &self,
        from: Cursor,
        mut visit: impl for<'g> FnMut(&'g Entry<R>, Reader<'g>) -> ControlFlow<()>,
    ) -> Option<Cursor> {
        sync::might_sleep();
        let mut place = from;
        loop {
            let list = &self.core().list;
            // SAFETY: The list is this table's.
            match rcu::read(|rcu| unsafe { walk::section(list, place, rcu, &mut visit) }) {
                ControlFlow::Break(end) => return end,
                ControlFlow::Continue(next) => place = next,
            }
            sync::pause();
        }
    }

    /// Shows every live entry to `visit`, as [`Table::visit`] does.
    ///
    /// # Locking
    ///
    /// Process context; sleeps between the sections.
    pub fn for_each(&self, mut visit: impl for<'g> FnMut(&'g Entry<R>, Reader<'g>)) {
        self.visit(Cursor::START, |entry, rcu| {
            visit(entry, rcu);
            ControlFlow::Continue(())
        });
    }

    /// Kills all entries and lets no new ones come; returns when the last one is disposed of.
    ///
    /// Waits for pins: children give theirs back when they die. Reports once how many entries are
    /// pinned if that takes longer than it should.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub fn close(&self) {
        let core = self.core();
        // Fully ordered with `reserve`.
        core.closed.xchg(1, Full);
        let begin = Jiffies::now();
        let mut is_reported = false;
        loop {
            let mut pinned = 0u64;
            self.for_each(|entry, _rcu| {
                pinned = pinned.wrapping_add(u64::from(entry.kill() == Kill::Pinned));
            });
            // Pairs with the subtraction at the end of a burial.
            if core.count.load(Acquire) == 0 {
                return;
            }
            if !is_reported && Jiffies::now().since(begin) >= PATIENCE {
                sync::report_pinned(pinned);
                is_reported = true;
            }
            sync::rest();
        }
    }
}

/// How long [`Table::close`] waits before it reports what it waits for.
const PATIENCE: Ticks = Ticks::from_seconds(10);

impl<R: Record> Drop for Table<R> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<R: Record> Entry<R> {
    /// Makes an entry with a life word besides the user's bits: pinned by its birth, or dead.
    #[inline(always)]
    fn new(new: New<R>, life: u64, core: NonNull<Core<R>>) -> Self {
        let tag = if new.second_hash.is_some() {
            list::SECOND
        } else {
            0
        };
        let second = list::order_of(new.second_hash.unwrap_or(0));
        let server = new
            .server
            .map_or(ptr::null_mut(), |server| server.into_raw().as_ptr());
        let parent = new
            .parent
            .map_or(ptr::null_mut(), |pin| pin.into_raw().as_ptr());
        Self {
            first: Node::new(list::order_of(new.hash), list::FIRST),
            second: Node::new(second, tag),
            life: AtomicU64::new((new.bits & BITS) | life),
            server: AtomicPtr::new(server),
            record: new.record,
            serial: AtomicU64::new(0),
            // The operations are what the inner part begins with.
            link: Link::new(core.cast(), sync::this_cpu()),
            parent,
            shadow: Shadow::new(),
        }
    }
}

/// Returns the entry around a link.
///
/// # Safety
///
/// The link belongs to an entry of `R` that is valid for all of `'a`.
unsafe fn around<'a, R: Record>(link: NonNull<Link>) -> &'a Entry<R> {
    // SAFETY: By the caller's promise the link is inside an entry.
    let entry = unsafe { link.byte_sub(offset_of!(Entry<R>, link)) };
    // SAFETY: The entry is valid for all of `'a` by the caller's promise.
    unsafe { entry.cast::<Entry<R>>().as_ref() }
}

/// Answers the wheel when an entry is due.
///
/// # Safety
///
/// As for [`around`], for the call.
unsafe fn deadline<R: Record>(link: NonNull<Link>) -> Jiffies {
    // SAFETY: By the caller's promise.
    unsafe { around::<R>(link) }.record.deadline()
}

/// Answers the wheel whether an entry is dead.
///
/// # Safety
///
/// As for [`around`], for the call.
unsafe fn is_dead<R: Record>(link: NonNull<Link>) -> bool {
    // SAFETY: By the caller's promise.
    unsafe { around::<R>(link) }.word().is_dead()
}

/// Kills an entry that is due; returns whether it lives on, as it is pinned.
///
/// # Safety
///
/// As for [`around`], for the RCU section that the caller is in.
unsafe fn expire<R: Record>(link: NonNull<Link>) -> bool {
    // SAFETY: By the caller's promise.
    let entry = unsafe { around::<R>(link) };
    let pinned = entry.kill() == Kill::Pinned;
    if pinned {
        entry.record.on_pinned();
    }
    pinned
}
