// SPDX-License-Identifier: GPL-2.0
//! What is given up is freed once, and after the readers that may have found it.

use crate::bindings::{is_freed, take_freed};
use crate::deferred::{Deferred, Waiting};
use crate::pool::model;
use crate::rcu;
use crate::sync::{AtomicPtr, Full, Relaxed};
use crate::work::{self, Queue};
use core::ptr::{self, NonNull};
use loom::thread;
use std::sync::Arc;

/// Returns memory with room for what waits behind its first word.
fn memory() -> NonNull<()> {
    NonNull::from(Box::leak(Box::new([0_usize; 3]))).cast()
}

fn give_up(deferred: &Deferred, memory: NonNull<()>) {
    unsafe { deferred.free(memory, memory.cast::<usize>().add(1).cast::<Waiting>()) };
}

#[test]
fn all_is_freed_once() {
    model(|| {
        rcu::with_grace_periods(|| {
            let deferred = Arc::new(Deferred::new(&Queue, 1).unwrap());
            let other = Arc::clone(&deferred);
            let both = [memory(), memory()];
            let addresses = both.map(|memory| memory.as_ptr() as usize);
            let thread = thread::spawn(move || {
                addresses.map(|address| give_up(&other, NonNull::new(address as *mut ()).unwrap()));
            });
            give_up(&deferred, memory());
            thread.join().unwrap();
            drop(deferred);
            assert_eq!(take_freed(), 3);
        });
    });
}

#[test]
fn what_waits_as_the_lanes_go_is_freed() {
    model(|| {
        rcu::with_grace_periods(|| {
            work::queue_up();
            let deferred = Deferred::new(&Queue, 1).unwrap();
            give_up(&deferred, memory());
            give_up(&deferred, memory());
            // The work item is pending once, and runs.
            assert_eq!(work::run_queued(), 1);
            assert_eq!(take_freed(), 2);
            work::queue_up();
            give_up(&deferred, memory());
            drop(deferred);
            assert_eq!(take_freed(), 1);
            work::forget_queued();
        });
    });
}

#[test]
fn readers_are_waited_for() {
    model(|| {
        rcu::with_grace_periods(|| {
            let deferred = Deferred::new(&Queue, 1).unwrap();
            let place = Arc::new(AtomicPtr::new(memory().as_ptr()));
            let seen = Arc::clone(&place);
            let thread = thread::spawn(move || {
                rcu::read(|_| {
                    let found = seen.load(Relaxed);
                    thread::yield_now();
                    assert!(found.is_null() || !is_freed(found as usize));
                });
            });
            let memory = NonNull::new(place.xchg(ptr::null_mut(), Full)).unwrap();
            give_up(&deferred, memory);
            thread.join().unwrap();
            assert_eq!(take_freed(), 1);
        });
    });
}
