// SPDX-License-Identifier: GPL-2.0
//! Routes of IPv4.
//!
//! C header: `include/net/route.h`

use super::{AddressKind, NextHop, Route, Sender, Target};
use crate::bindings;
use crate::inet::Family;
use crate::net::Net;
use crate::rcu::Reader;
use core::net::{IpAddr, Ipv4Addr};
use core::ptr::NonNull;

/// Returns an address as C stores it.
fn word(addr: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(addr.octets())
}

/// Looks up a route.
///
/// Packets of this host have its address as their source, for which there may be another route.
pub(super) fn look_up<'g>(
    net: &Net,
    addr: Ipv4Addr,
    target: Target,
    rcu: Reader<'g>,
) -> Option<Route<'g>> {
    let first = output(net, (addr, 0), target.hop, rcu)?;
    match (target.sender, first.source()) {
        (Sender::Host, IpAddr::V4(source)) if !source.is_unspecified() => {
            output(net, (addr, word(source)), target.hop, rcu)
        }
        (Sender::Host | Sender::Other, IpAddr::V4(_) | IpAddr::V6(_)) => Some(first),
    }
}

/// Asks the routing tables for a way from `source`, which is 0 for any, to `addr`.
fn output<'g>(
    net: &Net,
    (addr, mut source): (Ipv4Addr, u32),
    hop: NextHop,
    rcu: Reader<'g>,
) -> Option<Route<'g>> {
    let flags = match hop {
        NextHop::Table => 0,
        NextHop::Address => bindings::FLOWI_FLAG_KNOWN_NH as u8,
    };
    let addr = word(addr);
    // SAFETY: The namespace is borrowed, so alive, and so is `source`.
    let dst =
        unsafe { bindings::rvs_helper_ip_route_output_key(net.as_raw(), addr, &mut source, flags) };
    let dst = NonNull::new(dst)?;
    // SAFETY: The look-up takes a reference, which becomes ours, to a route of IPv4.
    let route = unsafe { Route::from_counted(dst, Family::V4, rcu) };
    Some(route.sent_from(IpAddr::from(source.to_ne_bytes())))
}

/// Returns what kind of address `addr` is in `net`.
pub(super) fn kind(net: &Net, addr: Ipv4Addr) -> AddressKind {
    // SAFETY: The namespace is borrowed, so alive.
    match unsafe { bindings::inet_addr_type(net.as_raw(), word(addr)) } {
        bindings::RTN_LOCAL => AddressKind::Local,
        bindings::RTN_UNICAST => AddressKind::Unicast,
        _ => AddressKind::Other,
    }
}

/// Returns whether a route ends at this host.
///
/// # Safety
///
/// `dst` is a valid route of IPv4.
#[inline]
pub(super) unsafe fn is_local(dst: NonNull<bindings::dst_entry>) -> bool {
    // SAFETY: By the caller's promise.
    let flags = unsafe { bindings::rvs_helper_rt_flags(dst.as_ptr()) };
    flags & bindings::RTCF_LOCAL != 0
}

/// Returns whether a route was found for a packet that arrived.
///
/// # Safety
///
/// `dst` is a valid route of IPv4.
#[inline]
pub(super) unsafe fn is_input(dst: NonNull<bindings::dst_entry>) -> bool {
    // SAFETY: By the caller's promise.
    unsafe { bindings::rvs_helper_rt_is_input_route(dst.as_ptr()) }
}
