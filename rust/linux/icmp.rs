// SPDX-License-Identifier: GPL-2.0
//! Errors that tell the sender of a packet why it went no further.
//!
//! C header: `include/net/icmp.h`

use crate::bindings;
use crate::net::Net;
use crate::netfilter::Family;
use crate::skb::Skb;

/// Why an IPv4 packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody serves the port.
    PortUnreachable,
    /// The packet must not be fragmented and is longer than this.
    FragmentationNeeded(u16),
    /// The packet was forwarded too often.
    TimeExceeded,
}

/// Sends an ICMP error about a packet to where it came from.
///
/// C limits the rate and keeps silent about packets that are errors themselves. Packets of IPv6
/// are passed over.
pub fn send(skb: &mut Skb<'_>, error: Error) {
    if skb.family() == Family::V6 {
        return;
    }
    let (kind, code, info) = match error {
        Error::PortUnreachable => (bindings::ICMP_DEST_UNREACH, bindings::ICMP_PORT_UNREACH, 0),
        Error::FragmentationNeeded(mtu) => (
            bindings::ICMP_DEST_UNREACH,
            bindings::ICMP_FRAG_NEEDED,
            u32::from(mtu).to_be(),
        ),
        Error::TimeExceeded => (bindings::ICMP_TIME_EXCEEDED, bindings::ICMP_EXC_TTL, 0),
    };
    // SAFETY: The packet is valid, is one of IPv4 and ours; C only reads it.
    unsafe { bindings::rvs_helper_icmp_send(skb.as_raw(), kind as i32, code as i32, info) };
}

/// Counts a packet that was thrown away for its header.
pub fn count_header_error(net: &Net) {
    // SAFETY: The namespace is borrowed, so alive.
    unsafe { bindings::rvs_helper_ip_inc_hdr_errors(net.as_raw()) };
}
