// SPDX-License-Identifier: GPL-2.0
//! Routes out of a namespace, and one remembered for each real server.
//!
//! A route is used inside one RCU read section: its device is replaced when it goes, and freed after
//! the sections that may have read it. A remembered route is read by packets without a reference, and
//! released only after every reader that may have found it is done.
//!
//! C header: `include/net/dst.h`

mod v4;
mod v6;

use crate::bindings;
use crate::inet::Family;
use crate::net::Net;
use crate::rcu::{self, Arc, Reader, Slot};
use core::mem::ManuallyDrop;
use core::net::IpAddr;
use core::ptr::NonNull;
use kernel::alloc::flags::GFP_ATOMIC;

/// How the next hop of a route is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// As the routing table says.
    Table,
    /// The address itself: the neighbour that answers for it on the link gets the packet.
    Address,
}

/// What a route is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where packets are to go.
    pub addr: IpAddr,
    /// By which neighbour.
    pub hop: NextHop,
    /// From where.
    pub sender: Sender,
}

/// What the packets are that take a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Those of another sender.
    Other,
    /// Those of this host: the route is that of its own address, and policies may wrap them.
    Host,
}

/// What kind of address an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// One of this host.
    Local,
    /// One of another host.
    Unicast,
    /// Anything else: broadcast, multicast, unreachable, or good for one link only.
    Other,
}

/// Returns what kind of address `addr` is in `net`.
pub fn kind(net: &Net, addr: IpAddr) -> AddressKind {
    match addr {
        IpAddr::V4(addr) => v4::kind(net, addr),
        IpAddr::V6(addr) => v6::kind(net, addr),
    }
}

/// Returns whether packets to `addr` lead past this host, as C asks: of IPv6 only the address is looked
/// at.
pub fn leads_past(net: &Net, addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => v4::kind(net, addr) == AddressKind::Unicast,
        IpAddr::V6(addr) => v6::is_unicast(addr),
    }
}

/// The bytes of the address that this host sends from; those of IPv4 are the first.
type Source = [u8; 16];

/// A way for packets to leave, for as long as `'g`.
///
/// # Invariants
///
/// `dst` is a valid route of `family` for all of `'g`; if `counted`, a reference to it belongs to
/// this value.
pub struct Route<'g> {
    dst: NonNull<bindings::dst_entry>,
    family: Family,
    source: Source,
    counted: bool,
    rcu: Reader<'g>,
}

impl<'g> Route<'g> {
    /// Looks up a route, by nothing but the target; `None` if there is none.
    ///
    /// Of IPv6 there is none either where this host has no address to send from.
    pub fn to(net: &Net, target: Target, rcu: Reader<'g>) -> Option<Self> {
        match target.addr {
            IpAddr::V4(addr) => v4::look_up(net, addr, target, rcu),
            IpAddr::V6(addr) => v6::look_up(net, addr, target, rcu),
        }
    }

    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// `dst` is a valid route of `family`, and the caller gives up a reference to it.
    unsafe fn from_counted(
        dst: NonNull<bindings::dst_entry>,
        family: Family,
        rcu: Reader<'g>,
    ) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            dst,
            family,
            source: [0; 16],
            counted: true,
            rcu,
        }
    }

    /// Returns the same route with the address that this host sends from.
    fn sent_from(mut self, addr: IpAddr) -> Self {
        self.source = match addr {
            IpAddr::V4(addr) => {
                let [a, b, c, d] = addr.octets();
                [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            }
            IpAddr::V6(addr) => addr.octets(),
        };
        self
    }

    /// Returns the address that this host sends from along the route; unspecified for a route that was
    /// not looked up here.
    pub fn source(&self) -> IpAddr {
        match (self.family, self.source) {
            (Family::V4, [a, b, c, d, ..]) => IpAddr::from([a, b, c, d]),
            (Family::V6, octets) => IpAddr::from(octets),
        }
    }

    /// Borrows a packet's own route; `None` if it is of another family than those here.
    ///
    /// # Safety
    ///
    /// `dst` is valid for all of `'g`.
    #[inline]
    pub(crate) unsafe fn borrow(
        dst: NonNull<bindings::dst_entry>,
        rcu: Reader<'g>,
    ) -> Option<Self> {
        // SAFETY: By the caller's promise.
        let number = unsafe { bindings::rvs_helper_dst_family(dst.as_ptr()) };
        // INVARIANT: The family is the route's own; the rest is the caller's promise.
        Some(Self {
            dst,
            family: Family::from_number(number)?,
            source: [0; 16],
            counted: false,
            rcu,
        })
    }

    /// Returns the family of the packets that the route is for.
    #[inline]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns whether the route ends at this host.
    #[inline]
    pub fn is_local(&self) -> bool {
        match self.family {
            // SAFETY: By the type invariant.
            Family::V4 => unsafe { v4::is_local(self.dst) },
            Family::V6 => v6::is_local(self),
        }
    }

    /// Returns whether the route was found for a packet that arrived; `None` if routes of its family
    /// do not tell.
    #[inline]
    pub fn is_input(&self) -> Option<bool> {
        match self.family {
            // SAFETY: By the type invariant.
            Family::V4 => Some(unsafe { v4::is_input(self.dst) }),
            Family::V6 => None,
        }
    }

    /// Returns the most bytes of a packet that the route takes.
    #[inline]
    pub fn mtu(&self) -> u32 {
        // SAFETY: The route is valid by the type invariant.
        unsafe { bindings::rvs_helper_dst_mtu(self.dst.as_ptr()) }
    }

    /// Returns the room that the route's device needs in front of a packet.
    pub(crate) fn link_header(&self) -> u32 {
        // SAFETY: The device is valid to the end of the section, as `device` says.
        u32::from(unsafe { (*self.device().as_ptr()).hard_header_len })
    }

    /// Returns whether the route's device makes checksums by CRC32c on output.
    #[inline]
    pub fn makes_crc32c(&self) -> bool {
        // SAFETY: The device is valid to the end of the section, as `device` says.
        unsafe { bindings::rvs_helper_dev_makes_crc32c(self.device().as_ptr()) }
    }

    /// Returns the room that the route's device likes to have in front of a packet that is made here.
    pub(crate) fn reserved_space(&self) -> u32 {
        // SAFETY: The device is valid to the end of the section, as `device` says.
        unsafe { bindings::rvs_helper_ll_reserved_space(self.device().as_ptr()) }
    }

    /// Returns C's route, valid for as long as this one.
    pub(crate) fn as_raw(&self) -> *mut bindings::dst_entry {
        self.dst.as_ptr()
    }

    /// Returns the device, valid for all of `'g`: once it goes, another one takes its place in the
    /// route, and it is freed after the section.
    pub(crate) fn device(&self) -> NonNull<bindings::net_device> {
        let _section = self.rcu;
        // SAFETY: The route is valid by the type invariant, and the section that `rcu` is proof of
        // is open.
        let device = unsafe { bindings::rvs_helper_dst_dev_rcu(self.dst.as_ptr()) };
        // SAFETY: A route has a device as long as it is valid.
        unsafe { NonNull::new_unchecked(device) }
    }

    /// Returns whether the route's device is up.
    fn is_running(&self) -> bool {
        // SAFETY: The device is valid to the end of the section.
        unsafe { bindings::rvs_helper_netif_running(self.device().as_ptr()) }
    }

    /// Returns the number of the route's device.
    fn device_number(&self) -> i32 {
        // SAFETY: The device is valid to the end of the section.
        unsafe { (*self.device().as_ptr()).ifindex }
    }

    /// Gives up the value, and tells whether a reference to the route becomes the caller's.
    #[inline]
    pub(crate) fn into_raw(self) -> (NonNull<bindings::dst_entry>, bool) {
        let route = ManuallyDrop::new(self);
        (route.dst, route.counted)
    }
}

impl Drop for Route<'_> {
    #[inline]
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
/// A reference to `dst`, a valid route of `family`, belongs to this value.
struct Held {
    dst: NonNull<bindings::dst_entry>,
    family: Family,
    source: Source,
    /// What the routing tables said when the route was found.
    cookie: u32,
}

// SAFETY: Routes are shared by all CPUs and released on any.
unsafe impl Send for Held {}
// SAFETY: A shared reference only reads what all CPUs may read.
unsafe impl Sync for Held {}

impl Held {
    /// Takes a reference to a route; `None` when its last one has gone already.
    fn new(route: &Route<'_>) -> Option<Self> {
        // SAFETY: The route is valid by its type invariant.
        unsafe { bindings::rvs_helper_dst_hold_safe(route.dst.as_ptr()) }.then_some(())?;
        let cookie = match route.family {
            // Its routes are checked without one.
            Family::V4 => 0,
            // SAFETY: By the route's type invariant.
            Family::V6 => unsafe { v6::cookie(route.dst) },
        };
        // INVARIANT: The reference was just taken.
        Some(Self {
            dst: route.dst,
            family: route.family,
            source: route.source,
            cookie,
        })
    }

    #[inline]
    fn is_valid(&self) -> bool {
        // SAFETY: The route is valid by the type invariant.
        unsafe { !bindings::rvs_helper_dst_check(self.dst.as_ptr(), self.cookie).is_null() }
    }
}

/// A namespace and a device go when all releases that were begun before are over, as far as RCU's
/// callbacks go: IPv6 counts the routes of a namespace in memory of the namespace.
// SAFETY: C lets go of references to routes in softirq, too: what is left to do sleeps in its own work.
unsafe impl rcu::Prompt for Held {}

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
        held.is_valid().then(|| Self::route(held, rcu))
    }

    /// Returns how many bytes the remembered route took, whether or not the routing tables have changed
    /// since.
    pub fn last_mtu(&self, rcu: Reader<'_>) -> Option<u32> {
        let held = self.0.read(rcu)?.get();
        Some(Self::route(held, rcu).mtu())
    }

    /// Borrows what the slot holds or held.
    #[inline]
    fn route<'g>(held: &'g Held, rcu: Reader<'g>) -> Route<'g> {
        // INVARIANT: What was found in the slot keeps its reference to the end of `'g`.
        Route {
            dst: held.dst,
            family: held.family,
            source: held.source,
            counted: false,
            rcu,
        }
    }

    /// Remembers `route` if its device is up, `is_wanted` says so, and memory is left.
    ///
    /// A device goes down before [`Cache::clear_through`] is called for it; in the same way
    /// [`Cache::clear`] is to be called after `is_wanted` began to return false.
    pub fn fill(&self, route: &Route<'_>, is_wanted: impl Fn() -> bool) {
        let may_stay = || route.is_running() && is_wanted();
        if !may_stay() {
            return;
        }
        let Some(held) = Held::new(route) else { return };
        let Ok(held) = Arc::new_prompt(held, GFP_ATOMIC) else {
            return;
        };
        drop(self.0.replace(Some(held)));
        // What ended before the store may have found the cache empty. The exchange in `replace`
        // orders the store before these loads.
        if !may_stay() {
            self.clear();
        }
    }

    /// Forgets the route.
    pub fn clear(&self) {
        drop(self.0.replace(None));
    }

    /// Forgets the route if it leaves through the device with this number.
    ///
    /// Where the device has left the route already, the route is not valid any more.
    pub fn clear_through(&self, device: u32, rcu: Reader<'_>) {
        let Some(held) = self.0.read(rcu) else { return };
        if Self::route(held.get(), rcu).device_number() == device as i32 {
            self.clear();
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}
