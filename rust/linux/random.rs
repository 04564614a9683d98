// SPDX-License-Identifier: GPL-2.0
//! Random numbers.
//!
//! C header: `include/linux/random.h`

use crate::bindings;

/// Returns random words of 64 bits each.
pub fn words<const N: usize>() -> [u64; N] {
    [0; N].map(|_| word())
}

/// Returns a number from 0 to `last` that cannot be predicted.
///
/// Each has the same chance, but for one part in 2^64 divided by the range.
pub fn up_to(last: u64) -> u64 {
    let product = u128::from(word()).wrapping_mul(u128::from(last).wrapping_add(1));
    // CAST: The high half of 128 bits; it is no more than `last`.
    (product >> 64) as u64
}

/// Returns 64 random bits.
fn word() -> u64 {
    // SAFETY: May be called anywhere.
    unsafe { bindings::get_random_u64() }
}
