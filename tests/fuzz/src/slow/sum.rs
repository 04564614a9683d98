// SPDX-License-Identifier: GPL-2.0
//! Checksums by their definitions, of all bytes at once.

/// Returns the number that RFC 1071 makes of bytes: the sum of their 16-bit words, the first byte of
/// each being the higher one, with every carry added again.
pub fn words(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for (place, byte) in bytes.iter().enumerate() {
        sum += u64::from(*byte) * if place % 2 == 0 { 256 } else { 1 };
    }
    while sum > 0xffff {
        sum = sum % 0x1_0000 + sum / 0x1_0000;
    }
    sum as u16
}

/// Returns the checksum field for bytes whose own field is zero.
pub fn field(bytes: &[u8]) -> [u8; 2] {
    (0xffff - words(bytes)).to_be_bytes()
}

/// Returns whether two fields are the same number of one's complement, which has two zeroes.
pub fn same(one: [u8; 2], other: [u8; 2]) -> bool {
    u16::from_be_bytes(one) % 0xffff == u16::from_be_bytes(other) % 0xffff
}

/// Returns the field that is so much more than another one.
pub fn plus(field: [u8; 2], more: u32) -> [u8; 2] {
    let sum = (u32::from(u16::from_be_bytes(field)) + more) % 0xffff;
    (sum as u16).to_be_bytes()
}

/// Returns the pseudo header of RFC 8200 8.1; that of RFC 9293 3.1 has the same sum.
pub fn pseudo_header(source: &[u8], dest: &[u8], protocol: u8, length: usize) -> Vec<u8> {
    let length = u32::try_from(length)
        .expect("a packet's length")
        .to_be_bytes();
    [source, dest, &length, &[0, 0, 0, protocol]].concat()
}

/// Returns the CRC32c of RFC 9260, appendix A, bit by bit.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = match crc % 2 {
                1 => crc / 2 ^ 0x82f6_3b78,
                _ => crc / 2,
            };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crc_is_the_published_one() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_sum_is_that_of_the_example_of_rfc_1071() {
        assert_eq!(words(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }
}
