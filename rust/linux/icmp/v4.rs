// SPDX-License-Identifier: GPL-2.0
//! ICMP errors of IPv4.
//!
//! C header: `include/net/icmp.h`

use super::Error;
use crate::bindings;
use crate::skb::Skb;

/// Sends an error about a packet of IPv4.
pub(super) fn send(skb: &mut Skb<'_>, error: Error) {
    let (kind, code, info) = match error {
        Error::PortUnreachable => (bindings::ICMP_DEST_UNREACH, bindings::ICMP_PORT_UNREACH, 0),
        Error::TooBig(mtu) => (
            bindings::ICMP_DEST_UNREACH,
            bindings::ICMP_FRAG_NEEDED,
            mtu.to_be(),
        ),
        Error::TimeExceeded => (bindings::ICMP_TIME_EXCEEDED, bindings::ICMP_EXC_TTL, 0),
    };
    // SAFETY: The packet is valid, is one of IPv4 and ours; C only reads it.
    unsafe { bindings::rvs_helper_icmp_send(skb.as_raw(), kind as i32, code as i32, info) };
}
