// SPDX-License-Identifier: GPL-2.0
//! Hashing of keys with a random seed that is an argument.
//!
//! SipHash-1-3: clients choose the keys, so who does not know the seed must not be able to make
//! them meet. (Aumasson, Bernstein: SipHash, a fast short-input PRF.)

/// A random seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u64; 2]);

/// Returns the hash of `words`. The number of words is part of what is hashed.
pub fn words(seed: &Seed, words: &[u64]) -> u64 {
    let mut state = State::new(seed);
    let mut len: u64 = 0;
    for word in words {
        state.absorb(*word);
        len = len.wrapping_add(8);
    }
    state.absorb(len << 56);
    state.finish()
}

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
        assert_eq!(words(&seed, &[]), 0xabac_0158_050f_c4dc);
        assert_eq!(
            words(&seed, &[0x0706_0504_0302_0100]),
            0x3690_9511_8d29_9a8e
        );
        assert_eq!(words(&seed, &input), 0xcc4f_dd1a_7d90_8b66);
    }

    #[test]
    fn depends_on_the_seed_and_the_length() {
        let key = [1, 2];
        assert!(words(&Seed([1, 2]), &key) != words(&Seed([1, 3]), &key));
        assert!(words(&Seed([1, 2]), &[0]) != words(&Seed([1, 2]), &[0, 0]));
    }
}
