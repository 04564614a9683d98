// SPDX-License-Identifier: GPL-2.0
//! Addresses, ports, protocols and endpoints in network order.
//!
//! An address is [`IpAddr`] of the standard library: it knows its family, so a function for one
//! family takes [`Ipv4Addr`] or [`Ipv6Addr`] and cannot be given the other.

pub use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Returns C's number of the family.
    pub const fn number(self) -> u16 {
        match self {
            Family::V4 => 2,
            Family::V6 => 10,
        }
    }

    /// Returns the family with C's number.
    pub const fn from_number(number: u16) -> Option<Family> {
        match number {
            2 => Some(Family::V4),
            10 => Some(Family::V6),
            _ => None,
        }
    }

    /// Returns the family of an address.
    #[inline]
    pub const fn of(addr: IpAddr) -> Family {
        match addr {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// Returns the address whose bytes `bytes` begins with, if there are enough of them.
    pub fn read(self, bytes: &[u8]) -> Option<IpAddr> {
        match self {
            Family::V4 => Some(ipv4(*bytes.first_chunk()?)),
            Family::V6 => Some(ipv6(*bytes.first_chunk()?)),
        }
    }

    /// Returns the unspecified address.
    pub const fn unspecified(self) -> IpAddr {
        match self {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// Returns the IPv4 address with these bytes.
pub const fn ipv4(bytes: [u8; 4]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(u32::from_be_bytes(bytes)))
}

/// Returns the IPv6 address with these bytes.
pub const fn ipv6(bytes: [u8; 16]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(u128::from_be_bytes(bytes)))
}

/// Returns the bytes; those of an IPv4 address are followed by zeroes.
pub const fn octets(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => {
            let [a, b, c, d] = addr.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(addr) => addr.octets(),
    }
}

/// Returns words of 32 bits as they lie in memory; that of an IPv4 address is followed by zeroes.
pub const fn words(addr: IpAddr) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets(addr);
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
        u32::from_ne_bytes([i, j, k, l]),
        u32::from_ne_bytes([m, n, o, p]),
    ]
}

/// A port in network order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Port(u16);

impl Port {
    /// No port, or any.
    pub const ANY: Port = Port(0);

    /// Returns the port with this number.
    pub const fn from_host(number: u16) -> Port {
        Port(number.to_be())
    }

    /// Returns the port whose bytes these are.
    pub const fn from_bytes(bytes: [u8; 2]) -> Port {
        Port(u16::from_ne_bytes(bytes))
    }

    /// Returns the bytes.
    pub const fn bytes(self) -> [u8; 2] {
        self.0.to_ne_bytes()
    }

    /// Returns the number.
    pub const fn host(self) -> u16 {
        u16::from_be(self.0)
    }
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub u8);

impl Protocol {
    /// None: templates of services chosen by mark.
    pub const NONE: Protocol = Protocol(0);
    /// ICMP.
    pub const ICMP: Protocol = Protocol(1);
    /// TCP.
    pub const TCP: Protocol = Protocol(6);
    /// UDP.
    pub const UDP: Protocol = Protocol(17);
    /// Encrypted packets of IPsec.
    pub const ESP: Protocol = Protocol(50);
    /// Authenticated packets of IPsec.
    pub const AH: Protocol = Protocol(51);
    /// ICMP of version 6.
    pub const ICMPV6: Protocol = Protocol(58);
    /// SCTP.
    pub const SCTP: Protocol = Protocol(132);
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub addr: IpAddr,
    /// The port.
    pub port: Port,
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_addr))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    #[test]
    fn families_have_the_numbers_of_the_abi() {
        for family in [Family::V4, Family::V6] {
            assert_eq!(Family::from_number(family.number()), Some(family));
        }
        let known = (0..=u16::MAX).filter(|number| Family::from_number(*number).is_some());
        assert_eq!(known.count(), 2);
        assert_eq!((Family::V4.number(), Family::V6.number()), (2, 10));
    }

    #[test]
    fn an_address_keeps_its_bytes() {
        assert_eq!(octets(ipv6(V6)), V6);
        let addr = ipv4([192, 0, 2, 1]);
        assert_eq!(octets(addr)[..4], [192, 0, 2, 1]);
        assert_eq!(octets(addr)[4..], [0; 12]);
        assert_eq!(words(addr)[0].to_ne_bytes(), [192, 0, 2, 1]);
        assert_eq!(words(ipv6(V6))[3].to_ne_bytes(), [9, 10, 11, 12]);
    }

    #[test]
    fn an_address_needs_all_its_bytes() {
        for (family, length) in [(Family::V4, 4), (Family::V6, 16)] {
            assert_eq!(family.read(&V6[..length - 1]), None);
            let exact = family.read(&V6[..length]);
            assert!(exact.is_some());
            assert_eq!(exact, family.read(&V6));
            assert_eq!(exact.map(Family::of), Some(family));
            assert_eq!(Family::of(family.unspecified()), family);
        }
    }

    #[test]
    fn a_port_keeps_number_and_bytes() {
        for number in 0..=u16::MAX {
            let port = Port::from_host(number);
            let same = port.host() == number
                && port.bytes() == number.to_be_bytes()
                && Port::from_bytes(port.bytes()) == port;
            if !same {
                return assert_eq!(number, 0);
            }
        }
    }
}
