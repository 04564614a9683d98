// SPDX-License-Identifier: GPL-2.0
//! Named and counted reasons for dropping a packet.
//!
//! Every packet this module throws away is counted here, each namespace for itself.

use linux::sync::{AtomicU64, Relaxed};

/// Why a packet was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    /// Its transport header is cut off.
    Truncated,
    /// A service wants it, but no server can take it.
    NoServer,
    /// It was dropped against a flood (`drop_packet`).
    Defence,
    /// No connection could be made for it: no memory, or as many as allowed.
    NoConnection,
    /// The template that it would depend on has as many connections as it may have.
    TemplateFull,
    /// The service's persistence engine finds nothing in it to tell clients apart by.
    Engine,
    /// Its server was removed.
    ServerGone,
    /// Its connection is to be made anew, but tracking still knows the old one.
    Tracked,
    /// No memory to change its header.
    NoMemory,
    /// No route to its server.
    NoRoute,
    /// Its route would lead where it may not: round through this host, or from loopback outside.
    RouteBoundary,
    /// It was forwarded too often.
    TimeToLive,
    /// It is too long for the way to its server and must not be cut.
    TooBig,
    /// What a tunnel leaves of the way to its server is less than any way must take.
    Narrow,
    /// Connection tracking does not take it.
    Untrackable,
    /// Its headers do not fit together.
    Malformed,
    /// The checksum of an ICMP error is wrong.
    Checksum,
    /// A server sent it, and it belongs to no connection.
    Stray,
}

impl Drop {
    /// All reasons, in the order in which they are listed.
    pub(crate) const ALL: [Self; 18] = [
        Self::Truncated,
        Self::NoServer,
        Self::Defence,
        Self::NoConnection,
        Self::TemplateFull,
        Self::Engine,
        Self::ServerGone,
        Self::Tracked,
        Self::NoMemory,
        Self::NoRoute,
        Self::RouteBoundary,
        Self::TimeToLive,
        Self::TooBig,
        Self::Narrow,
        Self::Untrackable,
        Self::Malformed,
        Self::Checksum,
        Self::Stray,
    ];

    /// Returns the name under which the reason is listed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::NoServer => "no_server",
            Self::Defence => "drop_packet",
            Self::NoConnection => "no_connection",
            Self::TemplateFull => "template_full",
            Self::Engine => "engine",
            Self::ServerGone => "server_gone",
            Self::Tracked => "tracked",
            Self::NoMemory => "no_memory",
            Self::NoRoute => "no_route",
            Self::RouteBoundary => "boundary",
            Self::TimeToLive => "time_to_live",
            Self::TooBig => "too_big",
            Self::Narrow => "narrow",
            Self::Untrackable => "untrackable",
            Self::Malformed => "malformed",
            Self::Checksum => "checksum",
            Self::Stray => "stray",
        }
    }
}

/// How often each reason held in one namespace.
pub(crate) struct Counters([AtomicU64; Drop::ALL.len()]);

impl Counters {
    /// Makes counters that are zero.
    pub(crate) fn new() -> Self {
        Self([const { AtomicU64::new(0) }; Drop::ALL.len()])
    }

    /// Counts one packet.
    pub(crate) fn count(&self, reason: Drop) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.add(1, Relaxed);
        }
    }

    /// Returns each reason with the number of packets that were thrown away for it, in the order
    /// in which they are listed.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Drop, u64)> + '_ {
        let counts = self.0.iter().map(|counter| counter.load(Relaxed));
        Drop::ALL.into_iter().zip(counts)
    }
}
