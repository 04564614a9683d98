// SPDX-License-Identifier: GPL-2.0
//! Routes of IPv6.
//!
//! C header: `include/net/ip6_route.h`, `include/net/ip6_fib.h`, `include/net/addrconf.h`

use super::{AddressKind, NextHop, Route, Sender, Target};
use crate::bindings;
use crate::inet::Family;
use crate::net::Net;
use crate::rcu::{self, Reader};
use core::net::{IpAddr, Ipv6Addr};
use core::ptr::NonNull;

/// Returns an address as C stores it.
fn raw(addr: Ipv6Addr) -> bindings::in6_addr {
    bindings::in6_addr {
        in6_u: bindings::in6_addr__bindgen_ty_1 {
            u6_addr8: addr.octets(),
        },
    }
}

/// Looks up a route on which this host has an address to send from.
pub(super) fn look_up<'g>(
    net: &Net,
    addr: Ipv6Addr,
    target: Target,
    rcu: Reader<'g>,
) -> Option<Route<'g>> {
    let flags = match target.hop {
        NextHop::Table => 0,
        NextHop::Address => bindings::FLOWI_FLAG_KNOWN_NH as u8,
    };
    let addr = raw(addr);
    let mut source = raw(Ipv6Addr::UNSPECIFIED);
    let route = output(net, (&addr, &mut source), flags, rcu)?;
    if !find_source(net, &route, (&addr, &mut source)) {
        return None;
    }
    let route = match target.sender {
        Sender::Other => route,
        Sender::Host => transform(net, route, (&addr, &source), rcu)?,
    };
    Some(route.sent_from(IpAddr::V6(octets(&source).into())))
}

/// Asks the policies of xfrm what becomes of packets from `source` to `addr`; `None` where these may not
/// go.
fn transform<'g>(
    net: &Net,
    route: Route<'g>,
    (addr, source): (&bindings::in6_addr, &bindings::in6_addr),
    rcu: Reader<'g>,
) -> Option<Route<'g>> {
    let (dst, counted) = route.into_raw();
    if !counted {
        return None;
    }
    // SAFETY: The namespace is borrowed, so alive, the addresses are valid, and the reference to the
    // route, which is one of IPv6, is given up.
    let dst =
        unsafe { bindings::rvs_helper_xfrm_lookup_ipv6(net.as_raw(), dst.as_ptr(), addr, source) };
    // SAFETY: The look-up takes a reference, which becomes ours, to a route of IPv6.
    NonNull::new(dst).map(|dst| unsafe { Route::from_counted(dst, Family::V6, rcu) })
}

/// Returns the bytes of an address.
fn octets(addr: &bindings::in6_addr) -> [u8; 16] {
    // SAFETY: All of an address is written, and any bytes will do.
    unsafe { addr.in6_u.u6_addr8 }
}

/// Asks the routing tables for a way from `source` to `addr`; routing rules may choose the source.
fn output<'g>(
    net: &Net,
    (addr, source): (&bindings::in6_addr, &mut bindings::in6_addr),
    flags: u8,
    rcu: Reader<'g>,
) -> Option<Route<'g>> {
    if !Family::V6.is_enabled() {
        return None;
    }
    // SAFETY: The namespace is borrowed, so alive, and the kernel has IPv6; both addresses are valid.
    let dst = unsafe { bindings::rvs_helper_ip6_route_output(net.as_raw(), addr, source, flags) };
    let dst = NonNull::new(dst)?;
    // SAFETY: The look-up takes a reference, which becomes ours, to a route of IPv6.
    let route = unsafe { Route::from_counted(dst, Family::V6, rcu) };
    // SAFETY: The route is valid, and says for life whether it leads anywhere.
    let error = unsafe { (*dst.as_ptr()).error };
    (error == 0).then_some(route)
}

/// Chooses the address to send from, if no rule did; returns whether there is one.
fn find_source(
    net: &Net,
    route: &Route<'_>,
    (addr, source): (&bindings::in6_addr, &mut bindings::in6_addr),
) -> bool {
    if !Ipv6Addr::from(octets(source)).is_unspecified() {
        return true;
    }
    // SAFETY: The route is one of IPv6 and valid; what it leads to lives to the end of the section
    // that the route is proof of.
    let device = unsafe { bindings::rvs_helper_ip6_dst_idev_dev(route.dst.as_ptr()) };
    // SAFETY: The namespace is borrowed, so alive; the device is null or valid, the addresses are valid.
    let error = unsafe { bindings::ipv6_dev_get_saddr(net.as_raw(), device, addr, 0, source) };
    error == 0
}

/// Returns what kind of address `addr` is in `net`.
pub(super) fn kind(net: &Net, addr: Ipv6Addr) -> AddressKind {
    if ends_here(net, &raw(addr)) {
        AddressKind::Local
    } else if is_unicast(addr) && !addr.is_unicast_link_local() {
        AddressKind::Unicast
    } else {
        AddressKind::Other
    }
}

/// Returns whether packets to `addr` end at this host.
fn ends_here(net: &Net, addr: &bindings::in6_addr) -> bool {
    let mut source = raw(Ipv6Addr::UNSPECIFIED);
    rcu::read(|rcu| {
        let route = output(net, (addr, &mut source), 0, rcu);
        route.is_some_and(|route| is_local(&route))
    })
}

/// Returns whether an address is one of one host, as far as it tells.
pub(super) fn is_unicast(addr: Ipv6Addr) -> bool {
    !addr.is_unspecified() && !addr.is_multicast() && addr.to_ipv4_mapped().is_none()
}

/// Returns whether a route ends at this host: it leads to loopback then, where C looks as well.
#[inline]
pub(super) fn is_local(route: &Route<'_>) -> bool {
    // SAFETY: The device is valid to the end of the section.
    unsafe { bindings::rvs_helper_dev_is_loopback(route.device().as_ptr()) }
}

/// Returns what tells a route that is remembered from what the routing tables say later.
///
/// # Safety
///
/// `dst` is a valid route of IPv6.
pub(super) unsafe fn cookie(dst: NonNull<bindings::dst_entry>) -> u32 {
    // SAFETY: By the caller's promise.
    unsafe { bindings::rvs_helper_rt6_get_cookie(dst.as_ptr()) }
}
