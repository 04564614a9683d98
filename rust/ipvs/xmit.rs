// SPDX-License-Identifier: GPL-2.0
//! The table of forwarding methods, and what is to happen with a packet, as a value.
//!
//! A row says what differs between methods; each has a file. A packet goes in two steps: the row
//! says what it needs before it can go ([`Way`]), and once its route is known a [`Plan`] says what
//! becomes of its bytes and where it goes. The kernel's side carries the plan out.

use crate::addr::{Endpoint, Family};
use crate::packet::icmp::is_error_packet;
use crate::packet::{Packet, Side};
pub use edit::{Checksum, Edit, HopLimit, Rewrite};

mod bypass;
mod direct;
mod edit;
mod local;
mod nat;
mod pass;
pub mod tunnel;

/// How packets get to a real server; the numbers are the low bits of connection flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The destination is rewritten.
    Nat = 0,
    /// The server is this machine: the packet goes on as it is, and no byte changes.
    Local = 1,
    /// The packet is wrapped into another.
    Tunnel = 2,
    /// The packet goes to the server's link layer address.
    Direct = 3,
    /// The packet goes where it wanted to go.
    Bypass = 4,
    /// Accepted, without a transmitter.
    Unknown5 = 5,
    /// Accepted, without a transmitter.
    Unknown6 = 6,
    /// Accepted, without a transmitter.
    Unknown7 = 7,
}

/// How packets get past all servers of a service to where they were going.
pub const PAST_SERVERS: Method = Method::Bypass;

impl Method {
    /// Returns the number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Returns the method with the number in the low three bits.
    #[inline]
    pub const fn from_number(number: u32) -> Method {
        match number & 7 {
            0 => Method::Nat,
            1 => Method::Local,
            2 => Method::Tunnel,
            3 => Method::Direct,
            4 => Method::Bypass,
            5 => Method::Unknown5,
            6 => Method::Unknown6,
            _ => Method::Unknown7,
        }
    }

    /// Returns the method's row of the table.
    #[inline]
    pub const fn row(self) -> Row {
        match self {
            Method::Nat => nat::ROW,
            Method::Local => local::ROW,
            Method::Direct => direct::ROW,
            Method::Tunnel => tunnel::ROW,
            Method::Bypass => bypass::ROW,
            Method::Unknown5 | Method::Unknown6 | Method::Unknown7 => pass::ROW,
        }
    }
}

/// What differs between forwarding methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What a packet needs before it can go to the server.
    pub way: Way,
    /// When a packet may go to a server on this host.
    pub local: LocalRule,
    /// Whether one end of every packet is rewritten: the destination to the server, in replies the
    /// source to the virtual service.
    pub rewrites: bool,
    /// Whether the server's packets come through the director.
    pub sees_replies: bool,
    /// Whether the server's packets have its own address and port as their source, so that the
    /// connection is found by these as well.
    pub has_reply_key: bool,
}

impl Row {
    /// Returns what becomes of the bytes of a packet to the server `dest`.
    #[inline(always)]
    pub const fn original_edit(self, dest: Endpoint) -> Option<Rewrite> {
        match self.rewrites {
            true => Some(Rewrite {
                side: Side::Dest,
                to: dest,
            }),
            false => None,
        }
    }

    /// Returns what becomes of the bytes of a server's packet, sent from `virtual_endpoint` to the client.
    #[inline(always)]
    pub const fn reply_edit(self, virtual_endpoint: Endpoint) -> Option<Rewrite> {
        match self.rewrites {
            true => Some(Rewrite {
                side: Side::Source,
                to: virtual_endpoint,
            }),
            false => None,
        }
    }
}

/// What a packet needs before it can go to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A route to the server.
    Route(NextHop),
    /// A route to where it is going anyway.
    Past,
    /// A route to the server, and a place in a packet that goes there.
    Wrap,
    /// Nothing: the server is this host, and the packet of the connection goes on.
    Deliver,
    /// Nothing: it goes on as if there were no connection.
    Pass,
}

/// How the next hop of a route is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// As the routing table says.
    Table,
    /// The server itself, on whose link the director is.
    Server,
}

/// When a packet may go to a server on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalRule {
    /// When it is for this host anyway.
    Unchanged,
    /// Where packets end or begin, but not to a loopback address from outside.
    Rewritten,
    /// Not at all.
    Never,
}

/// Where the packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it ends or begins.
    Host,
    /// On its way through, where only related errors are taken up.
    Forward,
}

/// What is known of a packet when the route to its server ends at this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    /// Where the packet is.
    pub place: Place,
    /// Whether the packet's own route ends at this host.
    pub is_packet_local: bool,
    /// Whether the packet came in from outside.
    pub is_from_outside: bool,
    /// Whether the server's address is a loopback address.
    pub is_server_loopback: bool,
}

/// What is to happen with a packet whose route is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// It is edited and sent along the route.
    Send(Edit),
    /// The server is this host: it is edited and goes on as it was going.
    Deliver(Edit),
    /// It is dropped, as it took too many hops, and its sender is told.
    TooManyHops,
    /// It is edited as its sender is to see it quoted, and dropped, as it does not fit the route.
    TooBig(Edit),
    /// It is dropped in silence: its way would lead where it may not.
    RouteBoundary,
}

/// Decides what happens with a packet when the route to the server `dest` leads elsewhere.
///
/// `fits` tells whether the packet, or each segment of it, fits the route. Nothing with a loopback
/// address may leave this host.
#[inline(always)]
pub fn plan_remote(row: Row, dest: Endpoint, packet: &Packet, fits: impl FnOnce() -> bool) -> Plan {
    let edit = |rewrite| Edit {
        hop_limit: HopLimit::Decrement,
        rewrite,
    };
    if packet.source.is_loopback() {
        Plan::RouteBoundary
    } else if packet.hop_limit <= 1 {
        Plan::TooManyHops
    } else if fits() || may_outgrow(packet) {
        Plan::Send(edit(row.original_edit(dest)))
    } else {
        // As with C, what is quoted has taken the hop.
        Plan::TooBig(edit(None))
    }
}

/// Returns whether a packet is sent although it does not fit: it is cut then.
///
/// As with C this goes for every ICMP error of IPv4 and for none of IPv6, about which no error is sent.
#[cold]
fn may_outgrow(packet: &Packet) -> bool {
    match packet.family() {
        Family::V4 => !packet.dont_fragment || is_error_packet(packet),
        Family::V6 => false,
    }
}

/// Decides what happens with a packet when the route to the server `dest` ends at this host.
pub fn plan_local(row: Row, dest: Endpoint, route: &LocalRoute) -> Plan {
    match route.allows(row.local) {
        true => Plan::Deliver(Edit {
            hop_limit: HopLimit::Keep,
            rewrite: row.original_edit(dest),
        }),
        false => Plan::RouteBoundary,
    }
}

impl LocalRoute {
    fn allows(&self, rule: LocalRule) -> bool {
        match rule {
            LocalRule::Unchanged => self.is_packet_local,
            LocalRule::Never => false,
            LocalRule::Rewritten => {
                self.place == Place::Host && !(self.is_server_loopback && self.is_from_outside)
            }
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_xmit))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, Port, Protocol};
    use crate::packet::{Fragment, Header};

    #[test]
    fn numbers_are_the_low_bits_of_flags() {
        for number in 0..8 {
            assert_eq!(Method::from_number(number | 0x1f8).number(), number);
        }
    }

    #[test]
    fn packets_are_sent_while_hops_are_left() {
        let left = |hop_limit| {
            let packet = Packet {
                hop_limit,
                ..packet()
            };
            leaves(&packet, true)
        };
        assert!(is_sent(left(64)) && is_sent(left(2)));
        assert_eq!(left(1), Plan::TooManyHops);
        assert_eq!(left(0), Plan::TooManyHops);
    }

    #[test]
    fn only_what_may_not_be_fragmented_is_too_big() {
        let whole = Packet {
            dont_fragment: true,
            ..packet()
        };
        assert_eq!(leaves(&whole, false), TOO_BIG);
        assert!(is_sent(leaves(&whole, true)) && is_sent(leaves(&packet(), false)));
    }

    #[test]
    fn no_error_is_sent_about_an_error() {
        let error = Packet {
            dont_fragment: true,
            protocol: Protocol::ICMP,
            header: Header::Icmp { kind: 3, code: 4 },
            ..packet()
        };
        assert!(is_sent(leaves(&error, false)));
        let long = Packet {
            protocol: Protocol::ICMPV6,
            source: Family::V6.unspecified(),
            dest: Family::V6.unspecified(),
            header: Header::Icmp { kind: 1, code: 4 },
            ..error
        };
        assert_eq!(leaves(&long, false), TOO_BIG);
    }

    #[test]
    fn loopback_sources_stay_inside() {
        let inside = Packet {
            source: ipv4([127, 0, 0, 1]),
            ..packet()
        };
        assert_eq!(leaves(&inside, true), Plan::RouteBoundary);
        let last = Packet {
            hop_limit: 1,
            ..inside
        };
        assert_eq!(leaves(&last, true), Plan::RouteBoundary);
    }

    #[test]
    fn only_a_rewritten_packet_turns_to_this_host() {
        let elsewhere = LocalRoute {
            is_packet_local: false,
            ..LOCAL
        };
        assert!(is_delivered(stays(Method::Nat, elsewhere)));
        assert_eq!(stays(Method::Direct, elsewhere), Plan::RouteBoundary);
        assert_eq!(stays(PAST_SERVERS, LOCAL), Plan::RouteBoundary);
        assert!(is_delivered(stays(Method::Direct, LOCAL)));
    }

    #[test]
    fn nothing_outside_reaches_a_server_on_loopback() {
        let smuggled = LocalRoute {
            is_server_loopback: true,
            ..LOCAL
        };
        assert_eq!(stays(Method::Nat, smuggled), Plan::RouteBoundary);
        assert!(is_delivered(stays(Method::Direct, smuggled)));
        let inside = LocalRoute {
            is_from_outside: false,
            ..smuggled
        };
        assert!(is_delivered(stays(Method::Nat, inside)));
    }

    #[test]
    fn forwarded_errors_are_not_turned_to_this_host() {
        let forwarded = LocalRoute {
            place: Place::Forward,
            ..LOCAL
        };
        assert_eq!(stays(Method::Nat, forwarded), Plan::RouteBoundary);
        assert!(is_delivered(stays(Method::Direct, forwarded)));
    }

    #[test]
    fn what_leaves_takes_a_hop_and_what_stays_does_not() {
        let edit = |hop_limit| Edit {
            hop_limit,
            rewrite: None,
        };
        let sent = plan_remote(Method::Direct.row(), DEST, &packet(), || true);
        assert_eq!(sent, Plan::Send(edit(HopLimit::Decrement)));
        let kept = stays(Method::Direct, LOCAL);
        assert_eq!(kept, Plan::Deliver(edit(HopLimit::Keep)));
    }

    #[test]
    fn only_what_goes_on_is_rewritten() {
        let rewrite = Some(Rewrite {
            side: Side::Dest,
            to: DEST,
        });
        let edit = |hop_limit| Edit { hop_limit, rewrite };
        let sent = leaves(&packet(), true);
        assert_eq!(sent, Plan::Send(edit(HopLimit::Decrement)));
        let kept = stays(Method::Nat, LOCAL);
        assert_eq!(kept, Plan::Deliver(edit(HopLimit::Keep)));
    }

    #[test]
    fn only_direct_routing_needs_the_server_on_its_link() {
        assert_eq!(Method::Direct.row().way, Way::Route(NextHop::Server));
        assert_eq!(Method::Nat.row().way, Way::Route(NextHop::Table));
        assert_eq!(Method::Tunnel.row().way, Way::Wrap);
        assert_eq!(Method::Local.row().way, Way::Deliver);
        assert_eq!(Method::Unknown5.row().way, Way::Pass);
    }

    const DEST: Endpoint = Endpoint {
        addr: ipv4([10, 0, 0, 2]),
        port: Port::from_host(8080),
    };

    const TOO_BIG: Plan = Plan::TooBig(Edit {
        hop_limit: HopLimit::Decrement,
        rewrite: None,
    });

    fn is_sent(plan: Plan) -> bool {
        matches!(plan, Plan::Send(_))
    }

    fn is_delivered(plan: Plan) -> bool {
        matches!(plan, Plan::Deliver(_))
    }

    /// A packet of 64 hops that may be fragmented.
    fn packet() -> Packet {
        Packet {
            protocol: Protocol::UDP,
            source: ipv4([192, 0, 2, 9]),
            dest: ipv4([192, 0, 2, 1]),
            transport_offset: 20,
            length: 28,
            fragment: Fragment::Whole,
            hop_limit: 64,
            dont_fragment: false,
            ports: None,
            header: Header::Udp { summed: true },
        }
    }

    const LOCAL: LocalRoute = LocalRoute {
        place: Place::Host,
        is_packet_local: true,
        is_from_outside: true,
        is_server_loopback: false,
    };

    fn leaves(packet: &Packet, fits: bool) -> Plan {
        plan_remote(Method::Nat.row(), DEST, packet, || fits)
    }

    fn stays(method: Method, route: LocalRoute) -> Plan {
        plan_local(method.row(), DEST, &route)
    }
}
