// SPDX-License-Identifier: GPL-2.0
//! Forwarding methods: what is to happen with a packet, as a value.

use crate::addr::{Addr, Port};
use crate::checksum::Sum;

pub mod direct;
pub mod nat;

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
}

impl Method {
    /// Returns how the next hop on the way to the server is chosen.
    pub const fn hop(self) -> Hop {
        match self {
            Method::Direct => Hop::Server,
            _ => Hop::Table,
        }
    }
}

/// How the next hop of a route is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// As the routing table says.
    Table,
    /// The server itself, on whose link the director is.
    Server,
}

/// Where the packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it ends or begins.
    Host,
    /// On its way through, where only related errors are taken up.
    Forward,
}

/// What is known of a packet and of the route to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How the packet is to get there.
    pub method: Method,
    /// Where the packet is.
    pub place: Place,
    /// Whether the route to the server ends at this host.
    pub is_route_local: bool,
    /// Whether the packet's own route ends at this host.
    pub is_packet_local: bool,
    /// Whether the packet came in from outside.
    pub is_from_outside: bool,
    /// Whether the packet's source is a loopback address.
    pub is_source_loopback: bool,
    /// Whether the server's address is a loopback address.
    pub is_server_loopback: bool,
    /// How many more hops the packet may take, this one included.
    pub hops: u8,
    /// Whether the packet, or each segment of it, fits the route.
    pub fits: bool,
    /// Whether a router may cut it.
    pub may_fragment: bool,
    /// Whether the packet is an ICMP error, about which no other is sent.
    pub is_error: bool,
}

/// What is to happen with a packet whose route is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The server is this host: the packet goes on as it was going, no hop is counted.
    Deliver,
    /// It is sent along the route, one hop less in its header.
    Send,
    /// It is dropped and its sender hears that it took too many hops.
    TooManyHops,
    /// It is dropped and its sender hears how much would fit.
    TooBig,
    /// It is dropped in silence: its way would lead where it may not.
    Boundary,
}

/// Decides what happens with a packet.
pub fn plan(facts: &Facts) -> Plan {
    if facts.crosses_boundary() {
        Plan::Boundary
    } else if facts.is_route_local {
        Plan::Deliver
    } else if facts.hops <= 1 {
        Plan::TooManyHops
    } else if !facts.fits && !facts.may_fragment && !facts.is_error {
        Plan::TooBig
    } else {
        Plan::Send
    }
}

impl Facts {
    /// Only NAT may turn a packet for elsewhere to this host, and nothing with a loopback address
    /// may leave it or enter from outside.
    fn crosses_boundary(&self) -> bool {
        if !self.is_route_local {
            return self.is_source_loopback;
        }
        let is_nat = self.method == Method::Nat;
        let is_turned = !is_nat && !self.is_packet_local;
        let is_forwarded = is_nat && self.place == Place::Forward;
        let is_smuggled = is_nat && self.is_server_loopback && self.is_from_outside;
        self.method == Method::Bypass || is_turned || is_forwarded || is_smuggled
    }
}

/// Which end of a packet is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sender's address and port.
    Source,
    /// The addressee's.
    Dest,
}

impl Side {
    /// Returns the other end.
    pub const fn other(self) -> Side {
        match self {
            Side::Source => Side::Dest,
            Side::Dest => Side::Source,
        }
    }
}

/// Puts an address into an IPv4 header; its checksum is left as it was. `None` if it is too short.
pub fn put_addr(header: &mut [u8], side: Side, addr: Addr) -> Option<()> {
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = header.first_chunk_mut::<20>()?;
    match side {
        Side::Source => [*s0, *s1, *s2, *s3] = addr.v4(),
        Side::Dest => [*d0, *d1, *d2, *d3] = addr.v4(),
    }
    Some(())
}

/// Puts a port into a transport header; its checksum is left as it was. `None` if it is too short.
pub fn put_port(transport: &mut [u8], side: Side, port: Port) -> Option<()> {
    let [s0, s1, d0, d1] = transport.first_chunk_mut::<4>()?;
    match side {
        Side::Source => [*s0, *s1] = port.bytes(),
        Side::Dest => [*d0, *d1] = port.bytes(),
    }
    Some(())
}

/// Makes the checksum of an IPv4 header anew; `header` is all of it. `None` if it is too short.
pub fn renew_header_checksum(header: &mut [u8]) -> Option<()> {
    let [_, _, _, _, _, _, _, _, _, _, high, low] = header.first_chunk_mut::<12>()?;
    [*high, *low] = [0, 0];
    let checksum = Sum::ZERO.bytes(header).checksum();
    let [_, _, _, _, _, _, _, _, _, _, high, low] = header.first_chunk_mut::<12>()?;
    [*high, *low] = checksum;
    Some(())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_xmit))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_header_sums_to_all_ones() {
        let mut header = [
            0x46, 0, 0, 24, 1, 2, 0, 0, 3, 6, 0xaa, 0xbb, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 0,
        ];
        assert_eq!(renew_header_checksum(&mut header), Some(()));
        assert_eq!(Sum::ZERO.bytes(&header).fold(), 0xffff);
        assert_eq!(renew_header_checksum(&mut [0; 11]), None);
    }

    #[test]
    fn numbers_are_the_low_bits_of_flags() {
        for number in 0..8 {
            assert_eq!(Method::from_number(number | 0x1f8).number(), number);
        }
    }

    #[test]
    fn packets_are_sent_while_hops_are_left() {
        assert_eq!(plan(&FACTS), Plan::Send);
        assert_eq!(plan(&Facts { hops: 2, ..FACTS }), Plan::Send);
        assert_eq!(plan(&Facts { hops: 1, ..FACTS }), Plan::TooManyHops);
        assert_eq!(plan(&Facts { hops: 0, ..FACTS }), Plan::TooManyHops);
    }

    #[test]
    fn hops_do_not_matter_to_a_local_server() {
        let facts = Facts {
            hops: 1,
            fits: false,
            ..LOCAL
        };
        assert_eq!(plan(&facts), Plan::Deliver);
    }

    #[test]
    fn only_what_may_not_be_cut_is_too_big() {
        let long = Facts {
            fits: false,
            ..FACTS
        };
        assert_eq!(plan(&long), Plan::TooBig);
        assert_eq!(
            plan(&Facts {
                may_fragment: true,
                ..long
            }),
            Plan::Send
        );
    }

    #[test]
    fn no_error_is_sent_about_an_error() {
        let facts = Facts {
            fits: false,
            is_error: true,
            ..FACTS
        };
        assert_eq!(plan(&facts), Plan::Send);
    }

    #[test]
    fn loopback_sources_stay_inside() {
        let facts = Facts {
            is_source_loopback: true,
            ..FACTS
        };
        assert_eq!(plan(&facts), Plan::Boundary);
        assert_eq!(
            plan(&Facts {
                is_source_loopback: true,
                ..LOCAL
            }),
            Plan::Deliver
        );
    }

    #[test]
    fn only_nat_turns_packets_to_this_host() {
        let direct = Facts {
            method: Method::Direct,
            is_packet_local: false,
            ..LOCAL
        };
        assert_eq!(plan(&direct), Plan::Boundary);
        assert_eq!(
            plan(&Facts {
                is_packet_local: true,
                ..direct
            }),
            Plan::Deliver
        );
        assert_eq!(
            plan(&Facts {
                method: Method::Nat,
                ..direct
            }),
            Plan::Deliver
        );
    }

    #[test]
    fn bypass_never_ends_here() {
        let facts = Facts {
            method: Method::Bypass,
            ..LOCAL
        };
        assert_eq!(plan(&facts), Plan::Boundary);
    }

    #[test]
    fn nobody_outside_reaches_a_server_on_loopback() {
        let smuggled = Facts {
            is_server_loopback: true,
            is_from_outside: true,
            ..LOCAL
        };
        assert_eq!(plan(&smuggled), Plan::Boundary);
        assert_eq!(
            plan(&Facts {
                is_from_outside: false,
                ..smuggled
            }),
            Plan::Deliver
        );
        let direct = Facts {
            method: Method::Direct,
            ..smuggled
        };
        assert_eq!(plan(&direct), Plan::Deliver);
    }

    #[test]
    fn forwarded_errors_are_not_turned_to_this_host() {
        let facts = Facts {
            place: Place::Forward,
            is_error: true,
            ..LOCAL
        };
        assert_eq!(plan(&facts), Plan::Boundary);
        let direct = Facts {
            method: Method::Direct,
            ..facts
        };
        assert_eq!(plan(&direct), Plan::Deliver);
    }

    #[test]
    fn only_direct_routing_needs_the_server_on_its_link() {
        assert_eq!(Method::Direct.hop(), Hop::Server);
        assert_eq!(Method::Nat.hop(), Hop::Table);
    }

    const FACTS: Facts = Facts {
        method: Method::Nat,
        place: Place::Host,
        is_route_local: false,
        is_packet_local: true,
        is_from_outside: true,
        is_source_loopback: false,
        is_server_loopback: false,
        hops: 64,
        fits: true,
        may_fragment: false,
        is_error: false,
    };

    const LOCAL: Facts = Facts {
        is_route_local: true,
        ..FACTS
    };
}
