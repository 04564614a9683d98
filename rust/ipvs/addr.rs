// SPDX-License-Identifier: GPL-2.0
//! Addresses, ports, protocols and endpoints in network order.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    pub const fn of(addr: Addr) -> Family {
        addr.family
    }

    /// Returns the address whose bytes `bytes` begins with, if there are enough of them.
    pub fn read(self, bytes: &[u8]) -> Option<Addr> {
        match self {
            Family::V4 => Some(ipv4(*bytes.first_chunk()?)),
            Family::V6 => Some(ipv6(*bytes.first_chunk()?)),
        }
    }

    /// Returns the unspecified address.
    pub const fn unspecified(self) -> Addr {
        Addr {
            family: self,
            words: Words([0; 2]),
        }
    }
}

/// The bytes of an address as two words, as they lie in memory. IPv4 is in the first bytes, the rest
/// is zero.
///
/// Always written and read in these words: a processor waits where it reads at once what it has just
/// written in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words([u64; 2]);

/// An address, which knows its family.
///
/// A function for one family takes [`Ipv4Addr`] or [`Ipv6Addr`] and cannot be given the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addr {
    family: Family,
    words: Words,
}

impl Addr {
    /// Puts an address together again: see [`Addr::words`].
    #[inline]
    pub const fn from_words(family: Family, words: Words) -> Addr {
        Addr { family, words }
    }

    /// Returns the family.
    #[inline]
    pub const fn family(self) -> Family {
        self.family
    }

    /// Returns what is left without the family, for records that keep it elsewhere.
    #[inline]
    pub const fn words(self) -> Words {
        self.words
    }

    /// Returns the bytes; those of an IPv4 address are followed by zeroes.
    #[inline]
    pub const fn octets(self) -> [u8; 16] {
        let Words([first, second]) = self.words;
        let [a, b, c, d, e, f, g, h] = first.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = second.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Returns the address that the standard library has.
    pub const fn from_ip(addr: IpAddr) -> Addr {
        match addr {
            IpAddr::V4(addr) => ipv4(addr.octets()),
            IpAddr::V6(addr) => ipv6(addr.octets()),
        }
    }

    /// Returns the address as one of IPv4, if it is.
    #[inline]
    pub const fn v4(self) -> Option<Ipv4Addr> {
        match self.family {
            Family::V4 => {
                let [a, b, c, d, ..] = self.octets();
                Some(Ipv4Addr::new(a, b, c, d))
            }
            Family::V6 => None,
        }
    }

    /// Returns the address as one of IPv6, if it is.
    #[inline]
    pub const fn v6(self) -> Option<Ipv6Addr> {
        match self.family {
            Family::V4 => None,
            Family::V6 => Some(Ipv6Addr::from_bits(u128::from_be_bytes(self.octets()))),
        }
    }

    /// Returns the address as the standard library has it.
    #[inline]
    pub fn to_ip(self) -> IpAddr {
        let octets = self.octets();
        match self.family {
            Family::V4 => {
                let [a, b, c, d, ..] = octets;
                IpAddr::from([a, b, c, d])
            }
            Family::V6 => IpAddr::from(octets),
        }
    }

    /// Returns the address with the bits only that `mask` has, from the first bit of the first byte on.
    #[inline]
    pub const fn and(self, mask: u128) -> Addr {
        let bits = u128::from_be_bytes(self.octets()) & mask;
        Addr {
            family: self.family,
            words: ipv6(bits.to_be_bytes()).words,
        }
    }

    /// Returns whether the address stays inside its host: 127.0.0.0/8 or ::1.
    #[inline]
    pub const fn is_loopback(self) -> bool {
        match self.family {
            Family::V4 => matches!(self.octets(), [127, ..]),
            Family::V6 => {
                matches!(
                    self.octets(),
                    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
                )
            }
        }
    }
}

/// Returns the IPv4 address with these bytes.
#[inline]
pub const fn ipv4(bytes: [u8; 4]) -> Addr {
    let [a, b, c, d] = bytes;
    Addr {
        family: Family::V4,
        words: Words([u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]), 0]),
    }
}

/// Returns the IPv6 address with these bytes.
#[inline]
pub const fn ipv6(bytes: [u8; 16]) -> Addr {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    Addr {
        family: Family::V6,
        words: Words([
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        ]),
    }
}

/// Returns words of 32 bits as they lie in memory; that of an IPv4 address is followed by zeroes.
#[inline]
pub const fn words(addr: Addr) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = addr.octets();
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
    pub addr: Addr,
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
        assert_eq!(ipv6(V6).octets(), V6);
        let addr = ipv4([192, 0, 2, 1]);
        assert_eq!(addr.octets()[..4], [192, 0, 2, 1]);
        assert_eq!(addr.octets()[4..], [0; 12]);
        assert_eq!(words(addr)[0].to_ne_bytes(), [192, 0, 2, 1]);
        assert_eq!(words(ipv6(V6))[3].to_ne_bytes(), [9, 10, 11, 12]);
    }

    #[test]
    fn an_address_is_that_of_the_standard_library() {
        let (four, six) = (ipv4([192, 0, 2, 1]), ipv6(V6));
        assert_eq!(four.v4(), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(six.v6().map(|addr| addr.octets()), Some(V6));
        assert!(four.v6().is_none() && six.v4().is_none());
        assert_eq!(Addr::from_words(Family::V6, six.words()), six);
        // The same bytes in the other family are another address.
        assert!(Addr::from_words(Family::V6, four.words()) != four);
    }

    #[test]
    fn loopback_is_a_network_of_ipv4_and_an_address_of_ipv6() {
        let one = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert!(ipv4([127, 9, 0, 1]).is_loopback() && ipv6(one).is_loopback());
        assert!(!ipv4([128, 0, 0, 1]).is_loopback() && !ipv6(V6).is_loopback());
        assert!(!Family::V6.unspecified().is_loopback());
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
