// SPDX-License-Identifier: GPL-2.0
//! Routes of IPv4.
//!
//! C header: `include/net/route.h`

use super::{Kind, NextHop, Route};
use crate::bindings;
use crate::inet::Family;
use crate::net::Net;
use crate::rcu::Reader;
use core::net::Ipv4Addr;
use core::ptr::NonNull;

/// Returns an address as C stores it.
fn word(addr: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(addr.octets())
}

/// Looks up a route.
pub(super) fn look_up<'g>(
    net: &Net,
    addr: Ipv4Addr,
    hop: NextHop,
    rcu: Reader<'g>,
) -> Option<Route<'g>> {
    let flags = match hop {
        NextHop::Table => 0,
        NextHop::Address => bindings::FLOWI_FLAG_KNOWN_NH as u8,
    };
    // SAFETY: The namespace is borrowed, so alive.
    let dst = unsafe { bindings::rvs_helper_ip_route_output_key(net.as_raw(), word(addr), flags) };
    // SAFETY: The look-up takes a reference, which becomes ours, to a route of IPv4.
    NonNull::new(dst).map(|dst| unsafe { Route::from_counted(dst, Family::V4, rcu) })
}

/// Returns what kind of address `addr` is in `net`.
pub(super) fn kind(net: &Net, addr: Ipv4Addr) -> Kind {
    // SAFETY: The namespace is borrowed, so alive.
    match unsafe { bindings::inet_addr_type(net.as_raw(), word(addr)) } {
        bindings::RTN_LOCAL => Kind::Local,
        bindings::RTN_UNICAST => Kind::Unicast,
        _ => Kind::Other,
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
