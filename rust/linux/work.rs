// SPDX-License-Identifier: GPL-2.0
//! Work items that can be cancelled.
//!
//! The kernel crate's delayed work cannot be, and a module with one pending must not go away.
//!
//! C header: `include/linux/workqueue.h`

use crate::bindings;
use crate::clock::Ticks;
use crate::rcu::Arc;
use crate::sync::might_sleep;
use core::ops::Deref;
use core::pin::Pin;
use core::ptr::{self, NonNull};
use kernel::prelude::*;
use kernel::types::Opaque;

/// Something that runs later, in process context.
pub trait Task: Send + Sync + 'static {
    /// Runs; returns the time after which it wants to run again.
    fn run(&self) -> Option<Ticks>;
}

/// A queue of work items with a worker of its own, which runs them when memory for others is short.
///
/// Other workers run its items at the same time where they can. A clone is the same queue, which goes
/// with the last of them.
#[derive(Clone)]
pub struct Queue(Arc<Workqueue>);

impl Queue {
    /// Makes a queue.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub fn new(name: &'static CStr) -> Result<Self> {
        let name = name.to_bytes_with_nul().as_ptr().cast();
        // SAFETY: The name is static and ends with a zero.
        let queue = unsafe { bindings::rvs_helper_alloc_workqueue(name) };
        let queue = NonNull::new(queue).map(Workqueue).ok_or(ENOMEM)?;
        Ok(Self(Arc::new(queue, GFP_KERNEL)?))
    }
}

/// The kernel's queue.
///
/// # Invariants
///
/// It came from `alloc_workqueue`. All items of it belong to a [`Delayed`] that has a [`Queue`].
struct Workqueue(NonNull<bindings::workqueue_struct>);

// SAFETY: The kernel guards its queues.
unsafe impl Send for Workqueue {}
// SAFETY: Items are queued from any CPU.
unsafe impl Sync for Workqueue {}

impl Drop for Workqueue {
    fn drop(&mut self) {
        // SAFETY: By the invariants nothing is queued: an item is cancelled before it lets go of its
        // queue.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// A task and the delayed work item that runs it.
///
/// Gives access to the task by `Deref`. Runs of one item never overlap. Dropping it cancels it and
/// waits for a run that is under way, so it must be dropped in process context and never by its
/// own task.
#[pin_data(PinnedDrop)]
#[repr(C)]
pub struct Delayed<T: Task> {
    /// First, so that a pointer to it is a pointer to the whole.
    #[pin]
    work: Opaque<bindings::delayed_work>,
    task: T,
    /// Where it is queued; none for the kernel's own unbound queue.
    queue: Option<Queue>,
}

// SAFETY: The work item belongs to the kernel, which guards it; the task may be sent.
unsafe impl<T: Task> Send for Delayed<T> {}
// SAFETY: Every use of the work item is one of the kernel's own thread-safe operations; the task
// may be shared.
unsafe impl<T: Task> Sync for Delayed<T> {}

impl<T: Task> Delayed<T> {
    /// Makes an idle item.
    pub fn new(task: T) -> impl PinInit<Self> {
        Self::make(None, task)
    }

    /// Makes an idle item that a queue's workers run.
    pub fn on(queue: &Queue, task: T) -> impl PinInit<Self> {
        Self::make(Some(queue.clone()), task)
    }

    fn make(queue: Option<Queue>, task: T) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is valid for writes and stays where it is; `run::<T>` fits the item
            // of a `Delayed<T>`.
            work <- Opaque::ffi_init(|slot: *mut bindings::delayed_work| unsafe {
                bindings::rvs_helper_init_delayed_work(slot, Some(run::<T>))
            }),
            task,
            queue,
        })
    }

    /// Returns its queue; null for the kernel's own.
    fn queue(&self) -> *mut bindings::workqueue_struct {
        match &self.queue {
            Some(Queue(queue)) => queue.0.as_ptr(),
            None => ptr::null_mut(),
        }
    }

    /// Lets it run after `delay`, whatever was asked for before.
    pub fn schedule(&self, delay: Ticks) {
        // SAFETY: Initialised by `make`, and pinned since.
        unsafe {
            bindings::rvs_helper_mod_delayed_work(self.queue(), self.work.get(), delay.long());
        }
    }

    /// Lets it run after `delay` unless it waits for a run already.
    pub fn schedule_once(&self, delay: Ticks) {
        // SAFETY: Initialised by `make`, and pinned since.
        unsafe {
            bindings::rvs_helper_queue_delayed_work(self.queue(), self.work.get(), delay.long());
        }
    }

    /// Takes back what was scheduled and waits for a run that is under way.
    ///
    /// # Locking
    ///
    /// Process context; sleeps. Not from the task itself.
    pub fn cancel(&self) {
        might_sleep();
        // SAFETY: Initialised by `make`, and pinned since.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }
}

impl<T: Task> Deref for Delayed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.task
    }
}

#[pinned_drop]
impl<T: Task> PinnedDrop for Delayed<T> {
    fn drop(self: Pin<&mut Self>) {
        self.cancel();
    }
}

/// Runs the task of a work item.
///
/// # Safety
///
/// Called by the work queue only, with the item of a `Delayed<T>`.
unsafe extern "C" fn run<T: Task>(work: *mut bindings::work_struct) {
    let item = work.cast::<Delayed<T>>();
    // SAFETY: The work is the first field of the delayed work, which is the first field of the
    // `Delayed<T>`, which waits for this run before it goes.
    let item = unsafe { &*item };
    if let Some(delay) = item.task.run() {
        item.schedule_once(delay);
    }
}
