// SPDX-License-Identifier: GPL-2.0
//! What a balancer does: pure functions over values, no unsafe code, no kernel.
//!
//! Nothing here allocates, reads a clock, draws random numbers or logs: time, seeds and memory are
//! arguments, what happened is the return value. The same files build with cargo on the host.
#![crate_name = "ipvs"]
#![cfg_attr(not(MODULE), no_std)]
#![forbid(unsafe_code)]
#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

pub mod addr;
pub mod app;
pub mod conn;
pub mod defence;
pub mod flags;
pub mod flow;
pub mod hash;
pub mod lookup;
pub mod names;
pub mod packet;
pub mod pe;
pub mod proto;
pub mod rate;
pub mod refusal;
pub mod sched;
pub mod service;
pub mod size;
pub mod uapi;
pub mod wire;
pub mod xmit;
pub mod xt;
