// SPDX-License-Identifier: GPL-2.0
//! How a network namespace gets its state, and how that ends.
//!
//! **Teardown**, in this order and written only here; the first three are what [`net::PerNet`] does:
//! 1. user space and hooks off: sysctls and proc files go, once no call is inside;
//! 2. one grace period for all namespaces that go together: no packet and no reader is inside;
//! 3. packets dropped that the last hooks left waiting for user space;
//! 4. the memory is not looked at any more (`exit`);
//! 5. services flushed, which sends their servers to the trash (`exit`);
//! 6. connections killed (`exit`);
//! 7. trash emptied (`exit`);
//! 8. what is left waits for a grace period; the module's end waits for that (`rcu::barrier`).

use crate::config::{Config, Start};
use crate::conn::Conns;
use crate::control::{proc, Session};
use crate::defence::{self, Watch};
use crate::drops;
use crate::netns::{Netns, SLOT};
use crate::packet::hooks::Hooks;
use crate::service::{Exclusive, ServiceTable};
use crate::stats::Stats;
use kernel::prelude::*;
use kernel::sync::atomic::Atomic;
use linux::clock::Ticks;
use linux::net::{self, Handle, Net};
use linux::rcu::{Arc, Reader};
use linux::sysctl;
use linux::work::Delayed;

impl net::PerNet for Netns {
    const SLOT: net::StaticSlot<Self> = net::StaticSlot::of(&SLOT);

    fn new(net: &Net, handle: Arc<Handle>) -> Result<Arc<Self>> {
        let handle = &handle;
        // What the initial namespace allows now.
        let conn_max = Self::get(Net::init()).map(|initial| initial.config.conn_max.get());
        let config = Config::new(&Start {
            conn_max: conn_max.ok(),
            is_initial: net.is_init(),
        })?;
        let (conn_lfactor, svc_lfactor) = (config.conn_lfactor.get(), config.svc_lfactor.get());
        let netns = Arc::pin_init(
            try_pin_init!(Self {
                control <- kernel::new_mutex!(Exclusive::new()),
                config,
                conns <- Conns::new(handle.clone(), conn_lfactor),
                daemon_runs: Atomic::new(false),
                drops: drops::Counters::new(),
                hooks <- Hooks::new(handle.clone()),
                services <- ServiceTable::new(svc_lfactor),
                stats: Stats::new()?,
                watch <- Delayed::new(Watch::new(handle.clone(), defend)),
            }? Error),
            GFP_KERNEL,
        )?;
        // Last: what comes in before the rest is complete finds nothing yet.
        sysctl::create::<Self>(handle)?;
        proc::create_all(handle)?;
        Ok(netns)
    }

    fn exit(&self, net: &Net) {
        self.watch.cancel();
        Session::begin(net, self).flush();
        self.conns.close();
        self.services.trash.clear();
    }
}

/// Decides which measures against floods a namespace takes, and has connections ended if that is one
/// of them; returns when to do so again: see [`Watch`].
fn defend<'g>(net: &'g Net, rcu: Reader<'g>) -> Option<Ticks> {
    let netns = Netns::of(net, rcu)?.get();
    let config = &netns.config;
    config.evaluate_measures();
    if config.drop_entry.is_active() {
        netns.conns.thin_out();
    }
    config.has_measures().then_some(defence::LOOK)
}
