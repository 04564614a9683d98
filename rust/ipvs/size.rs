// SPDX-License-Identifier: GPL-2.0
//! How many buckets a table has for what it holds: users see the number.
//!
//! A load factor of -f asks for 2^f buckets per entry, one of f for a bucket per 2^f entries.

/// Between which sizes a table moves, as powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of a new table.
    pub min_bits: u32,
    /// The largest size.
    pub max_bits: u32,
}

impl Limits {
    /// Services.
    pub const SERVICES: Limits = Limits {
        min_bits: 4,
        max_bits: 20,
    };

    /// Returns those of connections: at most 2^`bits`, and on a machine with `memory` bytes no more
    /// than it has room for connections.
    pub fn conns(bits: u32, memory: u64) -> Limits {
        let (min_bits, most_bits) = (8, 27);
        let memory_bits = 64_u32.saturating_sub(memory.saturating_sub(1).leading_zeros());
        let room = memory_bits.saturating_sub(CONN_BITS);
        let max_bits = bits.min(room).max(min_bits).min(most_bits);
        Limits { min_bits, max_bits }
    }

    /// Returns the fewest buckets.
    pub const fn min(self) -> u64 {
        power(self.min_bits)
    }

    /// Returns the most buckets.
    pub const fn max(self) -> u64 {
        power(self.max_bits)
    }
}

/// What a connection takes, as a power of two: 296 bytes in C's module, so that users see its sizes.
const CONN_BITS: u32 = 9;

/// Returns above how many entries a table of `size` buckets asks for more; `None` for never.
pub fn threshold(size: u64, factor: i32, limits: Limits) -> Option<u64> {
    if size >= limits.max() {
        return None;
    }
    let shift = factor.unsigned_abs();
    Some(if factor <= 0 {
        size.wrapping_shr(shift)
    } else {
        size.wrapping_shl(shift)
    })
}

/// Returns how many buckets `count` entries should have in a table of `size` buckets whose factor
/// stays the same.
pub fn desired(count: u64, size: u64, factor: i32, limits: Limits) -> u64 {
    let wanted = wanted(count, factor, limits);
    if wanted > size {
        wanted
    } else if wanted > size.wrapping_shr(4) {
        size
    } else {
        within(wanted.saturating_mul(2), limits)
    }
}

/// Returns the size to which a table of `size` buckets moves: larger once it is too full, smaller
/// once a sixteenth would do.
pub fn next(count: u64, size: u64, factor: i32, limits: Limits) -> u64 {
    let desired = desired(count, size, factor, limits);
    let is_full = threshold(size, factor, limits).is_some_and(|most| count > most);
    if desired > size && !is_full {
        size
    } else {
        desired
    }
}

/// Returns how many buckets `count` entries should have under a new factor.
pub fn refactored(count: u64, factor: i32, limits: Limits) -> u64 {
    within(wanted(count, factor, limits), limits)
}

fn wanted(count: u64, factor: i32, limits: Limits) -> u64 {
    let rounded = count.max(1).checked_next_power_of_two().unwrap_or(u64::MAX);
    let shift = factor.unsigned_abs();
    if factor < 0 {
        let most = power(limits.max_bits.saturating_sub(shift));
        rounded.min(most).wrapping_shl(shift)
    } else {
        rounded.wrapping_shr(shift).min(limits.max())
    }
}

fn within(size: u64, limits: Limits) -> u64 {
    size.max(limits.min()).min(limits.max())
}

const fn power(bits: u32) -> u64 {
    1_u64.wrapping_shl(bits)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_size))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn small_table_grows_above_its_threshold() {
        assert_eq!(threshold(256, -4, CONNS), Some(16));
        assert_eq!(desired(17, 256, -4, CONNS), 512);
        assert_eq!(desired(16, 256, -4, CONNS), 256);
    }

    #[test]
    fn largest_table_has_no_threshold() {
        assert_eq!(threshold(4096, -4, CONNS), None);
        assert_eq!(desired(1_000_000, 4096, -4, CONNS), 4096);
    }

    #[test]
    fn positive_factor_shares_buckets() {
        assert_eq!(threshold(256, 2, CONNS), Some(1024));
        assert_eq!(desired(1025, 256, 2, CONNS), 512);
    }

    #[test]
    fn table_shrinks_when_a_sixteenth_would_do() {
        assert_eq!(desired(17, 4096, -4, CONNS), 4096);
        assert_eq!(desired(16, 4096, -4, CONNS), 512);
        assert_eq!(desired(0, 4096, -4, CONNS), 256);
    }

    #[test]
    fn table_stays_until_it_is_too_full() {
        assert_eq!(next(2, 16, -3, Limits::SERVICES), 16);
        assert_eq!(next(3, 16, -3, Limits::SERVICES), 32);
        assert_eq!(next(16, 4096, -4, CONNS), 512);
    }

    #[test]
    fn new_factor_resizes_at_once() {
        assert_eq!(refactored(10, 0, CONNS), 256);
        assert_eq!(refactored(1000, 0, CONNS), 1024);
        assert_eq!(refactored(1000, -8, CONNS), 4096);
    }

    #[test]
    fn conns_are_limited_by_what_is_asked_for_and_by_memory() {
        let gigabyte = 1 << 30;
        assert_eq!(Limits::conns(12, gigabyte).max_bits, 12);
        assert_eq!(Limits::conns(27, gigabyte).max_bits, 21);
        assert_eq!(Limits::conns(27, gigabyte + 1).max_bits, 22);
        assert_eq!(Limits::conns(27, u64::MAX).max_bits, 27);
        assert_eq!(Limits::conns(40, u64::MAX).max_bits, 27);
        assert_eq!(Limits::conns(0, gigabyte).max_bits, 8);
        assert_eq!(Limits::conns(27, 0).max_bits, 8);
    }

    #[test]
    fn services_begin_with_sixteen_buckets() {
        assert_eq!(Limits::SERVICES.min(), 16);
        assert_eq!(threshold(16, -3, Limits::SERVICES), Some(2));
        assert_eq!(desired(3, 16, -3, Limits::SERVICES), 32);
    }

    const CONNS: Limits = Limits {
        min_bits: 8,
        max_bits: 12,
    };
}
