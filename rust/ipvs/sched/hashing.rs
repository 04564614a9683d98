// SPDX-License-Identifier: GPL-2.0
//! The hashes by which dh, sh and mh choose a slot.

use super::view::to_index;
use crate::addr::{words, Addr, Family};
use crate::flags::service::{SCHED1, SCHED2};
use crate::flow::Flow;

/// The flags of a service that a scheduler looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Look for another server when the table's takes no connection (sh and mh).
    pub fallback: bool,
    /// The client's port counts, not only its address (sh and mh).
    pub port: bool,
}

impl Options {
    /// Reads them from the flags of a service, see [`crate::flags::service`].
    pub const fn of(flags: u32) -> Self {
        Self {
            fallback: flags & SCHED1 != 0,
            port: flags & SCHED2 != 0,
        }
    }
}

/// Folds an address into the 32 bits that the hashing schedulers use.
pub(super) fn fold(family: Family, addr: Addr) -> u32 {
    let words = words(addr).into_iter();
    let count = match family {
        Family::V4 => 1,
        Family::V6 => 4,
    };
    u32::from_be(words.take(count).fold(0, |all, word| all ^ word))
}

/// Multiplicative hash of 32 bits down to `bits`, which are 1 to 32 (Knuth; golden ratio).
pub(super) fn hash32(value: u32, bits: u32) -> usize {
    let hash = value.wrapping_mul(0x61c8_8647);
    to_index(hash.wrapping_shr(32_u32.wrapping_sub(bits)))
}

/// Returns the client's port where the service wants it to count.
pub(super) fn port_of(flow: &Flow, options: Options) -> u32 {
    match options.port && flow.transport.has_ports() {
        true => u32::from(flow.source.port.host()),
        false => 0,
    }
}
