// SPDX-License-Identifier: GPL-2.0
//! The key of a connection: its two directions, equality, hashing input.

use crate::addr::{Endpoint, Family, Protocol};

/// Where a packet comes from and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The family of both addresses.
    pub family: Family,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The sender.
    pub source: Endpoint,
    /// The addressee.
    pub dest: Endpoint,
}
