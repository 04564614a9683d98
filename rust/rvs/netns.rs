// SPDX-License-Identifier: GPL-2.0
//! Everything one network namespace owns, in one struct.
//!
//! **Teardown**, in this order and written only here:
//! 1. user space off: sysctls and proc files go and wait for who is inside (`pre_exit`);
//! 2. hooks off (`pre_exit`);
//! 3. one grace period for all namespaces that go together: no packet and no reader is inside;
//! 4. packets dropped that the last hooks left waiting for user space (`exit`);
//! 5. works stopped (`exit`);
//! 6. services flushed, which sends their servers to the trash (`exit`);
//! 7. connections killed (`exit`);
//! 8. trash emptied (`exit`);
//! 9. what is left waits for RCU callbacks; the module's end waits for those.
//!
//! **Lock order**: `control` first; inside it any lock of services, connections or servers; none of
//! these is held while a packet is sent or another module is called.

use crate::config::Config;
use crate::conn::Conns;
use crate::control::proc;
use crate::drops;
use crate::hook::Hooks;
use crate::service::{Command, Services};
use crate::stats::Stats;
use kernel::prelude::*;
use kernel::sync::Mutex;
use linux::net::{self, Handle, Net};
use linux::netfilter::{self, Family};
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
    /// The ways in for user space, while they are open.
    #[pin]
    doors: Mutex<Option<Doors>>,
}

/// What user space comes in through; everything closes when this goes.
struct Doors {
    _sysctl: sysctl::Registration<Netns>,
    _files: proc::Files,
}

impl Doors {
    fn open(net: &Net) -> Result<Self> {
        Ok(Self {
            _sysctl: sysctl::Registration::new(net)?,
            _files: proc::Files::new(net)?,
        })
    }
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
    fn slot() -> &'static net::Slot<Self> {
        &SLOT
    }

    fn new(net: &Net, handle: Arc<Handle>) -> Result<Arc<Self>> {
        let max_bits = crate::module_parameters::conn_tab_bits.value();
        Arc::pin_init(
            try_pin_init!(Self {
                control <- kernel::new_mutex!(()),
                config <- Config::new(net),
                conns <- Conns::new(handle, config.conn_lfactor.get(), max_bits),
                drops: drops::Counters::new(),
                hooks <- Hooks::new(),
                services <- Services::new(config.svc_lfactor.get()),
                stats <- Stats::new(),
                // Last: what opens before the rest is complete finds nothing yet.
                doors <- kernel::new_mutex!(Some(Doors::open(net)?)),
            }? Error),
            GFP_KERNEL,
        )
    }

    fn pre_exit(&self, net: &Net) {
        let doors = self.doors.lock().take();
        drop(doors);
        self.hooks.turn_off(net, Family::V4);
        self.hooks.turn_off(net, Family::V6);
    }

    fn exit(&self, net: &Net) {
        netfilter::drop_queued(net);
        self.services.flush(&Command::begin(net, self));
        self.conns.close();
        self.services.clear_trash();
    }
}
