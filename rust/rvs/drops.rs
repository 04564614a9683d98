// SPDX-License-Identifier: GPL-2.0
//! Named and counted reasons for dropping a packet.
//!
//! Every packet this module throws away is counted here, each namespace for itself.

use linux::sync::{AtomicU64, Relaxed};

/// Makes [`Drop`] from the reasons in the order in which they are listed: what each means, and the
/// name under which it is listed.
macro_rules! reasons {
    ($($(#[$meaning:meta])* $reason:ident => $name:literal,)*) => {
        /// Why a packet was thrown away.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Drop {
            $($(#[$meaning])* $reason,)*
        }

        impl Drop {
            /// All reasons, in the order in which they are listed.
            pub(crate) const ALL: [Self; [$($name),*].len()] = [$(Self::$reason),*];

            /// Returns the name under which the reason is listed.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// Its transport header is cut off.
    Truncated => "truncated",
    /// A service wants it, but no server can take it.
    NoServer => "no_server",
    /// It was dropped against a flood (`drop_packet`).
    Defence => "drop_packet",
    /// No connection could be made for it: no memory, or as many as allowed.
    NoConnection => "no_connection",
    /// The template that it would depend on has as many connections as it may have.
    TemplateFull => "template_full",
    /// The service's persistence engine finds nothing in it to tell clients apart by.
    Engine => "engine",
    /// Its server was removed.
    ServerGone => "server_gone",
    /// Its connection is to be made anew, but tracking still knows the old one.
    Tracked => "tracked",
    /// No memory to change its header.
    NoMemory => "no_memory",
    /// No route to its server.
    NoRoute => "no_route",
    /// Its route would lead where it may not: round through this host, or from loopback outside.
    RouteBoundary => "boundary",
    /// It was forwarded too often.
    TimeToLive => "time_to_live",
    /// It is too long for the way to its server and must not be cut.
    TooBig => "too_big",
    /// What a tunnel leaves of the way to its server is less than any way must take.
    Narrow => "narrow",
    /// Connection tracking does not take it.
    Untrackable => "untrackable",
    /// Its headers do not fit together.
    Malformed => "malformed",
    /// The checksum of an ICMP error is wrong.
    Checksum => "checksum",
    /// A server sent it, and it belongs to no connection.
    Stray => "stray",
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
