// SPDX-License-Identifier: GPL-2.0
//! Forwarding methods: what is to happen with a packet, as a value.

use crate::addr::{Ipv4Addr, Port};
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

/// What is known of a packet when the route to its server ends at this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staying {
    /// How the packet is to get there.
    pub method: Method,
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
pub struct Leaving {
    /// Whether the packet's source is a loopback address.
    pub is_source_loopback: bool,
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

impl Leaving {
    /// Decides what happens with the packet. Nothing with a loopback address may leave this host.
    #[inline]
    pub fn plan(&self) -> Plan {
        if self.is_source_loopback {
            Plan::Boundary
        } else if self.hops <= 1 {
            Plan::TooManyHops
        } else if !self.fits && !self.may_fragment && !self.is_error {
            Plan::TooBig
        } else {
            Plan::Send
        }
    }
}

impl Staying {
    /// Decides what happens with the packet.
    pub fn plan(&self) -> Plan {
        if self.crosses_boundary() {
            Plan::Boundary
        } else {
            Plan::Deliver
        }
    }

    /// Only NAT may turn a packet for elsewhere to this host, and nothing for a loopback address may
    /// enter it from outside.
    fn crosses_boundary(&self) -> bool {
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
#[inline]
pub fn put_addr(header: &mut [u8], side: Side, addr: Ipv4Addr) -> Option<()> {
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = header.first_chunk_mut::<20>()?;
    match side {
        Side::Source => [*s0, *s1, *s2, *s3] = addr.octets(),
        Side::Dest => [*d0, *d1, *d2, *d3] = addr.octets(),
    }
    Some(())
}

/// Puts a port into a transport header; its checksum is left as it was. `None` if it is too short.
#[inline]
pub fn put_port(transport: &mut [u8], side: Side, port: Port) -> Option<()> {
    let [s0, s1, d0, d1] = transport.first_chunk_mut::<4>()?;
    match side {
        Side::Source => [*s0, *s1] = port.bytes(),
        Side::Dest => [*d0, *d1] = port.bytes(),
    }
    Some(())
}

/// Makes the checksum of an IPv4 header anew; `header` is all of it. `None` if it is too short.
#[inline]
pub fn renew_header_checksum(header: &mut [u8]) -> Option<()> {
    let (fixed, options) = header.split_first_chunk_mut::<20>()?;
    let [first @ .., _, _, _, _, _, _, _, _, _, _] = &*fixed;
    let [_, _, _, _, _, _, _, _, _, _, _, _, last @ ..] = &*fixed;
    let sum = Sum::ZERO.bytes(first).bytes(last);
    let checksum = match options.is_empty() {
        true => sum.checksum(),
        false => sum.bytes(options).checksum(),
    };
    let [_, _, _, _, _, _, _, _, _, _, high, low, ..] = fixed;
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
        assert_eq!(renew_header_checksum(&mut [0; 19]), None);
    }

    #[test]
    fn numbers_are_the_low_bits_of_flags() {
        for number in 0..8 {
            assert_eq!(Method::from_number(number | 0x1f8).number(), number);
        }
    }

    #[test]
    fn packets_are_sent_while_hops_are_left() {
        assert_eq!(LEAVING.plan(), Plan::Send);
        let left = |hops| Leaving { hops, ..LEAVING }.plan();
        assert_eq!(left(2), Plan::Send);
        assert_eq!(left(1), Plan::TooManyHops);
        assert_eq!(left(0), Plan::TooManyHops);
    }

    #[test]
    fn only_what_may_not_be_cut_is_too_big() {
        let long = Leaving {
            fits: false,
            ..LEAVING
        };
        assert_eq!(long.plan(), Plan::TooBig);
        let cut = Leaving {
            may_fragment: true,
            ..long
        };
        assert_eq!(cut.plan(), Plan::Send);
    }

    #[test]
    fn no_error_is_sent_about_an_error() {
        let error = Leaving {
            fits: false,
            is_error: true,
            ..LEAVING
        };
        assert_eq!(error.plan(), Plan::Send);
    }

    #[test]
    fn loopback_sources_stay_inside() {
        let inside = Leaving {
            is_source_loopback: true,
            ..LEAVING
        };
        assert_eq!(inside.plan(), Plan::Boundary);
        let last = Leaving { hops: 1, ..inside };
        assert_eq!(last.plan(), Plan::Boundary);
    }

    #[test]
    fn only_nat_turns_packets_to_this_host() {
        let nat = Staying {
            is_packet_local: false,
            ..STAYING
        };
        assert_eq!(nat.plan(), Plan::Deliver);
        let direct = Staying {
            method: Method::Direct,
            ..nat
        };
        assert_eq!(direct.plan(), Plan::Boundary);
        let local = Staying {
            is_packet_local: true,
            ..direct
        };
        assert_eq!(local.plan(), Plan::Deliver);
    }

    #[test]
    fn bypass_never_ends_here() {
        let bypass = Staying {
            method: Method::Bypass,
            ..STAYING
        };
        assert_eq!(bypass.plan(), Plan::Boundary);
    }

    #[test]
    fn nobody_outside_reaches_a_server_on_loopback() {
        let smuggled = Staying {
            is_server_loopback: true,
            ..STAYING
        };
        assert_eq!(smuggled.plan(), Plan::Boundary);
        let inside = Staying {
            is_from_outside: false,
            ..smuggled
        };
        assert_eq!(inside.plan(), Plan::Deliver);
        let direct = Staying {
            method: Method::Direct,
            ..smuggled
        };
        assert_eq!(direct.plan(), Plan::Deliver);
    }

    #[test]
    fn forwarded_errors_are_not_turned_to_this_host() {
        let forwarded = Staying {
            place: Place::Forward,
            ..STAYING
        };
        assert_eq!(forwarded.plan(), Plan::Boundary);
        let direct = Staying {
            method: Method::Direct,
            ..forwarded
        };
        assert_eq!(direct.plan(), Plan::Deliver);
    }

    #[test]
    fn only_direct_routing_needs_the_server_on_its_link() {
        assert_eq!(Method::Direct.hop(), Hop::Server);
        assert_eq!(Method::Nat.hop(), Hop::Table);
    }

    const LEAVING: Leaving = Leaving {
        is_source_loopback: false,
        hops: 64,
        fits: true,
        may_fragment: false,
        is_error: false,
    };

    const STAYING: Staying = Staying {
        method: Method::Nat,
        place: Place::Host,
        is_packet_local: true,
        is_from_outside: true,
        is_server_loopback: false,
    };
}
