// SPDX-License-Identifier: GPL-2.0
//! The kernel module: joins what a balancer does with the kernel's C.
#![crate_name = "rvs"]
#![cfg_attr(not(MODULE), no_std)]
#![forbid(unsafe_code)]

mod config;
mod conn;
mod control;
mod dest;
mod drops;
mod hook;
mod netns;
mod service;
mod stats;
mod transmit;

use kernel::prelude::*;

module! {
    type: Rvs,
    name: "rvs",
    authors: ["The rvs authors"],
    description: "IP Virtual Server",
    license: "GPL",
}
struct Rvs;
impl kernel::Module for Rvs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        
        Ok(Self)
    }
}
