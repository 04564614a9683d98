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

/// An address of either family: words as they lie in memory, IPv4 in the first, the rest zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addr([u32; 4]);

impl Addr {
    /// The unspecified address.
    pub const ANY: Addr = Addr([0; 4]);

    /// Returns the address with these IPv4 bytes.
    pub const fn from_v4(bytes: [u8; 4]) -> Addr {
        Addr([u32::from_ne_bytes(bytes), 0, 0, 0])
    }

    /// Returns the address with these IPv6 bytes.
    pub const fn from_v6(bytes: [u8; 16]) -> Addr {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Addr([
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
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
        let [first, second, third, fourth] = self.0;
        let [a, b, c, d] = first.to_ne_bytes();
        let [e, f, g, h] = second.to_ne_bytes();
        let [i, j, k, l] = third.to_ne_bytes();
        let [m, n, o, p] = fourth.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Returns the bytes of an IPv4 address.
    pub const fn v4(self) -> [u8; 4] {
        let [first, ..] = self.0;
        first.to_ne_bytes()
    }

    /// Returns an IPv4 address as a number.
    pub const fn host_v4(self) -> u32 {
        u32::from_be_bytes(self.v4())
    }

    /// Returns the words as they lie in memory.
    pub const fn words(self) -> [u32; 4] {
        self.0
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
