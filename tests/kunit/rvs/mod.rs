// SPDX-License-Identifier: GPL-2.0
//! What only a live kernel can show about crate `rvs`; one file for each of its files.

mod conn;
mod dest;
pub(crate) mod fixture;
mod netns;
mod schedulers;
mod service;
mod stats;
