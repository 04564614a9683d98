// SPDX-License-Identifier: GPL-2.0
//! Hashing of keys with a random seed that is an argument.
//!
//! SipHash-1-3: clients choose the keys, so without the seed it must not be possible to make
//! them meet. (Aumasson, Bernstein: SipHash, a fast short-input PRF.)

/// A random seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u64; 2]);

/// Returns the hash of `words` and of five bytes more, which `tail` begins with as a little-endian
/// word does; the rest of `tail` is zero.
///
/// The number of bytes is part of what is hashed.
#[inline]
pub fn words<const N: usize>(seed: &Seed, words: [u64; N], tail: u64) -> u64 {
    let mut state = State::new(seed);
    let mut len: u64 = TAIL;
    for word in words {
        state.absorb(word);
        len = len.wrapping_add(8);
    }
    state.absorb(len << 56 | tail);
    state.finish()
}

/// Returns a hash of another hash and of any bytes.
pub fn hash_with(seed: &Seed, hash: u32, bytes: &[u8]) -> u32 {
    let mut state = State::new(seed);
    state.absorb(hash.into());
    let mut rest = bytes;
    while let Some((word, others)) = rest.split_first_chunk() {
        state.absorb(u64::from_le_bytes(*word));
        rest = others;
    }
    let mut tail = [0; 8];
    for (to, from) in tail.iter_mut().zip(rest) {
        *to = *from;
    }
    // The low byte of the length, which the highest of the tail is free for.
    let [len, ..] = bytes.len().to_le_bytes();
    state.absorb(u64::from(len) << 56 | u64::from_le_bytes(tail));
    let [.., a, b, c, d] = state.finish().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The bytes that follow the words: two ports and a protocol.
const TAIL: u64 = 5;

/// Returns the low half of the hash of four bytes, given as they are in a little-endian word.
pub fn short(seed: &Seed, bytes: u32) -> u32 {
    let mut state = State::new(seed);
    state.absorb(4 << 56 | u64::from(bytes));
    let [.., a, b, c, d] = state.finish().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The four words of SipHash.
struct State([u64; 4]);

impl State {
    #[inline]
    fn new(seed: &Seed) -> Self {
        let [key0, key1] = seed.0;
        Self([
            key0 ^ 0x736f_6d65_7073_6575,
            key1 ^ 0x646f_7261_6e64_6f6d,
            key0 ^ 0x6c79_6765_6e65_7261,
            key1 ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }

    #[inline]
    fn absorb(&mut self, word: u64) {
        let [a, b, c, d] = self.0;
        self.0 = [a, b, c, d ^ word];
        self.round();
        let [a, b, c, d] = self.0;
        self.0 = [a ^ word, b, c, d];
    }

    #[inline]
    fn finish(mut self) -> u64 {
        let [a, b, c, d] = self.0;
        self.0 = [a, b, c ^ 0xff, d];
        self.round();
        self.round();
        self.round();
        let [a, b, c, d] = self.0;
        a ^ b ^ c ^ d
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_hash))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    /// Key 00 01 … 0f and input 00 01 …: the vectors of the reference implementation.
    #[test]
    fn agrees_with_the_reference() {
        let seed = Seed([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let input = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let [first, _] = input;
        assert_eq!(words(&seed, [], 0x04_0302_0100), 0xdef9_d52f_4953_3b67);
        assert_eq!(words(&seed, [first], 0x0c_0b0a_0908), 0x306f_760c_1229_ffa7);
        assert_eq!(words(&seed, input, 0x14_1312_1110), 0xb992_abfe_2b45_f844);
    }

    #[test]
    fn depends_on_the_seed_and_the_length() {
        let key = [1, 2];
        assert!(words(&Seed([1, 2]), key, 3) != words(&Seed([1, 3]), key, 3));
        assert!(words(&Seed([1, 2]), [0], 0) != words(&Seed([1, 2]), [0, 0], 0));
    }
}
