// SPDX-License-Identifier: GPL-2.0
//! Errors that tell the sender of a packet why it went no further.
//!
//! C limits their rate and sends none about packets that are errors themselves.
//!
//! C header: `include/net/icmp.h`, `include/linux/icmpv6.h`, `include/net/dst.h`

mod quoted;
mod v4;
mod v6;

use crate::bindings;
use crate::inet::Family;
use crate::skb::Skb;
pub use quoted::Quoted;

/// Why a packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The port is not served.
    PortUnreachable,
    /// The packet must not be fragmented and is longer than this.
    TooBig(u32),
    /// The packet was forwarded too often.
    TimeExceeded,
}

/// Sends an ICMP error about a packet to its source.
///
/// A packet of IPv6 may have another device afterwards, so it is to be thrown away.
pub fn send(skb: &mut Skb<'_>, error: Error) {
    match skb.family() {
        Family::V4 => v4::send(skb, error),
        Family::V6 => v6::send(skb, error),
    }
}

/// Tells the source of a packet that its destination cannot be reached, if the packet's own route
/// knows how.
///
/// A packet that was sent here has no device yet, and gets that of its route. Over loopback, errors
/// are not limited.
pub fn send_unreachable(skb: &mut Skb<'_>) {
    if !skb.has_device() {
        skb.take_device_of_route();
    }
    // SAFETY: The packet is valid and ours, and a hook runs inside an RCU section.
    unsafe { bindings::rvs_helper_dst_link_failure(skb.as_raw()) };
}

/// Counts a packet that is thrown away for its header, before an error is sent about it: IPv6 counts
/// by the device that it came over as well.
pub fn count_header_error(skb: &Skb<'_>) {
    match skb.family() {
        // SAFETY: The namespace that a packet passes is alive.
        Family::V4 => unsafe { bindings::rvs_helper_ip_inc_hdr_errors(skb.net()) },
        Family::V6 => v6::count_header_error(skb),
    }
}
