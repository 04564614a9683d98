// SPDX-License-Identifier: GPL-2.0
//! The IPVS generic netlink messages.
//!
//! The numbers are ABI. Requests are read liberally and completely before anything is judged;
//! replies have their attributes in the order of C's.
//!
//! C header: `include/uapi/linux/ip_vs.h`

mod daemon;
#[cfg(any(test, CONFIG_KUNIT = "y"))]
pub(crate) mod fixture;
mod reply;
mod request;

pub use daemon::{parse_daemon, parse_daemon_state, DaemonRequest, Role};
pub(crate) use reply::low;
pub use reply::{config, dest, info, service, Dest, Service, Statistics, MESSAGE_MAX, VERSION};
pub use request::{
    parse_dest, parse_dest_key, parse_service, parse_service_key, Config, DestRequest,
    ServiceRequest, TopLevel,
};

/// The commands; a reply carries the number of the command that would make what it shows.
pub mod command {
    /// Makes a service; in replies: a service.
    pub const NEW_SERVICE: u8 = 1;
    /// Changes a service.
    pub const SET_SERVICE: u8 = 2;
    /// Removes a service.
    pub const DEL_SERVICE: u8 = 3;
    /// Asks for one service or all.
    pub const GET_SERVICE: u8 = 4;
    /// Makes a real server; in replies: a real server.
    pub const NEW_DEST: u8 = 5;
    /// Changes a real server.
    pub const SET_DEST: u8 = 6;
    /// Removes a real server.
    pub const DEL_DEST: u8 = 7;
    /// Asks for the real servers of a service.
    pub const GET_DEST: u8 = 8;
    /// Starts a sync daemon.
    pub const NEW_DAEMON: u8 = 9;
    /// Stops a sync daemon.
    pub const DEL_DAEMON: u8 = 10;
    /// Asks for the sync daemons.
    pub const GET_DAEMON: u8 = 11;
    /// Changes the time-outs; in replies: the time-outs.
    pub const SET_CONFIG: u8 = 12;
    /// Asks for the time-outs.
    pub const GET_CONFIG: u8 = 13;
    /// In replies only: version and size.
    pub const SET_INFO: u8 = 14;
    /// Asks for version and size.
    pub const GET_INFO: u8 = 15;
    /// Zeroes statistics.
    pub const ZERO: u8 = 16;
    /// Removes all services.
    pub const FLUSH: u8 = 17;
}

/// The numbers of top-level attributes.
pub mod attribute {
    /// A service.
    pub const SERVICE: u16 = 1;
    /// A real server.
    pub const DEST: u16 = 2;
    /// A sync daemon.
    pub const DAEMON: u16 = 3;
    /// The time-out of established TCP connections.
    pub const TIMEOUT_TCP: u16 = 4;
    /// The time-out of TCP connections in FIN_WAIT.
    pub const TIMEOUT_TCP_FIN: u16 = 5;
    /// The time-out of UDP connections.
    pub const TIMEOUT_UDP: u16 = 6;
}

/// The numbers of attributes inside a service.
mod service_attribute {
    pub(super) const FAMILY: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const ADDR: u16 = 3;
    pub(super) const PORT: u16 = 4;
    pub(super) const MARK: u16 = 5;
    pub(super) const SCHEDULER: u16 = 6;
    pub(super) const FLAGS: u16 = 7;
    pub(super) const TIMEOUT: u16 = 8;
    pub(super) const NETMASK: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const ENGINE: u16 = 11;
    pub(super) const STATS64: u16 = 12;
}

/// The numbers of attributes inside a real server.
mod dest_attribute {
    pub(super) const ADDR: u16 = 1;
    pub(super) const PORT: u16 = 2;
    pub(super) const METHOD: u16 = 3;
    pub(super) const WEIGHT: u16 = 4;
    pub(super) const UPPER: u16 = 5;
    pub(super) const LOWER: u16 = 6;
    pub(super) const ACTIVE: u16 = 7;
    pub(super) const INACTIVE: u16 = 8;
    pub(super) const PERSISTENT: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const FAMILY: u16 = 11;
    pub(super) const STATS64: u16 = 12;
    pub(super) const TUNNEL_KIND: u16 = 13;
    pub(super) const TUNNEL_PORT: u16 = 14;
    pub(super) const TUNNEL_FLAGS: u16 = 15;
}

/// The numbers of attributes inside a sync daemon.
mod daemon_attribute {
    pub(super) const STATE: u16 = 1;
    pub(super) const INTERFACE: u16 = 2;
    pub(super) const SYNC_ID: u16 = 3;
    pub(super) const MAX_LEN: u16 = 4;
    pub(super) const GROUP: u16 = 5;
    pub(super) const GROUP6: u16 = 6;
    pub(super) const PORT: u16 = 7;
    pub(super) const TTL: u16 = 8;
}

/// The numbers of attributes of version and size.
mod info_attribute {
    pub(super) const VERSION: u16 = 1;
    pub(super) const TABLE_SIZE: u16 = 2;
}

/// The longest name of a scheduler, in bytes.
const SCHEDULER_MAX: usize = 15;
/// The longest name of an interface, in bytes.
const INTERFACE_MAX: usize = 15;
/// The longest name of a persistence engine, in bytes.
const ENGINE_MAX: usize = 16;
