// SPDX-License-Identifier: GPL-2.0
//! Everything one network namespace owns, in one struct.
//!
//! **Teardown**, in this order and written only here; the first three are what [`net::PerNet`] does:
//! 1. user space and hooks off: sysctls and proc files go and wait for who is inside;
//! 2. one grace period for all namespaces that go together: no packet and no reader is inside;
//! 3. packets dropped that the last hooks left waiting for user space;
//! 4. services flushed, which sends their servers to the trash (`exit`);
//! 5. connections killed (`exit`);
//! 6. trash emptied (`exit`);
//! 7. what is left waits for RCU callbacks; the module's end waits for those.
//!
//! **Lock order**: `control` first; inside it any lock of services, connections or servers; none of
//! these is held while a packet is sent or another module is called.

use crate::config::Config;
use crate::conn::Conns;
use crate::control::proc;
use crate::drops;
use crate::packet::hooks::Hooks;
use crate::service::{Command, Services};
use crate::stats::Stats;
use kernel::prelude::*;
use kernel::sync::Mutex;
use linux::net::{self, Handle, Net};
use linux::rcu::{Arc, Borrow, Reader};
use linux::sysctl;

/// What one network namespace owns.
#[pin_data]
pub(crate) struct Netns {
    /// Keeps the commands that change services and servers one after the other.
    #[pin]
    pub(crate) control: Mutex<()>,
    /// The settings.
    #[pin]
    pub(crate) config: Config,
    /// The connections.
    #[pin]
    pub(crate) conns: Conns,
    /// How many packets were thrown away, and why.
    pub(crate) drops: drops::Counters,
    /// The hooks, on while there is a service.
    #[pin]
    pub(crate) hooks: Hooks,
    /// The services and the servers removed from them.
    #[pin]
    pub(crate) services: Services,
    /// What was counted in the whole namespace.
    #[pin]
    pub(crate) stats: Stats,
}

/// Where the kernel keeps each namespace's [`Netns`].
static SLOT: net::Slot<Netns> = net::Slot::new();

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

impl net::PerNet for Netns {
    const SLOT: net::Place<Self> = net::Place::of(&SLOT);

    fn new(net: &Net, handle: Arc<Handle>) -> Result<Arc<Self>> {
        let max_bits = crate::module_parameters::conn_tab_bits.value();
        let handle = &handle;
        let netns = Arc::pin_init(
            try_pin_init!(Self {
                control <- kernel::new_mutex!(()),
                config <- Config::new(net),
                conns <- Conns::new(handle.clone(), config.conn_lfactor.get(), max_bits),
                drops: drops::Counters::new(),
                hooks <- Hooks::new(handle.clone()),
                services <- Services::new(config.svc_lfactor.get()),
                stats: Stats::new()?,
            }? Error),
            GFP_KERNEL,
        )?;
        // Last: who comes in before the rest is complete finds nothing yet.
        sysctl::create::<Self>(handle)?;
        proc::create_all(handle)?;
        Ok(netns)
    }

    fn exit(&self, net: &Net) {
        self.services.flush(&Command::begin(net, self));
        self.conns.close();
        self.services.clear_trash();
    }
}
