// SPDX-License-Identifier: GPL-2.0
//! Forwarding methods: what is to happen with a packet, as a value.

/// How packets get to a real server; the numbers are the low bits of connection flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The destination is rewritten.
    Nat = 0,
    /// The server is this machine.
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
