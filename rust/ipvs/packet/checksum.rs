// SPDX-License-Identifier: GPL-2.0
//! One's-complement sums and their incremental updates (RFC 1071, RFC 1624).
//!
//! Words are summed as they lie in memory: the arithmetic is the same in either byte order, and
//! the kernel's own sums can be continued.

use crate::addr::{words, Addr, Family, Protocol};

/// A sum of 16-bit words that has not been folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum(u32);

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Sum = Sum(0);

    /// Returns a sum that the kernel made.
    pub const fn from_raw(raw: u32) -> Sum {
        Sum(raw)
    }

    /// Returns the sum for the kernel to go on with.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Returns the sum of both: carries go round.
    #[inline]
    pub const fn plus(self, other: Sum) -> Sum {
        let (sum, carry) = self.0.overflowing_add(other.0);
        Sum(sum.wrapping_add(carry as u32))
    }

    /// Adds one word.
    #[inline]
    pub const fn word(self, word: [u8; 2]) -> Sum {
        self.plus(Sum(u16::from_ne_bytes(word) as u32))
    }

    /// Adds bytes; an odd one at the end counts as if a zero followed.
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Sum {
        let mut sum = self;
        let mut rest = bytes;
        // Two words at a time: the carry of the one goes into the other, and round.
        while let Some((words, tail)) = rest.split_first_chunk::<4>() {
            sum = sum.plus(Sum(u32::from_ne_bytes(*words)));
            rest = tail;
        }
        while let Some((word, tail)) = rest.split_first_chunk::<2>() {
            sum = sum.word(*word);
            rest = tail;
        }
        match rest.first() {
            Some(last) => sum.word([*last, 0]),
            None => sum,
        }
    }

    /// Adds an address.
    #[inline]
    pub fn addr(self, addr: Addr) -> Sum {
        let [a, b, c, d] = words(addr);
        match addr.family() {
            Family::V4 => self.plus(Sum(a)),
            Family::V6 => self.plus(Sum(a)).plus(Sum(b)).plus(Sum(c)).plus(Sum(d)),
        }
    }

    /// Returns the folded sum.
    #[inline]
    pub const fn fold(self) -> u16 {
        // Each half is added to the other; the upper one gets the carry of the lower.
        let both = self.0.wrapping_add(self.0.rotate_left(16));
        // What is left has 16 bits.
        (both >> 16) as u16
    }

    /// Returns the checksum field for this sum.
    #[inline]
    pub const fn checksum(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }

    /// Returns the field that holds this sum for the hardware to complete.
    #[inline]
    pub const fn partial(self) -> [u8; 2] {
        self.fold().to_ne_bytes()
    }
}

/// Returns the sum of the pseudo header of TCP and UDP (RFC 9293 3.1, RFC 8200 8.1).
///
/// `length` is that of the transport header and what follows it, in bytes.
pub fn pseudo_header(source: Addr, dest: Addr, protocol: Protocol, length: u32) -> Sum {
    let [a, b, c, d] = length.to_be_bytes();
    Sum::ZERO
        .addr(source)
        .addr(dest)
        .word([0, protocol.0])
        .word([a, b])
        .word([c, d])
}

/// Returns a checksum field after the words summed in `old` became those summed in `new`.
///
/// RFC 1624, equation 3.
#[inline]
pub const fn replaced(field: [u8; 2], old: Sum, new: Sum) -> [u8; 2] {
    Sum(!u16::from_ne_bytes(field) as u32)
        .plus(Sum(!old.0))
        .plus(new)
        .checksum()
}

/// Returns a field that holds a pseudo header's sum after the same change.
#[inline]
pub const fn replaced_partial(field: [u8; 2], old: Sum, new: Sum) -> [u8; 2] {
    Sum(u16::from_ne_bytes(field) as u32)
        .plus(Sum(!old.0))
        .plus(new)
        .partial()
}

/// What is in the transport checksum field of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The whole checksum, good or bad.
    Whole,
    /// The sum of the pseudo header; the rest is added on output.
    Partial,
}

/// The words of a packet that changed, as sums before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of addresses, which are in the pseudo header.
    pub addrs: (Sum, Sum),
    /// Of ports, which are not.
    pub ports: (Sum, Sum),
}

impl Change {
    /// Returns a checksum field after the change.
    #[inline(always)]
    pub(super) const fn applied(&self, present: [u8; 2], field: Field) -> [u8; 2] {
        let ((old, new), (old_port, new_port)) = (self.addrs, self.ports);
        match field {
            Field::Partial => replaced_partial(present, old, new),
            Field::Whole => replaced(present, old.plus(old_port), new.plus(new_port)),
        }
    }
}

/// What is left to do for a transport checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Nothing; sums that hardware made of the whole packet hold no longer.
    Done,
    /// There was none, and the packet is to get one: that of its new addresses and ports.
    Missing,
    /// It is none of words that can be made up for: [`super::sctp::Sealing`] decides what becomes of it.
    Sealed,
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet_checksum))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::ipv4;

    /// The example of RFC 1071, section 3.
    #[test]
    fn sums_the_example_of_the_rfc() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::ZERO.bytes(&bytes).fold().to_ne_bytes(), [0xdd, 0xf2]);
    }

    #[test]
    fn an_odd_byte_counts_as_the_high_one() {
        assert_eq!(Sum::ZERO.bytes(&[1, 2, 3]).fold().to_ne_bytes(), [4, 2]);
    }

    /// A header and its checksum sum to all ones.
    #[test]
    fn a_packet_with_its_checksum_sums_to_all_ones() {
        let header = [
            0x45, 0, 0, 0x3c, 0x1c, 0x46, 0x40, 0, 0x40, 6, 0, 0, 0xac, 0x10, 0x0a, 0x63, 0xac,
            0x10, 0x0a, 0x0c,
        ];
        let sum = Sum::ZERO.bytes(&header);
        assert_eq!(sum.checksum(), [0xb1, 0xe6]);
        assert_eq!(sum.word(sum.checksum()).fold(), 0xffff);
    }

    /// RFC 1624, section 4: the case in which equation 2 goes wrong.
    #[test]
    fn updates_the_example_of_the_rfc() {
        let field = replaced([0xdd, 0x2f], word([0x55, 0x55]), word([0x32, 0x85]));
        assert_eq!(field, [0x00, 0x00]);
    }

    /// Every value of a word, each changed to three others beside a constant rest.
    #[test]
    fn an_update_equals_a_new_sum() {
        let rest = Sum::ZERO.bytes(&[0x12, 0x34, 0xff, 0xff]);
        let mut wrong = 0;
        for old in 0..=u16::MAX {
            for new in [old.wrapping_add(1), !old, old.wrapping_mul(40503)] {
                let (old, new) = (word(old.to_be_bytes()), word(new.to_be_bytes()));
                if replaced(rest.plus(old).checksum(), old, new) != rest.plus(new).checksum() {
                    wrong += 1;
                }
                if replaced_partial(rest.plus(old).partial(), old, new) != rest.plus(new).partial()
                {
                    wrong += 1;
                }
            }
        }
        assert_eq!(wrong, 0);
    }

    #[test]
    fn folding_keeps_the_value_modulo_all_ones() {
        let mut wrong = 0;
        for high in 0..=u16::MAX {
            let raw = u32::from(high) << 16 | 0xfffe;
            if u32::from(Sum::from_raw(raw).fold()) % 0xffff != raw % 0xffff {
                wrong += 1;
            }
        }
        assert_eq!(wrong, 0);
    }

    #[test]
    fn the_pseudo_header_holds_addresses_protocol_and_length() {
        let (a, b) = (ipv4([10, 0, 0, 1]), ipv4([10, 0, 0, 2]));
        let sum = pseudo_header(a, b, Protocol::UDP, 0x1_0008);
        assert_eq!(
            sum.fold(),
            Sum::ZERO
                .bytes(&[10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, 1, 0, 8])
                .fold()
        );
    }

    fn word(bytes: [u8; 2]) -> Sum {
        Sum::ZERO.word(bytes)
    }
}
