// SPDX-License-Identifier: GPL-2.0
//! Replaces `rust/linux/sync.rs`: what loom watches.

use crate::bindings::set_jiffies;
use crate::clock::{Jiffies, Ticks};
use crate::error::{Error, Result};
pub use crate::work::Queue;
use crate::work::{Delayed, Task};
use core::ptr::NonNull;
pub use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::atomic::{fence, Ordering};

/// The kernel's fully ordered operations, which are stronger than sequentially consistent ones.
pub struct Full;

/// How a read-modify-write is ordered.
pub trait Order: Sized {
    fn around<T>(self, work: impl FnOnce(Ordering) -> T) -> T;
}

impl Order for Ordering {
    fn around<T>(self, work: impl FnOnce(Ordering) -> T) -> T {
        work(self)
    }
}

impl Order for Full {
    fn around<T>(self, work: impl FnOnce(Ordering) -> T) -> T {
        fence(Ordering::SeqCst);
        let result = work(Ordering::AcqRel);
        fence(Ordering::SeqCst);
        result
    }
}

/// Makes loom consider another order at an access, without ordering anything.
///
/// Loom 0.7.3 remembers only the last access to an atomic. A load and a store by one thread hide a
/// load by another before them, and the order in which that one comes later is never tried. An
/// atomic beside each that every access changes has no such pair.
#[derive(Debug)]
struct Turn(loom::sync::atomic::AtomicU32);

impl Turn {
    fn new() -> Self {
        Self(loom::sync::atomic::AtomicU32::new(0))
    }

    fn take(&self) {
        STEPS.with(|steps| steps.set(steps.get() + 1));
        self.0.fetch_add(1, Relaxed);
    }
}

std::thread_local! {
    /// Counts accesses to atomics. Loom runs all threads of a model on one.
    static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Returns how many accesses to atomics `work` makes.
pub fn steps(work: impl FnOnce()) -> u64 {
    let before = STEPS.with(|steps| steps.get());
    work();
    STEPS.with(|steps| steps.get()) - before
}

macro_rules! atomic {
    ($name:ident $(<$generic:ident>)?, $inner:ty, $value:ty) => {
        #[derive(Debug)]
        pub struct $name$(<$generic>)?($inner, Turn);

        impl$(<$generic>)? $name$(<$generic>)? {
            pub fn new(value: $value) -> Self {
                Self(<$inner>::new(value), Turn::new())
            }

            pub fn load(&self, order: Ordering) -> $value {
                self.1.take();
                self.0.load(order)
            }

            pub fn store(&self, value: $value, order: Ordering) {
                self.1.take();
                self.0.store(value, order)
            }

            pub fn cmpxchg(
                &self,
                old: $value,
                new: $value,
                order: impl Order,
            ) -> core::result::Result<$value, $value> {
                self.1.take();
                order.around(|order| {
                    self.0.compare_exchange(old, new, order, Ordering::Relaxed)
                })
            }

            pub fn xchg(&self, value: $value, order: impl Order) -> $value {
                self.1.take();
                order.around(|order| self.0.swap(value, order))
            }
        }
    };
}

atomic!(AtomicU32, loom::sync::atomic::AtomicU32, u32);
atomic!(AtomicU64, loom::sync::atomic::AtomicU64, u64);
atomic!(AtomicPtr<T>, loom::sync::atomic::AtomicPtr<T>, *mut T);

macro_rules! counter {
    ($name:ident, $value:ty) => {
        impl $name {
            pub fn fetch_add(&self, value: $value, order: impl Order) -> $value {
                self.1.take();
                order.around(|order| self.0.fetch_add(value, order))
            }

            pub fn fetch_sub(&self, value: $value, order: impl Order) -> $value {
                self.1.take();
                order.around(|order| self.0.fetch_sub(value, order))
            }
        }
    };
}

counter!(AtomicU32, u32);
counter!(AtomicU64, u64);

/// Two stripes, so that both same and different ones are met.
pub const FIRST_BITS: u32 = 1;
pub const MAX_BITS: u32 = 3;
pub const SEGMENTS: usize = (MAX_BITS - FIRST_BITS + 1) as usize;
pub const SLOTS: usize = 4;

pub type Vector<T> = Vec<T>;

pub fn vector<T: Clone>(len: usize, value: T) -> Result<Vector<T>> {
    Ok(vec![value; len])
}

/// A lock that loom watches.
pub struct Lock<T>(loom::sync::Mutex<T>);

impl<T> Lock<T> {
    pub fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

pub type Locked<T> = Box<Lock<T>>;

pub fn locked<T>(value: T) -> Result<Locked<T>> {
    Ok(Box::new(Lock(loom::sync::Mutex::new(value))))
}

pub type Locks<T> = Vector<Locked<T>>;

pub fn locks<T>(len: u32, make: impl Fn() -> Result<T>) -> Result<Locks<T>> {
    filled(len, || locked(make()?))
}

pub fn filled<T>(len: u32, make: impl Fn() -> Result<T>) -> Result<Vector<T>> {
    (0..len).map(|_| make()).collect()
}

pub type Pinned<T> = Box<Delayed<T>>;

pub fn pinned<T: Task>(task: T) -> Result<Pinned<T>> {
    Ok(Box::new(Delayed(task)))
}

pub fn pinned_on<T: Task>(_queue: &Queue, task: T) -> Result<Pinned<T>> {
    pinned(task)
}

/// How hard memory is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Must,
    May,
}

std::thread_local! {
    /// Set while there is no memory for what may be missing.
    static SHORT: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Leaves no memory, or some again, for what may be missing.
pub fn set_short(short: bool) {
    SHORT.with(|place| place.set(short));
}

pub fn array<T>(len: usize, need: Need, make: impl Fn(usize) -> T) -> Result<NonNull<T>> {
    if need == Need::May && SHORT.with(|short| short.get()) {
        return Err(Error);
    }
    let array: Box<[T]> = (0..len).map(make).collect();
    Ok(NonNull::from(Box::leak(array)).cast())
}

pub unsafe fn free_array<T>(array: NonNull<T>, len: usize) {
    let slice = NonNull::slice_from_raw_parts(array, len);
    drop(unsafe { Box::from_raw(slice.as_ptr()) });
}

pub fn might_sleep() {}

pub fn pause() {}

std::thread_local! {
    /// How many pinned entries were reported last.
    static REPORTED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

pub fn report_pinned(count: u64) {
    REPORTED.with(|reported| reported.set(count));
}

/// Returns how many pinned entries were reported since the last call.
pub fn take_reported() -> u64 {
    REPORTED.with(|reported| reported.take())
}

/// Takes very long: five seconds.
pub fn rest() {
    let later = Jiffies::now().plus(Ticks::from_seconds(5));
    set_jiffies(later.0 as usize);
    loom::thread::yield_now();
}

pub fn this_cpu() -> u32 {
    0
}
