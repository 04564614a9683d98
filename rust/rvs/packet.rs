// SPDX-License-Identifier: GPL-2.0
//! The way of a packet, downwards only: hook, look-up, schedule, state, plan, transmit.

mod context;
mod dispatch;
mod engine;
mod established;
mod first;
mod follower;
mod forward;
mod from_server;
pub(crate) mod hook;
pub(crate) mod hooks;
mod icmp;
mod outcome;
mod persist;
mod read;
mod schedule;
mod stray;
mod transmit;
mod tunnel;
mod tunneled;

#[cfg(CONFIG_KUNIT = "y")]
#[path = "../../tests/kunit/rvs/packet.rs"]
mod kunit;
