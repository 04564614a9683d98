// SPDX-License-Identifier: GPL-2.0
//! Netdevice and module notifiers.
//!
//! C header: `include/linux/notifier.h`, `include/linux/netdevice.h`, `include/linux/module.h`,
//! `include/net/addrconf.h`

use crate::bindings;
use crate::namesake::{self, Names};
use crate::net::Net;
use core::ffi::c_void;
use core::marker::PhantomData;
use kernel::error::to_result;
use kernel::ffi::c_ulong;
use kernel::prelude::*;
use kernel::types::Opaque;

/// Answers for "carry on".
const DONE: i32 = bindings::NOTIFY_DONE as i32;

/// Early enough to be told of a device while it still has its IPv6 addresses and routes.
pub const BEFORE_IPV6: i32 = bindings::ADDRCONF_NOTIFY_PRIORITY as i32 + 5;

/// Something that is told what happens to devices.
pub trait DeviceWatcher: 'static {
    /// When in the order of watchers this one is told: the higher, the earlier.
    const PRIORITY: i32;

    /// A device went down. `device` is its index in `net`.
    ///
    /// # Locking
    ///
    /// Process context, under the RTNL lock.
    fn down(net: &Net, device: u32);
}

/// A notifier block at a place of its own, as C links it into its list.
type Block = KBox<Opaque<bindings::notifier_block>>;

/// Called with the block, the event and what it is about.
type Callback = unsafe extern "C" fn(*mut bindings::notifier_block, c_ulong, *mut c_void) -> i32;

fn block(callback: Callback, priority: i32) -> Result<Block> {
    let block = bindings::notifier_block {
        notifier_call: Some(callback),
        next: core::ptr::null_mut(),
        priority,
    };
    Ok(KBox::new(Opaque::new(block), GFP_KERNEL)?)
}

/// Tells a [`DeviceWatcher`] what happens for as long as this is there.
pub struct Devices<W: DeviceWatcher> {
    block: Block,
    _watcher: PhantomData<fn() -> W>,
}

// SAFETY: A notifier may be removed by any task.
unsafe impl<W: DeviceWatcher> Send for Devices<W> {}
// SAFETY: A shared `Devices` offers nothing.
unsafe impl<W: DeviceWatcher> Sync for Devices<W> {}

impl<W: DeviceWatcher> Devices<W> {
    /// Begins to tell the watcher, about every namespace.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Locking
    ///
    /// Takes the RTNL lock.
    pub fn new() -> Result<Self> {
        let block = block(device_event::<W>, W::PRIORITY)?;
        // SAFETY: The block stays where it is until `drop` removed it from C's list.
        to_result(unsafe { bindings::register_netdevice_notifier(block.get()) })?;
        Ok(Self {
            block,
            _watcher: PhantomData,
        })
    }
}

impl<W: DeviceWatcher> Drop for Devices<W> {
    fn drop(&mut self) {
        // SAFETY: `new` registered it. Removal waits for calls in flight and cannot fail.
        unsafe { bindings::unregister_netdevice_notifier(self.block.get()) };
    }
}

/// Passes a device's event on.
///
/// # Safety
///
/// Called by C only, through a block of [`Devices`].
unsafe extern "C" fn device_event<W: DeviceWatcher>(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> i32 {
    if event != bindings::netdev_cmd_NETDEV_DOWN as c_ulong {
        return DONE;
    }
    // SAFETY: Netdevice events come with this structure.
    let device = unsafe { bindings::rvs_helper_netdev_notifier_info_to_dev(info) };
    // SAFETY: The device stays during the call.
    let net = unsafe { bindings::rvs_helper_dev_net(device) };
    // SAFETY: The device stays, and its namespace with it.
    let net = unsafe { Net::from_raw(net) };
    // SAFETY: The device stays during the call.
    let index = unsafe { (*device).ifindex };
    W::down(net, index.unsigned_abs());
    DONE
}

/// For as long as this is there, knows the modules that bear [`Names`], and keeps out the one that is not
/// of our own.
pub struct Modules<N: Names> {
    block: Block,
    _names: PhantomData<fn() -> N>,
}

// SAFETY: A notifier may be removed by any task.
unsafe impl<N: Names> Send for Modules<N> {}
// SAFETY: A shared `Modules` offers nothing.
unsafe impl<N: Names> Sync for Modules<N> {}

impl<N: Names> Modules<N> {
    /// Begins to look at modules that come in.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if there was one before.
    pub fn new() -> Result<Self> {
        namesake::begin()?;
        let block = block(module_event::<N>, 0)?;
        // SAFETY: The block stays where it is until `drop` removed it from C's list.
        to_result(unsafe { bindings::register_module_notifier(block.get()) })?;
        Ok(Self {
            block,
            _names: PhantomData,
        })
    }
}

impl<N: Names> Drop for Modules<N> {
    fn drop(&mut self) {
        // SAFETY: `new` registered it. Removal waits for calls in flight and cannot fail.
        unsafe { bindings::unregister_module_notifier(self.block.get()) };
    }
}

/// Looks at a module that comes or goes.
///
/// # Safety
///
/// Called by C only, through a block of [`Modules`].
unsafe extern "C" fn module_event<N: Names>(
    _block: *mut bindings::notifier_block,
    event: c_ulong,
    module: *mut c_void,
) -> i32 {
    let module = module.cast::<bindings::module>();
    // SAFETY: Module events come with the module, which stays during the call; the name does not
    // change.
    let name = unsafe { &(*module).name };
    let name = name.split(|byte| *byte == 0).next();
    let Some(place) = name.and_then(N::place) else {
        return DONE;
    };
    // CAST: The states are small numbers.
    match event as bindings::module_state {
        bindings::module_state_MODULE_STATE_COMING => {
            // SAFETY: The module stays during the call.
            if unsafe { namesake::may_come::<N>(place, module) } {
                return DONE;
            }
            // SAFETY: Pure arithmetic.
            return unsafe { bindings::rvs_helper_notifier_from_errno(EBUSY.to_errno()) };
        }
        // SAFETY: Its loading holds the module during the call; its end is told below.
        bindings::module_state_MODULE_STATE_LIVE => unsafe { namesake::came::<N>(place, module) },
        bindings::module_state_MODULE_STATE_GOING => namesake::went::<N>(place, module),
        _ => {}
    }
    DONE
}
