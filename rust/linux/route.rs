// SPDX-License-Identifier: GPL-2.0
//! Routes out of a namespace, and one remembered for each real server.
//!
//! A remembered route is read by packets without a reference: it is released only after every
//! reader that may have found it is done.
//!
//! C header: `include/net/route.h`, `include/net/dst.h`

use crate::bindings;
use crate::net::Net;
use crate::rcu::{self, Arc, Reader, Slot};
use crate::skb::Skb;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use kernel::alloc::flags::GFP_ATOMIC;
use kernel::types::NotThreadSafe;

/// How the next hop of a route is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// As the routing table says.
    Table,
    /// The address itself: whoever answers for it on the link gets the packet.
    Address,
}

/// What kind of address the routing tables take an address for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of this host.
    Local,
    /// One of another host.
    Unicast,
    /// Anything else: broadcast, multicast, unreachable.
    Other,
}

/// Returns what kind of address `addr` is in `net`.
pub fn kind_v4(net: &Net, addr: [u8; 4]) -> Kind {
    // SAFETY: The namespace is borrowed, so alive.
    match unsafe { bindings::inet_addr_type(net.as_raw(), u32::from_ne_bytes(addr)) } {
        bindings::RTN_LOCAL => Kind::Local,
        bindings::RTN_UNICAST => Kind::Unicast,
        _ => Kind::Other,
    }
}

/// A way for packets to leave, for as long as `'g`.
///
/// # Invariants
///
/// `dst` is a valid IPv4 route for all of `'g`; if `counted`, a reference to it belongs to this value.
pub struct Route<'g> {
    dst: NonNull<bindings::dst_entry>,
    counted: bool,
    _reader: PhantomData<&'g ()>,
    _thread: NotThreadSafe,
}

impl<'g> Route<'g> {
    /// Looks up the route to an IPv4 address, by nothing but the address.
    pub fn to_v4(net: &Net, addr: [u8; 4], hop: NextHop) -> Option<Self> {
        let flags = match hop {
            NextHop::Table => 0,
            NextHop::Address => bindings::FLOWI_FLAG_KNOWN_NH as u8,
        };
        let addr = u32::from_ne_bytes(addr);
        // SAFETY: The namespace is borrowed, so alive.
        let dst = unsafe { bindings::rvs_helper_ip_route_output_key(net.as_raw(), addr, flags) };
        // INVARIANT: The look-up returns a counted reference.
        Some(Self::from_parts(NonNull::new(dst)?, true))
    }

    fn from_parts(dst: NonNull<bindings::dst_entry>, counted: bool) -> Self {
        Self {
            dst,
            counted,
            _reader: PhantomData,
            _thread: NotThreadSafe,
        }
    }

    /// Returns whether the route ends at this host.
    #[inline]
    pub fn is_local(&self) -> bool {
        // SAFETY: The route is valid and one of IPv4 by the type invariant.
        unsafe { bindings::rvs_helper_rt_flags(self.dst.as_ptr()) & bindings::RTCF_LOCAL != 0 }
    }

    /// Returns the most bytes of a packet that the route takes.
    #[inline]
    pub fn mtu(&self) -> u32 {
        // SAFETY: The route is valid by the type invariant.
        unsafe { bindings::rvs_helper_dst_mtu(self.dst.as_ptr()) }
    }

    /// Returns the room that the route's device needs in front of a packet.
    pub(crate) fn link_header(&self) -> u32 {
        // SAFETY: A route has a device for life.
        u32::from(unsafe { (*self.device()).hard_header_len })
    }

    fn device(&self) -> *mut bindings::net_device {
        // SAFETY: The route is valid by the type invariant.
        unsafe { bindings::rvs_helper_dst_dev(self.dst.as_ptr()) }
    }

    /// Returns whether the route's device is up, so that the route may be remembered.
    fn is_running(&self) -> bool {
        // SAFETY: A route has a device for life.
        unsafe { bindings::rvs_helper_netif_running(self.device()) }
    }

    /// Makes this the route of a packet.
    ///
    /// A reference is handed over; a route without one is lent to the packet, which must be sent
    /// inside the same read section.
    #[inline(always)]
    pub(crate) fn attach(self, skb: &Skb<'g>) {
        let route = ManuallyDrop::new(self);
        // SAFETY: The packet is valid and ours.
        unsafe { bindings::rvs_helper_skb_dst_drop(skb.as_raw()) };
        if route.counted {
            // SAFETY: The reference of this value becomes the packet's.
            unsafe { bindings::rvs_helper_skb_dst_set(skb.as_raw(), route.dst.as_ptr()) };
        } else {
            // SAFETY: The route is valid to the end of the read section `'g`; what keeps the
            // packet longer takes a reference then.
            unsafe { bindings::rvs_helper_skb_dst_set_noref(skb.as_raw(), route.dst.as_ptr()) };
        }
    }
}

impl Drop for Route<'_> {
    fn drop(&mut self) {
        if self.counted {
            // SAFETY: The reference belongs to this value by the type invariant.
            unsafe { bindings::dst_release(self.dst.as_ptr()) };
        }
    }
}

/// A reference to a route that is shared by all CPUs.
///
/// # Invariants
///
/// A reference to the valid route `dst` belongs to this value.
struct Held {
    dst: NonNull<bindings::dst_entry>,
}

// SAFETY: Routes are shared by all CPUs and released on any.
unsafe impl Send for Held {}
// SAFETY: A shared reference only reads what all CPUs may read.
unsafe impl Sync for Held {}

impl Held {
    fn is_valid(&self) -> bool {
        // SAFETY: The route is valid by the type invariant. Routes of IPv4 need no cookie.
        unsafe { !bindings::rvs_helper_dst_check(self.dst.as_ptr(), 0).is_null() }
    }
}

/// A namespace and a device go when all releases that were begun before are over, as far as RCU's
/// callbacks go: IPv6 counts the routes of a namespace in memory of the namespace.
impl rcu::Prompt for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: The reference belongs to this value by the type invariant.
        unsafe { bindings::dst_release(self.dst.as_ptr()) };
    }
}

/// The route to one real server, if it is known.
pub struct Cache(Slot<Held>);

impl Cache {
    /// Makes a cache that knows nothing.
    pub fn new() -> Self {
        Self(Slot::empty())
    }

    /// Returns the remembered route, unless the routing tables have changed since.
    #[inline]
    pub fn get<'g>(&self, rcu: Reader<'g>) -> Option<Route<'g>> {
        let held = self.0.read(rcu)?.get();
        // INVARIANT: What was found in the slot keeps its reference to the end of `'g`.
        held.is_valid().then(|| Route::from_parts(held.dst, false))
    }

    /// Remembers `route`, if its device is up and memory is left.
    pub fn fill(&self, route: &Route<'_>) {
        if !route.is_running() {
            return;
        }
        // SAFETY: The route is valid by its type invariant.
        unsafe { bindings::rvs_helper_dst_hold(route.dst.as_ptr()) };
        // INVARIANT: The reference was just taken.
        if let Ok(held) = Arc::new_prompt(Held { dst: route.dst }, GFP_ATOMIC) {
            drop(self.0.replace(Some(held)));
        }
    }

    /// Forgets the route.
    pub fn clear(&self) {
        drop(self.0.replace(None));
    }

    /// Forgets the route if it leaves through the device with this number.
    pub fn clear_through(&self, device: u32, rcu: Reader<'_>) {
        let Some(held) = self.0.read(rcu) else { return };
        let route = Route::from_parts(held.get().dst, false);
        // SAFETY: A route has a device for life.
        if unsafe { (*route.device()).ifindex } == device as i32 {
            self.clear();
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells the sender of a packet that what it wanted cannot be reached, if its route knows how.
pub fn link_failure(skb: &mut Skb<'_>) {
    // SAFETY: The packet is valid and ours, and a hook runs inside an RCU section.
    unsafe { bindings::rvs_helper_dst_link_failure(skb.as_raw()) };
}
