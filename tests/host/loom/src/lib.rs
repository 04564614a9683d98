// SPDX-License-Identifier: GPL-2.0
//! The table, its list, the expiry wheel and the schedulers under a model of weak memory.
//!
//! The files are the kernel's own, compiled against substitutes for what surrounds them: atomics and
//! locks that loom watches, an RCU that keeps everything to the end of a run, memory from the
//! heap. Each test is run in every order of events that loom finds different.
#![cfg(test)]
#![allow(dead_code)]

extern crate self as kernel;

mod due;
mod error;
mod pool;
mod rcu;
mod sync;
mod work;

#[path = "../../../../rust/linux/apart.rs"]
mod apart;
#[path = "../../../../rust/linux/clock.rs"]
mod clock;
#[path = "../../../../rust/linux/deferred.rs"]
mod deferred;
#[path = "../../../../rust/linux/life.rs"]
mod life;
#[path = "../../../../rust/linux/list.rs"]
mod list;
#[path = "../../../../rust/linux/shadow.rs"]
mod shadow;
#[path = "../../../../rust/linux/table.rs"]
mod table;
#[path = "../../../../rust/linux/version.rs"]
mod version;
#[path = "../../../../rust/linux/walk.rs"]
mod walk;
#[path = "../../../../rust/linux/wheel.rs"]
mod wheel;

mod deferred_tests;
mod list_tests;
mod sched_tests;
mod shadow_tests;
mod table_tests;
mod template_tests;
mod version_tests;
mod wheel_tests;

/// C types, as the kernel crate names them.
mod ffi {
    #[allow(non_camel_case_types)]
    pub type c_ulong = usize;
}

/// What `clock.rs` asks C for.
mod bindings {
    pub const RVS_CONST_HZ: u32 = 10;

    std::thread_local! {
        static JIFFIES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    pub unsafe fn rvs_helper_jiffies() -> usize {
        JIFFIES.with(|jiffies| jiffies.get())
    }

    /// Makes it this late.
    pub fn set_jiffies(now: usize) {
        JIFFIES.with(|jiffies| jiffies.set(now));
    }

    std::thread_local! {
        /// Where memory was freed. Loom runs all threads of a model on one.
        static FREED: std::cell::RefCell<Vec<usize>> = const { std::cell::RefCell::new(Vec::new()) };
    }

    /// Frees what a test allocated as three words, as far as the test can see: nothing in it may be used.
    pub unsafe fn kfree(memory: *mut u8) {
        assert!(!is_freed(memory as usize));
        unsafe { memory.cast::<[usize; 3]>().write([usize::MAX; 3]) };
        FREED.with(|freed| freed.borrow_mut().push(memory as usize));
    }

    pub fn is_freed(memory: usize) -> bool {
        FREED.with(|freed| freed.borrow().contains(&memory))
    }

    /// Returns how many pieces were freed since the last call, and really frees them.
    pub fn take_freed() -> usize {
        let freed = FREED.with(|freed| freed.take());
        let pieces = freed
            .iter()
            .map(|&memory| drop(unsafe { Box::from_raw(memory as *mut [usize; 3]) }));
        pieces.count()
    }
}
