// SPDX-License-Identifier: GPL-2.0
//! The socket options of programs that are older than the netlink family.
//!
//! They know IPv4 only. Arguments are C structs: numbers in the machine's order, addresses and ports
//! as on the wire, and lengths that have to be met exactly. A program of 32 bits has other structs
//! where numbers of 64 bits are inside, and is refused like any other wrong length.
//!
//! C header: `include/uapi/linux/ip_vs.h`

mod reply;
mod request;

pub use reply::{
    daemons, dest_entry, dest_place, info, service_entry, service_over, service_place, timeouts,
    version, VERSION_LEN,
};
pub use request::{
    get_length, parse_get, parse_set, set_length, Get, Set, ARGUMENT_MAX, QUESTION_MAX,
};

/// The number of the first option of both kinds.
pub const FIRST: i32 = 1152;
/// The number of the last option that can be set.
pub const LAST_SET: i32 = 1167;
/// The number of the last option that can be read.
pub const LAST_GET: i32 = 1159;

/// The sizes of the structs.
mod size {
    /// A service in a request.
    pub(super) const SERVICE: usize = 44;
    /// A real server in a request.
    pub(super) const DEST: usize = 24;
    /// Both.
    pub(super) const SERVICE_AND_DEST: usize = SERVICE + DEST;
    /// The numbers of a traffic.
    pub(super) const STATISTICS: usize = 56;
    /// Version, size and number of services.
    pub(super) const INFO: usize = 12;
    /// What is before the services of a list.
    pub(super) const SERVICES: usize = 8;
    /// A service in a reply.
    pub(super) const SERVICE_ENTRY: usize = SERVICE + 4 + STATISTICS;
    /// What is before the real servers of a list.
    pub(super) const DESTS: usize = 24;
    /// A real server in a reply.
    pub(super) const DEST_ENTRY: usize = DEST + 16 + STATISTICS;
    /// The time-outs.
    pub(super) const TIMEOUTS: usize = 12;
    /// A sync daemon.
    pub(super) const DAEMON: usize = 24;
    /// Both sync daemons.
    pub(super) const DAEMONS: usize = 2 * DAEMON;
    /// The room for the version as a text.
    pub(super) const VERSION: usize = 64;
}
