// SPDX-License-Identifier: GPL-2.0
//! The flag sets that user space sees on connections, services and destinations.
//!
//! The numbers are ABI: they travel in netlink attributes, socket options and sync messages.

/// Flags of a virtual service.
pub mod service {
    /// Connections of one client keep going to one server (templates).
    pub const PERSISTENT: u32 = 0x0001;
    /// The service is in the table: always set in replies, ignored in requests.
    pub const HASHED: u32 = 0x0002;
    /// UDP only: a connection lives for one packet.
    pub const ONE_PACKET: u32 = 0x0004;
    /// First scheduler flag: sh-fallback, mh-fallback.
    pub const SCHED1: u32 = 0x0008;
    /// Second scheduler flag: sh-port, mh-port.
    pub const SCHED2: u32 = 0x0010;
}

/// Flags of a connection, and of a destination whose connections inherit them.
pub mod conn {
    /// The forwarding method.
    pub const FWD_MASK: u32 = 0x0007;
    /// In the table.
    pub const HASHED: u32 = 0x0040;
    /// No packet of the real server was seen yet: selects the input-only state table.
    pub const NO_OUTPUT: u32 = 0x0080;
    /// Not counted as active.
    pub const INACTIVE: u32 = 0x0100;
    /// A persistence template.
    pub const TEMPLATE: u32 = 0x1000;
    /// Lives for one packet, never in the table.
    pub const ONE_PACKET: u32 = 0x2000;
    /// Keeps an entry of connection tracking.
    pub const NFCT: u32 = 0x0001_0000;
}
