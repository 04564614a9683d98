// SPDX-License-Identifier: GPL-2.0
//! The hooks of a namespace, on while there is a service.

use kernel::prelude::*;
use kernel::sync::{new_mutex, Mutex};
use linux::inet::Family;
use linux::net::Handle;
use linux::netfilter::{HookError, PacketHook, Registration};
use linux::rcu::Arc;

/// The hooks of one namespace: of each family while it has a service.
#[pin_data]
pub(crate) struct Hooks {
    handle: Arc<Handle>,
    #[pin]
    on: Mutex<On>,
}

struct On {
    v4: Option<Registration>,
    v6: Option<Registration>,
    /// What puts fragments of IPv6 together, on as with C from the first service or server to the end.
    whole: Option<Registration>,
}

impl On {
    fn of(&mut self, family: Family) -> &mut Option<Registration> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

impl Hooks {
    /// Makes hooks that are off.
    pub(crate) fn new(handle: Arc<Handle>) -> impl PinInit<Self> {
        pin_init!(Self {
            handle,
            on <- new_mutex!(On { v4: None, v6: None, whole: None }),
        })
    }

    /// Has the packets of a family looked at; called when its first service is added.
    ///
    /// # Errors
    ///
    /// Any of [`HookError`].
    ///
    /// # Locking
    ///
    /// Process context.
    pub(crate) fn turn_on<H: PacketHook>(&self, family: Family) -> Result<(), HookError> {
        self.defragment(family)?;
        let mut on = self.on.lock();
        let place = on.of(family);
        if place.is_none() {
            *place = Some(Registration::new::<H>(self.handle.clone(), family)?);
        }
        Ok(())
    }

    /// Has fragments of a family put together, where the hooks do not do it themselves; called when a
    /// server is added.
    ///
    /// # Errors
    ///
    /// As [`Hooks::turn_on`].
    ///
    /// # Locking
    ///
    /// Process context.
    pub(crate) fn defragment(&self, family: Family) -> Result<(), HookError> {
        let mut on = self.on.lock();
        match family {
            Family::V6 if on.whole.is_none() => {
                on.whole = Some(Registration::defragmenting(self.handle.clone())?);
                Ok(())
            }
            Family::V4 | Family::V6 => Ok(()),
        }
    }

    /// Leaves the packets of a family alone again; called when its last service went.
    ///
    /// Some hooks may still be running until a grace period has passed.
    ///
    /// # Locking
    ///
    /// Process context.
    pub(crate) fn turn_off(&self, family: Family) {
        drop(self.on.lock().of(family).take());
    }
}
