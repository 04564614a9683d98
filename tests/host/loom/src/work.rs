// SPDX-License-Identifier: GPL-2.0
//! Stands in for `rust/linux/work.rs`: a task runs where it is asked for.

use crate::clock::Ticks;

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

std::thread_local! {
    /// When the last task that ran wants to run again.
    static WANTED: std::cell::Cell<Option<Ticks>> = const { std::cell::Cell::new(None) };
}

/// Returns when the last task that ran wants to run again.
pub fn wanted() -> Option<Ticks> {
    WANTED.with(|wanted| wanted.get())
}

impl<T: Task> Delayed<T> {
    pub fn schedule(&self, _delay: Ticks) {
        let wanted = self.0.run();
        WANTED.with(|place| place.set(wanted));
    }
}
