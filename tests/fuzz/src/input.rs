// SPDX-License-Identifier: GPL-2.0
//! Takes values from the bytes that a fuzzer made up; behind their end there are zeroes.

use ipvs::addr::{ipv4, ipv6, Addr, Endpoint, Family, Port};

/// What is left of an input.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Begins at the start of `bytes`.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a byte.
    pub fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *byte
    }

    /// Takes `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// Takes `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// Takes a number of two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// Takes a number of four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// Takes yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Takes a number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// Takes one of several values.
    pub fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// Takes all that is left, but at most `most` bytes.
    pub fn rest(&mut self, most: usize) -> Vec<u8> {
        self.bytes(self.0.len().min(most))
    }

    /// Takes a family.
    pub fn family(&mut self) -> Family {
        self.one_of(&[Family::V4, Family::V6])
    }

    /// Takes an address.
    pub fn addr(&mut self, family: Family) -> Addr {
        match family {
            Family::V4 => ipv4(self.array()),
            Family::V6 => ipv6(self.array()),
        }
    }

    /// Takes an address and a port.
    pub fn endpoint(&mut self, family: Family) -> Endpoint {
        Endpoint {
            addr: self.addr(family),
            port: Port::from_host(self.u16()),
        }
    }
}
