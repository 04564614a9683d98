// SPDX-License-Identifier: GPL-2.0
//! Random seeds.
//!
//! C header: `include/linux/random.h`

use crate::bindings;

/// Returns 128 random bits.
pub fn seed() -> [u64; 2] {
    [word(), word()]
}

/// Returns 64 random bits.
fn word() -> u64 {
    // SAFETY: May be called anywhere.
    unsafe { bindings::get_random_u64() }
}
