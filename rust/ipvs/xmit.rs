// SPDX-License-Identifier: GPL-2.0
//! The table of forwarding methods, and what is to happen with a packet, as a value.
//!
//! A row says what differs between methods; each has a file. A packet goes in two steps: the row
//! says what it needs before it can go ([`Way`]), and once its route is known [`plan`] says what
//! becomes of its bytes and where it goes. The kernel's side carries the plan out.

use crate::addr::Endpoint;
use crate::packet::Side;
pub use edit::{Checksum, Edit, HopLimit, Rewrite};

mod direct;
mod edit;
mod local;
mod nat;
mod pass;

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
            Method::Tunnel
            | Method::Bypass
            | Method::Unknown5
            | Method::Unknown6
            | Method::Unknown7 => pass::ROW,
        }
    }

    /// Returns what becomes of the bytes of a packet to the server `dest`.
    #[inline]
    pub const fn original_edit(self, dest: Endpoint) -> Option<Rewrite> {
        match self.row().rewrites {
            true => Some(Rewrite {
                side: Side::Dest,
                to: dest,
            }),
            false => None,
        }
    }

    /// Returns what becomes of the bytes of a server's packet, sent from `virtual_end` to the client.
    #[inline]
    pub const fn reply_edit(self, virtual_end: Endpoint) -> Option<Rewrite> {
        match self.row().rewrites {
            true => Some(Rewrite {
                side: Side::Source,
                to: virtual_end,
            }),
            false => None,
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

/// What a packet needs before it can go to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A route to the server.
    Route(NextHop),
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
}

/// Where the packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it ends or begins.
    Host,
    /// On its way through, where only related errors are taken up.
    Forward,
}

/// What is known of a packet once the route to its server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The route ends at this host.
    Local(LocalRoute),
    /// The route leads elsewhere.
    Remote(RemoteRoute),
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

/// What is known of a packet when the route to its server leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteRoute {
    /// Whether the packet's source is a loopback address.
    pub is_source_loopback: bool,
    /// How many more hops the packet may take, this one included.
    pub hop_limit: u8,
    /// Whether the packet, or each segment of it, fits the route.
    pub fits: bool,
    /// Whether a router may fragment it.
    pub may_fragment: bool,
    /// Whether the packet is an ICMP error, about which no other is sent.
    pub is_error: bool,
}

/// What is to happen with a packet whose route is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What becomes of its bytes, first.
    pub edit: Edit,
    /// Where it goes then.
    pub next: Next,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is sent along the route.
    Send,
    /// The server is this host: the packet goes on as it was going.
    Deliver,
    /// It is dropped and its sender is told why.
    Reject(Reject),
    /// It is dropped in silence: its way would lead where it may not.
    Boundary,
}

/// Why a sender is told that its packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// It took too many hops.
    HopLimit,
    /// It does not fit the route.
    TooBig,
}

/// Decides what happens with a packet of a connection by `method` to the server `dest`.
#[inline]
pub fn plan(method: Method, dest: Endpoint, route: &Route) -> Plan {
    let next = match route {
        Route::Remote(route) => route.next(),
        Route::Local(route) => route.next(method.row().local),
    };
    let hop_limit = match next {
        // What the sender of a packet that is too big sees quoted has taken the hop, as with C.
        Next::Send | Next::Reject(Reject::TooBig) => HopLimit::Decrement,
        Next::Deliver | Next::Reject(Reject::HopLimit) | Next::Boundary => HopLimit::Keep,
    };
    let rewrite = match next {
        Next::Send | Next::Deliver => method.original_edit(dest),
        Next::Reject(_) | Next::Boundary => None,
    };
    let edit = Edit { hop_limit, rewrite };
    Plan { edit, next }
}

impl RemoteRoute {
    /// Nothing with a loopback address may leave this host.
    #[inline]
    fn next(&self) -> Next {
        if self.is_source_loopback {
            Next::Boundary
        } else if self.hop_limit <= 1 {
            Next::Reject(Reject::HopLimit)
        } else if !self.fits && !self.may_fragment && !self.is_error {
            Next::Reject(Reject::TooBig)
        } else {
            Next::Send
        }
    }
}

impl LocalRoute {
    fn next(&self, rule: LocalRule) -> Next {
        let is_allowed = match rule {
            LocalRule::Unchanged => self.is_packet_local,
            LocalRule::Rewritten => {
                self.place == Place::Host && !(self.is_server_loopback && self.is_from_outside)
            }
        };
        match is_allowed {
            true => Next::Deliver,
            false => Next::Boundary,
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_xmit))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, Port};

    #[test]
    fn numbers_are_the_low_bits_of_flags() {
        for number in 0..8 {
            assert_eq!(Method::from_number(number | 0x1f8).number(), number);
        }
    }

    #[test]
    fn packets_are_sent_while_hops_are_left() {
        assert_eq!(leaves(REMOTE), Next::Send);
        let left = |hop_limit| {
            leaves(RemoteRoute {
                hop_limit,
                ..REMOTE
            })
        };
        assert_eq!(left(2), Next::Send);
        assert_eq!(left(1), Next::Reject(Reject::HopLimit));
        assert_eq!(left(0), Next::Reject(Reject::HopLimit));
    }

    #[test]
    fn only_what_may_not_be_fragmented_is_too_big() {
        let long = RemoteRoute {
            fits: false,
            ..REMOTE
        };
        assert_eq!(leaves(long), Next::Reject(Reject::TooBig));
        let cut = RemoteRoute {
            may_fragment: true,
            ..long
        };
        assert_eq!(leaves(cut), Next::Send);
    }

    #[test]
    fn no_error_is_sent_about_an_error() {
        let error = RemoteRoute {
            fits: false,
            is_error: true,
            ..REMOTE
        };
        assert_eq!(leaves(error), Next::Send);
    }

    #[test]
    fn loopback_sources_stay_inside() {
        let inside = RemoteRoute {
            is_source_loopback: true,
            ..REMOTE
        };
        assert_eq!(leaves(inside), Next::Boundary);
        let last = RemoteRoute {
            hop_limit: 1,
            ..inside
        };
        assert_eq!(leaves(last), Next::Boundary);
    }

    #[test]
    fn only_a_rewritten_packet_turns_to_this_host() {
        let elsewhere = LocalRoute {
            is_packet_local: false,
            ..LOCAL
        };
        assert_eq!(stays(Method::Nat, elsewhere), Next::Deliver);
        assert_eq!(stays(Method::Direct, elsewhere), Next::Boundary);
        assert_eq!(stays(Method::Direct, LOCAL), Next::Deliver);
    }

    #[test]
    fn nothing_outside_reaches_a_server_on_loopback() {
        let smuggled = LocalRoute {
            is_server_loopback: true,
            ..LOCAL
        };
        assert_eq!(stays(Method::Nat, smuggled), Next::Boundary);
        assert_eq!(stays(Method::Direct, smuggled), Next::Deliver);
        let inside = LocalRoute {
            is_from_outside: false,
            ..smuggled
        };
        assert_eq!(stays(Method::Nat, inside), Next::Deliver);
    }

    #[test]
    fn forwarded_errors_are_not_turned_to_this_host() {
        let forwarded = LocalRoute {
            place: Place::Forward,
            ..LOCAL
        };
        assert_eq!(stays(Method::Nat, forwarded), Next::Boundary);
        assert_eq!(stays(Method::Direct, forwarded), Next::Deliver);
    }

    #[test]
    fn hop_is_taken_by_what_leaves_and_by_what_is_too_big() {
        let long = RemoteRoute {
            fits: false,
            ..REMOTE
        };
        for (route, hop_limit) in [
            (Route::Remote(REMOTE), HopLimit::Decrement),
            (Route::Remote(long), HopLimit::Decrement),
            (Route::Local(LOCAL), HopLimit::Keep),
        ] {
            assert_eq!(plan(Method::Direct, DEST, &route).edit.hop_limit, hop_limit);
        }
    }

    #[test]
    fn only_what_goes_on_is_rewritten() {
        let rewrite = Some(Rewrite {
            side: Side::Dest,
            to: DEST,
        });
        let edit = |method, route| plan(method, DEST, &route).edit.rewrite;
        assert_eq!(edit(Method::Nat, Route::Remote(REMOTE)), rewrite);
        assert_eq!(edit(Method::Nat, Route::Local(LOCAL)), rewrite);
        assert_eq!(edit(Method::Direct, Route::Remote(REMOTE)), None);
        let last = RemoteRoute {
            hop_limit: 1,
            ..REMOTE
        };
        assert_eq!(edit(Method::Nat, Route::Remote(last)), None);
    }

    #[test]
    fn only_direct_routing_needs_the_server_on_its_link() {
        assert_eq!(Method::Direct.row().way, Way::Route(NextHop::Server));
        assert_eq!(Method::Nat.row().way, Way::Route(NextHop::Table));
        assert_eq!(Method::Local.row().way, Way::Deliver);
        assert_eq!(Method::Unknown5.row().way, Way::Pass);
    }

    const DEST: Endpoint = Endpoint {
        addr: ipv4([10, 0, 0, 2]),
        port: Port::from_host(8080),
    };

    const REMOTE: RemoteRoute = RemoteRoute {
        is_source_loopback: false,
        hop_limit: 64,
        fits: true,
        may_fragment: false,
        is_error: false,
    };

    const LOCAL: LocalRoute = LocalRoute {
        place: Place::Host,
        is_packet_local: true,
        is_from_outside: true,
        is_server_loopback: false,
    };

    fn leaves(route: RemoteRoute) -> Next {
        plan(Method::Nat, DEST, &Route::Remote(route)).next
    }

    fn stays(method: Method, route: LocalRoute) -> Next {
        plan(method, DEST, &Route::Local(route)).next
    }
}
