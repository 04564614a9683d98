// SPDX-License-Identifier: GPL-2.0
//! ICMP errors of IPv6.
//!
//! C sends none about a packet without a device, which one that was sent here has not got yet.
//!
//! C header: `include/linux/icmpv6.h`

use super::Error;
use crate::bindings;
use crate::skb::Skb;
use core::ptr;

/// Sends an error about a packet of IPv6.
///
/// The device is what chooses the address that the error comes from.
pub(super) fn send(skb: &mut Skb<'_>, error: Error) {
    let (kind, code, info) = match error {
        Error::PortUnreachable => (
            bindings::ICMPV6_DEST_UNREACH,
            bindings::ICMPV6_PORT_UNREACH,
            0,
        ),
        Error::TooBig(mtu) => (bindings::ICMPV6_PKT_TOOBIG, 0, mtu),
        Error::TimeExceeded => (
            bindings::ICMPV6_TIME_EXCEED,
            bindings::ICMPV6_EXC_HOPLIMIT,
            0,
        ),
    };
    match error {
        Error::TimeExceeded => skb.take_device_of_route(),
        Error::PortUnreachable | Error::TooBig(_) if !skb.has_device() => skb.take_loopback(),
        Error::PortUnreachable | Error::TooBig(_) => (),
    }
    // SAFETY: The packet is valid, is one of IPv6 and ours; C only reads it.
    unsafe { bindings::rvs_helper_icmpv6_send(skb.as_raw(), kind as u8, code as u8, info) };
}

/// Counts a packet of IPv6 that is thrown away for its header.
pub(super) fn count_header_error(skb: &Skb<'_>) {
    let device = skb.device().unwrap_or(ptr::null_mut());
    // SAFETY: The namespace that a packet passes is alive, its device is null or valid, and a hook
    // runs inside an RCU section.
    unsafe { bindings::rvs_helper_ip6_inc_hdr_errors(skb.net(), device) };
}
