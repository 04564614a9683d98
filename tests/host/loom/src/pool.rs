// SPDX-License-Identifier: GPL-2.0
//! Replaces `rust/linux/pool.rs`: memory from the heap, freed at the end of a run.

use crate::bindings::set_jiffies;
use crate::clock::Jiffies;
use crate::error::{Error, Result};
use crate::rcu::{self, Arc};
use crate::sync::{self, Locks, FIRST_BITS};
use crate::wheel::{Link, Wheel};
use crate::work::Queue;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use std::alloc::Layout;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Loom's atomics are larger than real ones.
pub const ENTRY_SIZE: usize = 4096;

const LAYOUT: Layout = match Layout::from_size_align(ENTRY_SIZE, 64) {
    Ok(layout) => layout,
    Err(_) => panic!(),
};

pub struct Pool {
    wheel: Wheel,
    stripes: Locks<()>,
    wakes: AtomicU32,
}

std::thread_local! {
    /// Not dropped with the thread: a failed model leaves what loom no longer knows.
    static POOL: RefCell<ManuallyDrop<Option<Arc<Pool>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Runs a model with a pool of its own.
pub fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    if builder.preemption_bound.is_none() {
        builder.preemption_bound = Some(2);
    }
    builder.check(move || {
        set_jiffies(0);
        let pool = Pool {
            wheel: Wheel::new(&Queue, 1, Jiffies(0)).unwrap(),
            stripes: sync::locks(1 << FIRST_BITS, || Ok(())).unwrap(),
            wakes: AtomicU32::new(0),
        };
        POOL.with(|place| place.replace(ManuallyDrop::new(Some(Arc::new(pool)))));
        test();
        POOL.with(|place| drop(place.borrow_mut().take()));
        rcu::grace_period();
    });
}

impl Pool {
    pub fn get() -> Result<Arc<Self>> {
        POOL.with(|place| place.borrow().as_ref().cloned())
            .ok_or(Error)
    }

    pub fn alloc(&self) -> Option<NonNull<()>> {
        NonNull::new(unsafe { std::alloc::alloc(LAYOUT) }.cast())
    }

    pub fn locked<T>(&self, stripe: usize, work: impl FnOnce() -> T) -> T {
        let _guard = self.stripes[stripe & ((1 << FIRST_BITS) - 1)].lock();
        work()
    }

    pub unsafe fn free(&self, memory: NonNull<()>, link: NonNull<Link>) {
        // What the kernel keeps there until it frees the memory.
        let head = Link::spare(link).cast::<[usize; 2]>();
        unsafe { head.write([usize::MAX; 2]) };
        rcu::keep(Freed(memory));
    }

    pub fn wheel(&self) -> &Wheel {
        &self.wheel
    }

    pub fn wake(&self) {
        self.wakes.fetch_add(1, Relaxed);
    }

    /// Returns how often the worker was woken.
    pub fn take_wake(&self) -> u32 {
        self.wakes.swap(0, Relaxed)
    }
}

/// Memory that goes with the end of the run; twice in the list, it is a double free.
struct Freed(NonNull<()>);

impl Drop for Freed {
    fn drop(&mut self) {
        // Whatever still leads here fails loudly.
        unsafe { core::ptr::write_bytes(self.0.as_ptr().cast::<u8>(), 0x5a, ENTRY_SIZE) };
        unsafe { std::alloc::dealloc(self.0.as_ptr().cast(), LAYOUT) };
    }
}
