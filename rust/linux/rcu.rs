// SPDX-License-Identifier: GPL-2.0
//! Readers, published pointers and deferred release.
//!
//! An [`Arc`] differs from the kernel crate's in one thing: when its last reference goes, the
//! value lives on until every reader that may have found it is done, and is then dropped in
//! process context, where it may sleep. That is what makes [`Slot::read`] sound without a count.
//! Those that wait are one list, with one work item and one grace period for all of it: a callback
//! for each would run in softirq, and what was taken from packets ends a hundred thousand at a time.
//! What waits is what was given up in two grace periods, and as long as the worker waits for a CPU.
//!
//! What C's own exits wait for by `rcu_barrier()` is not to be dropped later than that: an object
//! made by [`Arc::new_prompt`] is dropped in the RCU callback itself.
//!
//! C header: `include/linux/rcupdate.h`

use crate::bindings;
use crate::sync::{might_sleep, Acquire, AtomicPtr, AtomicU32, AtomicU64, Full, Relaxed};
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use kernel::alloc::AllocError;
use kernel::alloc::Flags;
use kernel::prelude::*;
use kernel::types::{NotThreadSafe, Opaque};

/// Proof that an RCU read section is open, to the end of `'g`.
///
/// Nothing that sleeps may be called while one is alive: see [`read`].
///
/// # Invariants
///
/// The CPU that holds it is inside an RCU read section that ends after `'g`.
#[derive(Clone, Copy)]
pub struct Reader<'g>(PhantomData<&'g ()>, NotThreadSafe);

impl Reader<'_> {
    /// Takes a section for granted that the caller's caller opened.
    ///
    /// # Safety
    ///
    /// An RCU read section is open and stays so for the lifetime of the result.
    #[inline]
    pub unsafe fn assume() -> Self {
        // INVARIANT: By the caller's promise.
        Self(PhantomData, NotThreadSafe)
    }
}

/// Ends the section even when the closure leaves early.
struct Section;

impl Drop for Section {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `read` opened the section right before making this value.
        unsafe { bindings::rvs_helper_rcu_read_unlock() };
    }
}

/// Opens an RCU read section around `f`.
///
/// # Locking
///
/// **Nothing in `f` may sleep**: no lock of the kind `Mutex`, no memory with `GFP_KERNEL`, none of
/// this crate's functions that say so. On a kernel without preemption a section that sleeps is over.
///
/// Types do not hold this. What runs inside a section looks like what runs outside, and proof of
/// process context would have to go through every function that allocates, those of the kernel
/// crate included, whose own read guard has the same rule. So it is held by checks: all that sleeps,
/// here and in C, calls `might_sleep()`, and a kernel with `CONFIG_DEBUG_ATOMIC_SLEEP`, like the one
/// that the KUnit suites and the storms run on, reports a call from inside a section and fails them.
#[inline]
pub fn read<R>(f: impl for<'g> FnOnce(Reader<'g>) -> R) -> R {
    // SAFETY: May be called anywhere; `Section` unlocks.
    unsafe { bindings::rvs_helper_rcu_read_lock() };
    let _section = Section;
    // SAFETY: The section is open until `_section` drops, after `f` returned; `f` cannot keep the
    // reader longer, as it must accept any lifetime.
    f(unsafe { Reader::assume() })
}

/// Waits until every reader that is inside a section now has left it.
///
/// # Locking
///
/// Process context; sleeps.
pub fn synchronize() {
    might_sleep();
    kernel::sync::rcu::synchronize_rcu();
}

/// What every counted object begins with, whatever its type.
#[repr(C)]
struct Header {
    /// Used once the count is zero: as the link of [`DROPS`], or by RCU for a prompt object.
    callback: Opaque<bindings::callback_head>,
    count: AtomicU32,
    /// Where the object is dropped.
    end: End,
    /// Drops the object that this header begins and gives its memory back.
    release: unsafe fn(NonNull<Header>),
}

/// Where an object is dropped after its grace period.
#[derive(Clone, Copy)]
enum End {
    /// In a work item of all such objects: process context.
    Work,
    /// In the RCU callback: softirq.
    Callback,
}

/// A value that may be dropped in softirq.
///
/// # Safety
///
/// The drop, that of each field included, is short, does not sleep, and takes no lock that is held
/// elsewhere with softirqs on.
pub unsafe trait Prompt {}

#[repr(C)]
#[pin_data]
struct Counted<T> {
    header: Header,
    #[pin]
    value: T,
}

/// A counted reference whose value outlives its last reference by a grace period.
///
/// The value is pinned. It is dropped in process context, so its `drop` may sleep, unless
/// [`Arc::new_prompt`] made it.
///
/// # Invariants
///
/// The pointer came from `KBox::into_raw` and one count of its header belongs to this value.
pub struct Arc<T: 'static>(NonNull<Counted<T>>, PhantomData<Counted<T>>);

// SAFETY: Sharing an `Arc` shares `&T` (`Sync`), and the last one's value is dropped on a worker
// (`Send`).
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: As above: `&Arc<T>` can be cloned into an `Arc<T>` on another CPU.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

/// Moving the reference leaves the value where it is.
impl<T> Unpin for Arc<T> {}

impl<T: Send + Sync> Arc<T> {
    /// Moves `value` into a new counted object.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(value: T, flags: Flags) -> Result<Self, AllocError> {
        let inner = Counted {
            header: Header::new::<T>(End::Work),
            value,
        };
        let inner = KBox::new(inner, flags)?;
        Ok(Self::from_pinned(KBox::into_pin(inner)))
    }

    /// Moves `value` into a new counted object that is dropped in the RCU callback: `rcu_barrier()`
    /// waits for the drop.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new_prompt(value: T, flags: Flags) -> Result<Self, AllocError>
    where
        T: Prompt,
    {
        let inner = Counted {
            header: Header::new::<T>(End::Callback),
            value,
        };
        let inner = KBox::new(inner, flags)?;
        Ok(Self::from_pinned(KBox::into_pin(inner)))
    }

    /// Builds a counted object in place.
    ///
    /// # Errors
    ///
    /// What the initialiser returns, or that there is no memory.
    pub fn pin_init<E>(init: impl PinInit<T, E>, flags: Flags) -> Result<Self, E>
    where
        E: From<AllocError>,
    {
        let inner = KBox::try_pin_init(
            try_pin_init!(Counted {
                header: Header::new::<T>(End::Work),
                value <- init,
            }? E),
            flags,
        )?;
        Ok(Self::from_pinned(inner))
    }

    fn from_pinned(inner: Pin<KBox<Counted<T>>>) -> Self {
        // SAFETY: The value never moves again: nothing but `release::<T>`, which drops it in
        // place, ever gets more than `&Counted<T>`.
        let inner = unsafe { Pin::into_inner_unchecked(inner) };
        // SAFETY: `into_raw` never returns null.
        let pointer = unsafe { NonNull::new_unchecked(KBox::into_raw(inner)) };
        // INVARIANT: A fresh header counts one, which is this value's.
        Self(pointer, PhantomData)
    }
}

impl<T> Arc<T> {
    #[inline]
    fn inner(&self) -> &Counted<T> {
        // SAFETY: The count that `self` owns keeps the object.
        unsafe { self.0.as_ref() }
    }

    /// Returns whether both point to the same object.
    #[inline]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Returns whether there were other references a moment ago.
    pub fn is_shared(&self) -> bool {
        self.inner().header.count.load(Relaxed) > 1
    }

    /// Lends the object to the end of the reader's section, without a count.
    #[inline]
    pub fn borrow<'g>(&self, _rcu: Reader<'g>) -> Borrow<'g, T> {
        // INVARIANT: The object is counted now, inside the section, so its release waits for the
        // section's end.
        Borrow(self.0, PhantomData)
    }

    /// Gives up the reference without dropping it.
    pub(crate) fn into_raw(self) -> NonNull<()> {
        let pointer = self.0.cast();
        core::mem::forget(self);
        pointer
    }

    /// Takes back a reference that [`Arc::into_raw`] gave up.
    ///
    /// # Safety
    ///
    /// `pointer` came from `into_raw` of the same `T`, and this is the only value made of it.
    pub(crate) unsafe fn from_raw(pointer: NonNull<()>) -> Self {
        // INVARIANT: The count that `into_raw` left behind is this value's.
        Self(pointer.cast(), PhantomData)
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Clone for Arc<T> {
    #[inline]
    fn clone(&self) -> Self {
        self.inner().header.retain();
        // INVARIANT: `retain` added the count that the copy owns.
        Self(self.0, PhantomData)
    }
}

impl<T> Drop for Arc<T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The count of `self` is given up here, once; by the type invariant the object
        // began as a `Counted<T>`.
        unsafe { Header::give_up(self.0.cast()) };
    }
}

/// A reference without a count, good to the end of a read section.
///
/// # Invariants
///
/// The object was counted at some moment inside the section `'g`.
pub struct Borrow<'g, T: 'static>(NonNull<Counted<T>>, PhantomData<&'g Counted<T>>);

impl<T> Clone for Borrow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Borrow<'_, T> {}

impl<'g, T> Borrow<'g, T> {
    /// Returns the value for the whole section.
    #[inline]
    pub fn get(self) -> &'g T {
        // SAFETY: By the invariant the count reached zero after the section began, if at all, and
        // the release waits for a grace period, that is for the end of `'g`.
        let inner: &'g Counted<T> = unsafe { self.0.as_ref() };
        &inner.value
    }

    /// Borrows an object by the pointer that [`Arc::into_raw`] gave.
    ///
    /// # Safety
    ///
    /// The object was counted at some moment inside the reader's section.
    #[inline]
    pub(crate) unsafe fn from_raw(pointer: NonNull<()>, _rcu: Reader<'g>) -> Self {
        // INVARIANT: By the caller's promise.
        Self(pointer.cast(), PhantomData)
    }

    /// Makes a counted reference; `None` when the last one has gone already.
    #[inline]
    pub fn upgrade(self) -> Option<Arc<T>> {
        // SAFETY: As in `get`.
        let inner = unsafe { self.0.as_ref() };
        // INVARIANT: The count that `try_retain` added is the new value's.
        inner.header.try_retain().then_some(())?;
        Some(Arc(self.0, PhantomData))
    }

    /// Returns whether both point to the same object.
    #[inline]
    pub fn ptr_eq(self, other: Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Deref for Borrow<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.get()
    }
}

/// A place where an object is published for readers.
///
/// # Invariants
///
/// The pointer is null or owns one count of its object.
pub struct Slot<T: 'static>(AtomicPtr<Counted<T>>, PhantomData<Arc<T>>);

// SAFETY: A slot is an `Option<Arc<T>>` that is read and replaced atomically.
unsafe impl<T: Send + Sync> Send for Slot<T> {}
// SAFETY: As above; every access through `&Slot` is atomic.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// Makes a slot with nothing in it.
    pub const fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    /// Makes a slot that publishes `value`.
    pub fn new(value: Arc<T>) -> Self {
        let slot = Self::empty();
        slot.replace(Some(value));
        slot
    }

    /// Returns what is published now.
    #[inline]
    pub fn read<'g>(&self, _rcu: Reader<'g>) -> Option<Borrow<'g, T>> {
        // Pairs with the exchange in `replace`: the object's fields are seen as published.
        let pointer = NonNull::new(self.0.load(Acquire))?;
        // INVARIANT: The slot owned a count when it was read, inside the section.
        Some(Borrow(pointer, PhantomData))
    }

    /// Publishes `new` (nothing for `None`) and returns what was there.
    pub fn replace(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
        let new = new.map_or(ptr::null_mut(), |arc| arc.into_raw().cast().as_ptr());
        let old = NonNull::new(self.0.xchg(new, Full))?;
        // SAFETY: The slot owned a count of it, which the exchange moved to us alone.
        Some(unsafe { Arc::from_raw(old.cast()) })
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.replace(None));
    }
}

impl Header {
    fn new<T>(end: End) -> Self {
        Self {
            callback: Opaque::uninit(),
            count: AtomicU32::new(1),
            end,
            release: release::<T>,
        }
    }

    /// Adds a count to an object that has one already.
    #[inline]
    fn retain(&self) {
        // Relaxed: the caller's own count keeps the object. A count that got stuck at the top
        // (see `SATURATED`) never moves again and leaks the object rather than freeing it early.
        if self.count.fetch_add(1, Relaxed) >= SATURATED {
            self.count.store(STUCK, Relaxed);
        }
    }

    /// Adds a count unless it has reached zero.
    fn try_retain(&self) -> bool {
        let mut count = self.count.load(Relaxed);
        loop {
            if count == 0 {
                return false;
            }
            if count >= SATURATED {
                return true;
            }
            match self.count.cmpxchg(count, count.wrapping_add(1), Full) {
                Ok(_) => return true,
                Err(found) => count = found,
            }
        }
    }

    /// Takes one count away and sends the object to its release when it was the last.
    ///
    /// # Safety
    ///
    /// The caller owns the count, does not use it again, and `this` came from `from_pinned`.
    unsafe fn give_up(this: NonNull<Self>) {
        // SAFETY: The caller's count keeps the object until the subtraction below.
        let header = unsafe { this.as_ref() };
        // Fully ordered: what others did with the object happened before its release.
        let before = header.count.fetch_sub(1, Full);
        if before >= SATURATED {
            header.count.store(STUCK, Relaxed);
        } else if before == 1 {
            PENDING.fetch_add(1, Relaxed);
            match header.end {
                // SAFETY: The count is zero, so nothing else puts the object there.
                End::Work => unsafe { hand_over(this) },
                // SAFETY: The count is zero, so nothing else hands the object to RCU; the callback
                // owns it alone after the grace period.
                End::Callback => unsafe {
                    bindings::call_rcu(header.callback.get(), Some(drop_at_once));
                },
            }
        }
    }
}

/// Counts from here on are treated as lost track of: half the range, as no more than 2^31
/// references fit into memory.
const SATURATED: u32 = 1 << 31;
/// Where a lost count is parked: as far from both ends as can be.
const STUCK: u32 = 3 << 30;

/// Objects whose count is zero and that readers may still have, linked through their callback heads.
static DROPS: AtomicPtr<bindings::callback_head> = AtomicPtr::new(ptr::null_mut());
/// Objects whose count is zero and that are not dropped yet.
static PENDING: AtomicU64 = AtomicU64::new(0);

/// Drops an object: the RCU callback of one that is prompt, in softirq.
///
/// # Safety
///
/// Called by RCU only, with the callback head of a [`Header`] whose count is zero.
unsafe extern "C" fn drop_at_once(head: *mut bindings::callback_head) {
    if let Some(this) = NonNull::new(head.cast::<Header>()) {
        // SAFETY: The count is zero and the grace period over, so nothing else can reach it; the
        // callback head is the header's first field.
        unsafe { end(this) };
    }
}

/// Puts an object on [`DROPS`], which the work item looks at if there was nothing.
///
/// # Safety
///
/// The object came from `from_pinned`, its count is zero, and the caller does not use it again.
unsafe fn hand_over(this: NonNull<Header>) {
    // The first field of a header.
    let head = this.as_ptr().cast::<bindings::callback_head>();
    let mut first = DROPS.load(Relaxed);
    loop {
        // SAFETY: Until it is on the list the object is the caller's but for readers, which leave the
        // head alone; RCU never has that of such an object.
        unsafe { (*head).next = first };
        // Pairs with the exchange in `rvs_rcu_drop`: the link is seen with the head.
        match DROPS.cmpxchg(first, head, Full) {
            Ok(_) => break,
            Err(found) => first = found,
        }
    }
    if first.is_null() {
        // SAFETY: The work item is static and statically initialised.
        unsafe { bindings::rvs_helper_queue_rcu_drop_work() };
    }
}

/// Drops all objects on [`DROPS`]: the work item, in process context.
///
/// # Safety
///
/// Called by the work queue only.
#[no_mangle]
unsafe extern "C" fn rvs_rcu_drop(_work: *mut bindings::work_struct) {
    let mut head = DROPS.xchg(ptr::null_mut(), Full);
    if head.is_null() {
        // Never so, as each run is queued for one list; there would be nothing to wait for.
        return;
    }
    // No object of the list can be found any more, so this outlasts every reader of one.
    synchronize();
    while let Some(this) = NonNull::new(head.cast::<Header>()) {
        // SAFETY: The exchange made the whole list ours; the object lives until `release`. The
        // callback head is the header's first field.
        head = unsafe { (*head).next };
        // SAFETY: A grace period has passed since the exchange, which made the object this
        // function's alone.
        unsafe { end(this) };
        // SAFETY: Process context.
        unsafe { bindings::rvs_helper_cond_resched() };
    }
}

/// Drops an object of any type.
///
/// # Safety
///
/// `this` begins an object made by `from_pinned` that nothing else can reach.
unsafe fn end(this: NonNull<Header>) {
    // SAFETY: By the caller's promise the object lives until `release`.
    let release = unsafe { this.as_ref() }.release;
    // SAFETY: `release` was made for this object's type; the rest is the caller's promise.
    unsafe { release(this) };
    PENDING.fetch_sub(1, Relaxed);
}

/// Drops an object in place and frees its memory.
///
/// # Safety
///
/// `header` begins a `Counted<T>` made by `from_pinned` that nothing else can reach.
unsafe fn release<T>(header: NonNull<Header>) {
    // SAFETY: The pointer came from `KBox::into_raw` and the caller gives it up.
    drop(unsafe { KBox::from_raw(header.cast::<Counted<T>>().as_ptr()) });
}

/// Waits until every object of [`Arc::new_prompt`] whose last reference has gone is dropped.
///
/// What a value of [`Arc::new`] holds is not waited for.
///
/// # Locking
///
/// Process context; sleeps.
pub fn prompt_barrier() {
    might_sleep();
    if PENDING.load(Acquire) != 0 {
        kernel::sync::rcu::rcu_barrier();
    }
}

/// Waits until every object whose last reference has gone is dropped.
///
/// What a dropped object itself held is waited for too. For the module's exit: no [`Arc`] may be
/// dropped meanwhile, nor a drop be under way in process context, or it would run in code that is
/// gone.
///
/// # Locking
///
/// Process context; sleeps.
pub fn barrier() {
    might_sleep();
    loop {
        let quiet = PENDING.load(Acquire) == 0;
        kernel::sync::rcu::rcu_barrier();
        // SAFETY: Process context; the work item is static.
        unsafe { bindings::rvs_helper_flush_rcu_drop_work() };
        // Once more after it was quiet: the last callback and the last run of the work must have
        // left this module's code, not only have done their work.
        if quiet {
            return;
        }
    }
}

/// A place where there always is an object for readers.
///
/// # Invariants
///
/// The slot is never empty.
pub struct Published<T: 'static>(Slot<T>);

impl<T> Published<T> {
    /// Makes a place that publishes `value`.
    pub fn new(value: Arc<T>) -> Self {
        // INVARIANT: It is filled here, and `replace` fills it again.
        Self(Slot::new(value))
    }

    /// Returns what is published now.
    #[inline]
    pub fn read<'g>(&self, _rcu: Reader<'g>) -> Borrow<'g, T> {
        // Pairs with the exchange in `replace`: the object's fields are seen as published.
        let pointer = self.0 .0.load(Acquire);
        // SAFETY: By the invariant the slot is not empty, so its pointer is not null.
        let pointer = unsafe { NonNull::new_unchecked(pointer) };
        // INVARIANT: The slot owned a count when it was read, inside the section.
        Borrow(pointer, PhantomData)
    }

    /// Publishes `new` and returns what was there.
    pub fn replace(&self, new: Arc<T>) -> Arc<T> {
        let old = self.0 .0.xchg(new.into_raw().cast().as_ptr(), Full);
        // SAFETY: By the invariant the slot was not empty, so its pointer is not null.
        let old = unsafe { NonNull::new_unchecked(old) };
        // SAFETY: The slot owned a count of it, which the exchange moved to us alone.
        unsafe { Arc::from_raw(old.cast()) }
    }
}
