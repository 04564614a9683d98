// SPDX-License-Identifier: GPL-2.0
//! Decaying averages of the estimator.
//!
//! Every two seconds a quarter of the distance to the present rate is added. Two scales exist so
//! that bytes do not overflow and single connections do not vanish at once.

/// The seconds of one period.
pub const PERIOD: u32 = 2;

/// What is averaged: fixes the scale of the fixed-point state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Connections and packets: ten fractional bits.
    Events,
    /// Bytes: five fractional bits.
    Bytes,
}

impl Scale {
    /// Returns the fractional bits of the state.
    const fn bits(self) -> u32 {
        match self {
            Scale::Events => 10,
            Scale::Bytes => 5,
        }
    }
}

/// A rate per second, averaged over the last periods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate(i64);

impl Rate {
    /// Nothing happened yet.
    pub const ZERO: Rate = Rate(0);

    /// Returns the rate with a state kept before.
    pub const fn from_state(state: i64) -> Rate {
        Rate(state)
    }

    /// Returns the state, to be kept by the caller.
    pub const fn state(self) -> i64 {
        self.0
    }

    /// Returns the rate after one more period in which `delta` things happened.
    pub fn after(self, delta: u64, scale: Scale) -> Rate {
        // One bit less than the scale: the period is two seconds.
        let shift = scale.bits().wrapping_sub(1);
        let present = i64::from_ne_bytes(delta.wrapping_shl(shift).to_ne_bytes());
        Rate(self.0.wrapping_add(present.wrapping_sub(self.0) >> 2))
    }

    /// Returns the rate after `periods` more periods, all but the first of them quiet.
    pub fn after_periods(self, delta: u64, periods: u32, scale: Scale) -> Rate {
        if periods == 0 {
            return self;
        }
        let mut rate = self.after(delta, scale);
        for _ in 1..periods {
            let next = rate.after(0, scale);
            if next == rate {
                // A quarter of nothing is nothing: no later period changes it.
                break;
            }
            rate = next;
        }
        rate
    }

    /// Returns the whole number per second that users see.
    pub fn shown(self, scale: Scale) -> u64 {
        let half = match scale {
            Scale::Events => 0x1ff,
            Scale::Bytes => 0xf,
        };
        u64::try_from(self.0.wrapping_add(half) >> scale.bits()).unwrap_or(0)
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_rate))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn constant_connections_converge_as_in_the_specification() {
        let expected = [25, 44, 58, 68, 76, 82, 87, 90, 92, 94, 96, 97];
        assert!(shows(Rate::ZERO, 200, Scale::Events, &expected));
    }

    #[test]
    fn constant_bytes_converge_as_in_the_specification() {
        let expected = [
            31250, 54687, 72266, 85449, 95337, 102753, 108314, 112486, 115614, 117961, 119721,
            121040,
        ];
        assert!(shows(Rate::ZERO, 250_000, Scale::Bytes, &expected));
    }

    #[test]
    fn steady_rate_decays_as_in_the_specification() {
        let expected = [75, 56, 42, 32, 24, 18, 13, 10, 8, 6, 4, 3];
        let steady = Rate::from_state(100 << 10);
        assert!(shows(steady, 0, Scale::Events, &expected));
    }

    #[test]
    fn single_connection_never_shows() {
        assert_eq!(Rate::ZERO.after(1, Scale::Events).state(), 128);
        assert_eq!(Rate::ZERO.after(1, Scale::Events).shown(Scale::Events), 0);
    }

    #[test]
    fn skipped_periods_count_as_quiet() {
        let mut rate = Rate::ZERO.after(5_000, Scale::Events);
        for _ in 0..6 {
            rate = rate.after(0, Scale::Events);
        }
        assert_eq!(Rate::ZERO.after_periods(5_000, 7, Scale::Events), rate);
        assert_eq!(
            Rate::ZERO.after_periods(5_000, 0, Scale::Events),
            Rate::ZERO
        );
    }

    #[test]
    fn long_silence_ends_at_once() {
        let rate = Rate::ZERO.after_periods(u64::MAX >> 20, u32::MAX, Scale::Events);
        assert_eq!(rate.shown(Scale::Events), 0);
    }

    fn shows(mut rate: Rate, delta: u64, scale: Scale, expected: &[u64]) -> bool {
        expected.iter().all(|value| {
            rate = rate.after(delta, scale);
            rate.shown(scale) == *value
        })
    }
}
