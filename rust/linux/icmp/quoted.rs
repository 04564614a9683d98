// SPDX-License-Identifier: GPL-2.0
//! The packet that an ICMP error of IPv4 quotes, taken out of the error.
//!
//! C header: `include/net/icmp.h`, `include/net/route.h`

use crate::bindings;
use crate::inet::Family;
use crate::skb::{Skb, Verdict};

/// The shortest header of IPv4, in bytes.
const HEADER: u32 = 20;

/// The packet that an ICMP error of IPv4 quotes: it is told about, and nothing else.
///
/// # Invariants
///
/// The packet's data begins with at least [`HEADER`] linear bytes, where its network header is said to be.
pub struct Quoted<'a>(Skb<'a>);

impl<'a> Skb<'a> {
    /// Takes out of an error what begins so many bytes after its own beginning.
    ///
    /// # Errors
    ///
    /// The packet, when it is not of IPv4, is shorter, or there is no memory.
    pub fn quoted(self, offset: u32) -> Result<Quoted<'a>, Self> {
        if self.family() != Family::V4 {
            return Err(self);
        }
        let mut quoted = Quoted(self);
        match quoted.advance(offset) {
            true => Ok(quoted),
            false => Err(quoted.0),
        }
    }
}

impl Quoted<'_> {
    /// Goes on to what begins so many bytes later; returns whether at least a header is there. If not,
    /// nothing changed.
    pub fn advance(&mut self, by: u32) -> bool {
        let skb = self.0.as_raw();
        let Some(wanted) = by.checked_add(HEADER) else {
            return false;
        };
        // SAFETY: The packet is valid and ours; no slice of its bytes is alive.
        if !unsafe { bindings::rvs_helper_pskb_may_pull(skb, wanted) } {
            return false;
        }
        // INVARIANT: As many bytes are linear, and `HEADER` are left.
        // SAFETY: The packet is valid and ours, and has as many linear bytes.
        unsafe { bindings::skb_pull(skb, by) };
        // SAFETY: The packet is valid and ours.
        unsafe { bindings::rvs_helper_skb_reset_network_header(skb) };
        // SAFETY: The packet is valid and ours, and in a hook of IP. What was noted of options is of
        // another header.
        unsafe { bindings::rvs_helper_ipcb_clear_options(skb) };
        true
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// Returns whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps in mind for the way of the packet that no more than `mtu` bytes fit.
    pub fn update_route(&mut self, mtu: u32) {
        let net = self.0.net();
        // SAFETY: The packet is valid and ours, its data begins with as many bytes as a header of IPv4,
        // by the type invariant; the namespace is alive.
        unsafe { bindings::ipv4_update_pmtu(self.0.as_raw(), net, mtu, 0, 0) };
    }

    /// Sends an ICMP error about the packet to its source; `rest` is the second word of its header.
    pub fn notify_sender(&mut self, kind: u8, code: u8, rest: [u8; 4]) {
        let (kind, code, rest) = (i32::from(kind), i32::from(code), u32::from_ne_bytes(rest));
        // SAFETY: The packet is valid and ours, and its data begins with as many bytes as a header of
        // IPv4; C only reads it.
        unsafe { bindings::rvs_helper_icmp_send(self.0.as_raw(), kind, code, rest) };
    }

    /// Frees the packet: netfilter hears no more of it.
    pub fn free(self) -> Verdict {
        self.0.free()
    }
}
