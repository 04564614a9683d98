// SPDX-License-Identifier: GPL-2.0
//! The table, its list, the expiry wheel and the schedulers under a model of weak memory.
//!
//! The files are the kernel's own, compiled against stand-ins for what surrounds them: atomics and
//! locks that loom watches, an RCU that keeps everything to the end of a run, memory from the
//! heap. Each test is run in every order of events that loom finds different.
#![cfg(test)]
#![allow(dead_code)]

extern crate self as kernel;

mod error;
mod pool;
mod rcu;
mod sync;
mod work;

#[path = "../../../../rust/linux/apart.rs"]
mod apart;
#[path = "../../../../rust/linux/clock.rs"]
mod clock;
#[path = "../../../../rust/linux/life.rs"]
mod life;
#[path = "../../../../rust/linux/list.rs"]
mod list;
#[path = "../../../../rust/linux/shadow.rs"]
mod shadow;
#[path = "../../../../rust/linux/summary.rs"]
mod summary;
#[path = "../../../../rust/linux/table.rs"]
mod table;
#[path = "../../../../rust/linux/walk.rs"]
mod walk;
#[path = "../../../../rust/linux/wheel.rs"]
mod wheel;

mod list_tests;
mod sched_tests;
mod shadow_tests;
mod summary_tests;
mod table_tests;
mod template_tests;
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

    pub unsafe fn ktime_get_seconds() -> i64 {
        0
    }
}
