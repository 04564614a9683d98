// SPDX-License-Identifier: GPL-2.0
//! What fuzzers ask of crate `ipvs`: each target takes any bytes and panics when an answer is wrong.
//!
//! What is right a reference in [`slow`] says, written from the standards and not from the code it
//! judges, or a round trip that has to end where it began.

mod api;
mod input;
mod packets;
mod slow;
mod targets;

pub use targets::{Target, TARGETS};
