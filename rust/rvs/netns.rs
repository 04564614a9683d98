// SPDX-License-Identifier: GPL-2.0
//! Everything one network namespace owns, in one struct.
//!
//! How it begins and ends: `lifecycle.rs`.
//!
//! **Lock order**: `control` first; inside it one lock of services, connections, servers or hooks;
//! none of these is held while a packet is sent, or while anything is called that takes the RTNL.

use crate::config::Config;
use crate::conn::Conns;
use crate::defence::Watch;
use crate::drops;
use crate::packet::hooks::Hooks;
use crate::service::{Exclusive, ServiceTable};
use crate::stats::Stats;
use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use kernel::sync::Mutex;
use linux::net::{self, Net};
use linux::rcu::{Arc, Borrow, Reader};
use linux::work::Delayed;

/// What one network namespace owns.
#[pin_data]
pub(crate) struct Netns {
    /// Keeps the commands that change services and servers one after the other.
    #[pin]
    pub(crate) control: Mutex<Exclusive>,
    /// The settings.
    pub(crate) config: Config,
    /// The connections.
    #[pin]
    pub(crate) conns: Conns,
    /// Whether a sync daemon runs; there is none yet, so nothing sets it.
    pub(crate) daemon_runs: Atomic<bool>,
    /// How many packets were thrown away, and why.
    pub(crate) drops: drops::Counters,
    /// The hooks, on while there is a service.
    #[pin]
    pub(crate) hooks: Hooks,
    /// The services and the servers removed from them.
    #[pin]
    pub(crate) services: ServiceTable,
    /// What was counted in the whole namespace.
    #[pin]
    pub(crate) stats: Stats,
    /// Looks at the memory each second while a measure against floods is on.
    #[pin]
    pub(crate) watch: Delayed<Watch>,
}

/// Where the kernel keeps each namespace's [`Netns`].
pub(crate) static SLOT: net::Slot<Netns> = net::Slot::new();

impl Netns {
    /// Finds the state of a namespace from inside a read section: the packet path.
    ///
    /// `None` before the namespace is complete and after it has gone.
    #[inline]
    pub(crate) fn of<'g>(net: &Net, rcu: Reader<'g>) -> Option<Borrow<'g, Self>> {
        SLOT.read(net, rcu)
    }

    /// Finds the state of a namespace and keeps it: process context.
    ///
    /// # Errors
    ///
    /// `ENODEV` before the namespace is complete and after it has gone.
    pub(crate) fn get(net: &Net) -> Result<Arc<Self>> {
        SLOT.get(net).ok_or(ENODEV)
    }
}
