// SPDX-License-Identifier: GPL-2.0
//! The safe face of the kernel's C: the only crate with unsafe code, and without policy.
//!
//! One file per area of C. Every public item is sound for every safe caller; what cannot be is an
//! `unsafe fn`, and only this crate may call one.
#![crate_name = "linux"]
#![cfg_attr(not(MODULE), no_std)]
#![warn(
    clippy::missing_safety_doc,
    clippy::multiple_unsafe_ops_per_block,
    clippy::wildcard_enum_match_arm
)]

mod bindings;

pub mod apart;
pub mod clock;
pub mod conntrack;
#[cfg(CONFIG_KUNIT = "y")]
pub mod crafted;
mod deferred;
pub mod encap;
pub mod genl;
pub mod icmp;
pub mod inet;
mod life;
mod list;
pub mod lock;
pub mod log;
pub mod memory;
pub mod module;
pub mod namesake;
pub mod net;
pub mod netfilter;
pub mod notifier;
pub mod percpu;
pub mod pool;
pub mod proc;
pub mod random;
pub mod rcu;
pub mod route;
mod shadow;
pub mod skb;
pub mod sockopt;
pub mod sync;
pub mod sysctl;
pub mod table;
pub mod version;
mod walk;
mod wheel;
pub mod work;
pub mod xtables;

/// What the kernel crate's macros put in front of this crate's messages.
const __LOG_PREFIX: &[u8] = b"rvs\0";

#[cfg(CONFIG_KUNIT = "y")]
#[path = "../../tests/kunit/linux/mod.rs"]
mod kunit;
