// SPDX-License-Identifier: GPL-2.0
//! How long a connection stays when its time is over.
//!
//! The timers of `ip_vs` are the kernel's, which end long times late: by up to two seconds from a
//! minute on, by up to 16 from 131 seconds on. Keepalives as long as the time-out itself, such as 300
//! seconds for UDP, rely on that.

/// The seconds that a connection stays longer than its time-out of `seconds`.
pub const fn overtime(seconds: u32) -> u32 {
    match seconds {
        ..60 => 0,
        60..131 => 1,
        131.. => 8,
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_conn_overtime))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn longer_times_are_kept_less_exactly() {
        let seconds = [0, 59, 60, 130, 131, 300, 900, u32::MAX];
        assert_eq!(seconds.map(overtime), [0, 0, 1, 1, 8, 8, 8, 8]);
    }

    #[test]
    fn shorter_time_is_over_earlier() {
        let end = |seconds: u32| seconds + overtime(seconds);
        assert!((0..1000).all(|seconds| end(seconds) < end(seconds + 1)));
    }
}
