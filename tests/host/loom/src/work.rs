// SPDX-License-Identifier: GPL-2.0
//! Replaces `rust/linux/work.rs`: a task runs where it is asked for.

use crate::clock::Ticks;
use std::cell::{Cell, RefCell};

pub trait Task: Send + Sync + 'static {
    fn run(&self) -> Option<Ticks>;
}

pub struct Delayed<T>(pub T);

impl<T> core::ops::Deref for Delayed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

pub struct Queue;

std::thread_local! {
    /// When the last task that ran wants to run again.
    static WANTED: Cell<Option<Ticks>> = const { Cell::new(None) };
    /// What waits for its turn, where tasks do not run at once.
    static QUEUED: RefCell<Option<Vec<Box<dyn FnOnce()>>>> = const { RefCell::new(None) };
}

/// Returns when the last task that ran wants to run again.
pub fn wanted() -> Option<Ticks> {
    WANTED.with(|wanted| wanted.get())
}

/// Has tasks wait until [`run_queued`].
pub fn queue_up() {
    QUEUED.with(|queued| queued.replace(Some(Vec::new())));
}

/// Runs what waits, and from here on everything at once again; returns how many waited.
pub fn run_queued() -> usize {
    let queued = QUEUED.with(|queued| queued.take());
    let runs = queued.into_iter().flatten().map(|run| run());
    runs.count()
}

/// Takes back what waits.
pub fn forget_queued() {
    QUEUED.with(|queued| queued.take());
}

impl<T: Task> Delayed<T> {
    pub fn schedule(&self, _delay: Ticks) {
        let wanted = self.0.run();
        WANTED.with(|place| place.set(wanted));
    }

    pub fn schedule_once(&self, delay: Ticks) {
        let is_queued = QUEUED.with(|queued| {
            let mut queued = queued.borrow_mut();
            let Some(queued) = queued.as_mut() else {
                return false;
            };
            let this: *const Self = self;
            // SAFETY: Whatever has a work item waits for it before it goes.
            queued.push(Box::new(move || unsafe { &*this }.schedule(Ticks(0))));
            true
        });
        if !is_queued {
            self.schedule(delay);
        }
    }
}
