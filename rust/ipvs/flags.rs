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
    /// Third scheduler flag: stored only.
    pub const SCHED3: u32 = 0x0020;
}

/// Flags of a connection, and of a destination whose connections inherit them.
pub mod conn {
    /// The forwarding method.
    pub const FWD_MASK: u32 = 0x0007;
    /// Made by the backup daemon.
    pub const SYNC: u32 = 0x0020;
    /// In the table.
    pub const HASHED: u32 = 0x0040;
    /// No packet of the real server was seen yet: selects the input-only state table.
    pub const NO_OUTPUT: u32 = 0x0080;
    /// Not counted as active.
    pub const INACTIVE: u32 = 0x0100;
    /// Sequence numbers of output packets are adjusted.
    pub const OUT_SEQ: u32 = 0x0200;
    /// Sequence numbers of input packets are adjusted.
    pub const IN_SEQ: u32 = 0x0400;
    /// The client's port is not known yet.
    pub const NO_CLIENT_PORT: u32 = 0x0800;
    /// A persistence template.
    pub const TEMPLATE: u32 = 0x1000;
    /// Lives for one packet, never in the table.
    pub const ONE_PACKET: u32 = 0x2000;
    /// Keeps an entry of connection tracking.
    pub const NFCT: u32 = 0x0001_0000;

    /// What a sync message may set on a new connection.
    pub const BACKUP_MASK: u32 =
        FWD_MASK | NO_OUTPUT | INACTIVE | OUT_SEQ | IN_SEQ | NO_CLIENT_PORT | TEMPLATE;
    /// What a sync message may change on a connection that exists.
    pub const BACKUP_UPDATE_MASK: u32 = INACTIVE | OUT_SEQ | IN_SEQ;
    /// What a destination hands to its connections.
    pub const DEST_MASK: u32 = FWD_MASK | ONE_PACKET | NFCT;
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_flags))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn masks_have_the_numbers_of_the_abi() {
        assert_eq!(conn::BACKUP_MASK, 0x1f87);
        assert_eq!(conn::BACKUP_UPDATE_MASK, 0x0700);
        assert_eq!(conn::DEST_MASK, 0x12007);
    }
}
