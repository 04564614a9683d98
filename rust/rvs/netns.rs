// SPDX-License-Identifier: GPL-2.0
//! Everything one network namespace owns, in one struct.
//!
//! **Teardown**, in this order and written only here:
//! 1. user space off: sysctls and proc files go and wait for who is inside (`pre_exit`);
//! 2. hooks off (`pre_exit`);
//! 3. one grace period for all namespaces that go together: no packet and no reader is inside;
//! 4. works stopped (`exit`);
//! 5. services flushed, which sends their servers to the trash (`exit`);
//! 6. connections killed (`exit`);
//! 7. trash emptied (`exit`);
//! 8. what is left waits for RCU callbacks; the module's end waits for those.
//!
//! **Lock order**: `control` first; inside it any lock of services, connections or servers; none of
//! these is held while a packet is sent or another module is called.

use kernel::prelude::*;
use linux::net::{self, Net};
use linux::rcu::{Arc, Borrow, Reader};

/// What one network namespace owns.
#[pin_data]
pub(crate) struct Netns {
    /// Keeps the commands that change services and servers one after the other.
    #[pin]
    pub(crate) control: kernel::sync::Mutex<()>,
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

    fn new(_net: &Net) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                control <- kernel::new_mutex!(()),
            }? Error),
            GFP_KERNEL,
        )
    }

    fn pre_exit(&self, _net: &Net) {}

    fn exit(&self, _net: &Net) {}
}
