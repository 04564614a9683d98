// SPDX-License-Identifier: GPL-2.0
//! Replaces `rust/linux/rcu.rs`: nothing is freed before the end of a run.

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::ptr::NonNull;
use loom::sync::atomic::{fence, AtomicUsize, Ordering::*};
use std::any::Any;
use std::cell::RefCell;

#[derive(Clone, Copy)]
pub struct Reader<'g>(PhantomData<(&'g (), *mut ())>);

pub fn read<R>(f: impl for<'g> FnOnce(Reader<'g>) -> R) -> R {
    let Some(sections) = SECTIONS.with(|sections| sections.borrow().clone()) else {
        return f(Reader(PhantomData));
    };
    sections.fetch_add(1, AcqRel);
    fence(SeqCst);
    let result = f(Reader(PhantomData));
    sections.fetch_sub(1, AcqRel);
    result
}

std::thread_local! {
    /// Counts open sections where a thread waits for them. Loom runs all threads of a model on one.
    static SECTIONS: RefCell<Option<std::sync::Arc<AtomicUsize>>> = const { RefCell::new(None) };
}

/// Runs part of a model with [`synchronize`], which costs loom more orders to try.
pub fn with_grace_periods(test: impl FnOnce()) {
    SECTIONS.with(|sections| sections.replace(Some(std::sync::Arc::new(AtomicUsize::new(0)))));
    test();
    SECTIONS.with(|sections| sections.replace(None));
}

/// Waits until no section is open, which is longer than the kernel waits.
pub fn synchronize() {
    let sections = SECTIONS.with(|sections| sections.borrow().clone()).unwrap();
    fence(SeqCst);
    while sections.load(Acquire) != 0 {
        loom::thread::yield_now();
    }
    fence(SeqCst);
}

std::thread_local! {
    /// What readers may still look at. Loom runs all threads of a model on one.
    static KEPT: RefCell<ManuallyDrop<Vec<Box<dyn Any>>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// Keeps a value to the end of the run.
pub fn keep(value: impl Any) {
    KEPT.with(|kept| kept.borrow_mut().push(Box::new(value)));
}

/// Frees what was kept: the end of a run.
pub fn grace_period() {
    let kept = KEPT.with(|kept| core::mem::take(&mut **kept.borrow_mut()));
    drop(kept);
}

pub struct Arc<T: 'static>(Option<loom::sync::Arc<T>>);

impl<T> Arc<T> {
    pub fn new(value: T) -> Self {
        Self(Some(loom::sync::Arc::new(value)))
    }

    pub fn into_raw(mut self) -> NonNull<()> {
        let raw = loom::sync::Arc::into_raw(self.0.take().unwrap());
        NonNull::new(raw.cast_mut()).unwrap().cast()
    }

    pub unsafe fn from_raw(raw: NonNull<()>) -> Self {
        Self(Some(unsafe {
            loom::sync::Arc::from_raw(raw.as_ptr().cast())
        }))
    }

    pub fn count(&self) -> usize {
        loom::sync::Arc::strong_count(self.0.as_ref().unwrap())
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

pub struct Borrow<'g, T>(NonNull<T>, PhantomData<&'g T>);

impl<'g, T> Borrow<'g, T> {
    pub unsafe fn from_raw(raw: NonNull<()>, _rcu: Reader<'g>) -> Self {
        Self(raw.cast(), PhantomData)
    }

    pub fn get(self) -> &'g T {
        unsafe { self.0.as_ref() }
    }
}
