// SPDX-License-Identifier: GPL-2.0
//! Addresses, ports, protocols and endpoints in network order.

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
}

/// An address of either family: two words as they lie in memory. IPv4 is in the first bytes, the rest
/// is zero.
///
/// Always written and read in these words: a processor waits where it reads at once what it has just
/// written in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addr([u64; 2]);

impl Addr {
    /// The unspecified address.
    pub const ANY: Addr = Addr([0; 2]);

    /// Returns the address with these IPv4 bytes.
    pub const fn from_v4(bytes: [u8; 4]) -> Addr {
        let [a, b, c, d] = bytes;
        Addr([u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]), 0])
    }

    /// Returns the address with these IPv6 bytes.
    pub const fn from_v6(bytes: [u8; 16]) -> Addr {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Addr([
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        ])
    }

    /// Returns the address whose bytes `bytes` begins with, if there are enough of them.
    pub fn from_slice(family: Family, bytes: &[u8]) -> Option<Addr> {
        match family {
            Family::V4 => Some(Addr::from_v4(*bytes.first_chunk()?)),
            Family::V6 => Some(Addr::from_v6(*bytes.first_chunk()?)),
        }
    }

    /// Returns the bytes; those of an IPv4 address are followed by zeroes.
    pub const fn octets(self) -> [u8; 16] {
        let [first, second] = self.0;
        let [a, b, c, d, e, f, g, h] = first.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = second.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Returns the bytes of an IPv4 address.
    pub const fn v4(self) -> [u8; 4] {
        let [first, _] = self.0;
        let [a, b, c, d, ..] = first.to_ne_bytes();
        [a, b, c, d]
    }

    /// Returns an IPv4 address as a number.
    pub const fn host_v4(self) -> u32 {
        u32::from_be_bytes(self.v4())
    }

    /// Returns whether the address stays inside its host: 127.0.0.0/8 or ::1.
    #[inline]
    pub const fn is_loopback(self, family: Family) -> bool {
        match family {
            Family::V4 => matches!(self.v4(), [127, ..]),
            Family::V6 => {
                matches!(
                    self.octets(),
                    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
                )
            }
        }
    }

    /// Returns words of 32 bits as they lie in memory.
    pub const fn words(self) -> [u32; 4] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.octets();
        [
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ]
    }
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
    /// SCTP.
    pub const SCTP: Protocol = Protocol(132);
}

/// An address and a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
        assert_eq!(Addr::from_v6(V6).octets(), V6);
        assert_eq!(Addr::from_v4([192, 0, 2, 1]).v4(), [192, 0, 2, 1]);
        assert_eq!(Addr::from_v4([192, 0, 2, 1]).host_v4(), 0xc000_0201);
        let octets = Addr::from_v4([192, 0, 2, 1]).octets();
        assert_eq!(octets[..4], [192, 0, 2, 1]);
        assert_eq!(octets[4..], [0; 12]);
    }

    #[test]
    fn an_address_needs_all_its_bytes() {
        for (family, length) in [(Family::V4, 4), (Family::V6, 16)] {
            assert_eq!(Addr::from_slice(family, &V6[..length - 1]), None);
            let exact = Addr::from_slice(family, &V6[..length]);
            assert!(exact.is_some());
            assert_eq!(exact, Addr::from_slice(family, &V6));
        }
    }

    #[test]
    fn loopback_is_a_network_of_ipv4_and_an_address_of_ipv6() {
        for (bytes, is_loopback) in [
            ([127, 0, 0, 1], true),
            ([127, 255, 255, 255], true),
            ([126, 0, 0, 1], false),
            ([128, 0, 0, 1], false),
        ] {
            assert_eq!(Addr::from_v4(bytes).is_loopback(Family::V4), is_loopback);
        }
        let one = Addr::from_v6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(one.is_loopback(Family::V6));
        assert!(!Addr::ANY.is_loopback(Family::V6));
        assert!(!Addr::from_v6(V6).is_loopback(Family::V6));
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
