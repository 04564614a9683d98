// SPDX-License-Identifier: GPL-2.0
//! Atomics under short names: the one swap point for loom.
//!
//! `rcu.rs`, `table.rs` and `wheel.rs` name atomics only through this module, so that
//! `tests/host/loom` can compile the same files against a model of memory.

use kernel::sync::atomic::Atomic;
pub use kernel::sync::atomic::{Acquire, Full, Relaxed, Release};

/// A 32-bit word that several CPUs change.
pub type AtomicU32 = Atomic<u32>;
/// A 64-bit word that several CPUs change.
pub type AtomicU64 = Atomic<u64>;
/// A pointer that several CPUs change.
pub type AtomicPtr<T> = Atomic<*mut T>;
