// SPDX-License-Identifier: GPL-2.0
//! The kernel module: joins what a balancer does with the kernel's C.
#![crate_name = "rvs"]
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

mod config;
mod conn;
mod control;
mod defence;
mod dest;
mod drops;
mod lifecycle;
mod names;
mod netns;
mod packet;
mod service;
mod stats;
mod util;
mod xt;

use ipvs::names::BALANCER;
use ipvs::uapi::VERSION;
use kernel::prelude::*;
use linux::{log, module, net, notifier, pool, xtables};

module! {
    type: Rvs,
    name: "rvs",
    authors: ["The rvs authors"],
    description: "IP Virtual Server",
    license: "GPL",
}

/// This module, for what must keep it loaded or be owned by it.
pub(crate) const THIS: &ThisModule = kernel::module::this_module::<LocalModule>();

/// What the module holds while it is loaded, in the order in which it goes away.
struct Rvs {
    /// First: no new rule may ask for packets while the rest goes, and there is none that does.
    _match: xtables::Registration<xt::Ipvs>,
    /// Next: no program may use an option while the rest goes.
    _options: linux::sockopt::Registration<control::sockopt::Ipvs>,
    /// Next: no request may come while the rest goes.
    _netlink: linux::genl::Registration<control::genl::Ipvs>,
    /// Drops cached routes of devices that go down.
    _devices: notifier::Devices<Routes>,
    /// Every namespace's state: see `lifecycle.rs` for how it ends.
    _namespaces: net::Registration<netns::Netns>,
    /// What the tables of all namespaces share.
    _pool: pool::Running,
    /// Keeps `ip_vs` out, and knows the modules that bear its names.
    _modules: notifier::Modules<names::IpVs>,
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
        // First: `ip_vs` cannot be loaded between the question and the refusal.
        let modules = notifier::Modules::new()?;
        // One of our own needs this one, so it cannot be there yet.
        if module::is_loaded(BALANCER, THIS) {
            pr_err!("ip_vs is loaded, and only one of the two can be: unload ip_vs first\n");
            return Err(EBUSY);
        }
        // The last to go is the first to come, so that a failure further down waits as well.
        let callbacks = Callbacks;
        let pool = pool::start()?;
        let namespaces = net::Registration::new()?;
        let devices = notifier::Devices::new()?;
        // Near the end: a dump may hold on to the module from now on.
        let netlink = control::genl::register()?;
        // Behind that: it fails only if another module has the options, which `ip_vs` alone asks for
        // and which is kept out. A call may hold on to the module from now on.
        let options = control::sockopt::register()?;
        let rvs = Self {
            // Last, as it does not fail: a rule may hold on to the module from now on.
            _match: xt::register()?,
            _options: options,
            _netlink: netlink,
            _devices: devices,
            _namespaces: namespaces,
            _pool: pool,
            _modules: modules,
            _callbacks: callbacks,
        };
        pr_info!(
            "IP Virtual Server version {VERSION}, for Linux {}\n",
            log::RELEASE
        );
        Ok(rvs)
    }
}

/// Forgets the routes through a device that went down.
struct Routes;

impl notifier::DeviceWatcher for Routes {
    const PRIORITY: i32 = notifier::BEFORE_IPV6;

    fn down(net: &net::Net, device: u32) {
        if let Ok(netns) = netns::Netns::get(net) {
            netns.services.drop_routes(device);
        }
    }
}

#[cfg(CONFIG_KUNIT = "y")]
#[path = "../../tests/kunit/rvs/mod.rs"]
mod kunit;
