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
use linux::net;

module! {
    type: Rvs,
    name: "rvs",
    authors: ["The rvs authors"],
    description: "IP Virtual Server",
    license: "GPL",
    alias: ["net-pf-16-proto-16-family-IPVS"],
    params: {
        conn_tab_bits: u32 {
            default: 27,
            description: "Largest size of the connection table, as a power of two (8 to 27)",
        },
    },
}

/// This module, for what must keep it loaded or be owned by it.
pub(crate) const THIS: &ThisModule = kernel::module::this_module::<LocalModule>();

/// What the module holds while it is loaded, in the order in which it goes away.
struct Rvs {
    /// Every namespace's state: see `netns.rs` for how it ends.
    _namespaces: net::Registration<netns::Netns>,
    /// Last: nothing may run later.
    _callbacks: Callbacks,
}

/// Waits at the end for all that was left to RCU.
struct Callbacks;

impl Drop for Callbacks {
    fn drop(&mut self) {
        linux::rcu::barrier();
    }
}

impl kernel::Module for Rvs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // The last to go is the first to come, so that a failure further down waits as well.
        let callbacks = Callbacks;
        Ok(Self {
            _namespaces: net::Registration::new()?,
            _callbacks: callbacks,
        })
    }
}
