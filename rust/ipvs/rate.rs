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

    /// Returns the rate whose state was kept as these bits.
    pub const fn from_bits(bits: u64) -> Rate {
        Rate(i64::from_ne_bytes(bits.to_ne_bytes()))
    }

    /// Returns the bits of the state, to be kept by the caller.
    pub const fn bits(self) -> u64 {
        u64::from_ne_bytes(self.0.to_ne_bytes())
    }

    /// Returns the rate after one more period in which `delta` things happened.
    pub fn after(self, delta: u64, scale: Scale) -> Rate {
        // One bit less than the scale: the period is two seconds.
        let shift = scale.bits().wrapping_sub(1);
        let present = Rate::from_bits(delta.wrapping_shl(shift)).0;
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
        let rounded = self.0.wrapping_add(half) >> scale.bits();
        rounded.max(0).unsigned_abs()
    }
}

/// What is counted about a server, a service, a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Connections, templates not counted.
    Conns = 0,
    /// Packets from clients.
    InPackets = 1,
    /// Packets from real servers.
    OutPackets = 2,
    /// Bytes from clients.
    InBytes = 3,
    /// Bytes from real servers.
    OutBytes = 4,
}

impl Counter {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// All counters in the order in which they are listed.
    pub const ALL: [Counter; Counter::COUNT] = [
        Counter::Conns,
        Counter::InPackets,
        Counter::OutPackets,
        Counter::InBytes,
        Counter::OutBytes,
    ];

    /// Returns the place in arrays of counters.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Returns the scale of the counter's rate.
    pub const fn scale(self) -> Scale {
        match self {
            Counter::Conns | Counter::InPackets | Counter::OutPackets => Scale::Events,
            Counter::InBytes | Counter::OutBytes => Scale::Bytes,
        }
    }
}

/// A counter as it is in some period.
///
/// Samples of the same period add up and are taken away from each other: what one server counts on
/// all CPUs, what all servers of a service count, what was counted since a reset. (The rates of a
/// sum are off by at most one unit of the last fractional bit per part and period.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Everything counted so far, wrapping.
    pub total: u64,
    /// What of it was counted in the present period, wrapping.
    pub pending: u64,
    /// The rate up to the present period.
    pub rate: Rate,
}

impl Sample {
    /// Returns the sample `periods` later if nothing more is counted.
    pub fn after(self, periods: u32, scale: Scale) -> Sample {
        if periods == 0 {
            return self;
        }
        Sample {
            total: self.total,
            pending: 0,
            rate: self.rate.after_periods(self.pending, periods, scale),
        }
    }

    /// Returns both together.
    pub fn plus(self, other: Sample) -> Sample {
        Sample {
            total: self.total.wrapping_add(other.total),
            pending: self.pending.wrapping_add(other.pending),
            rate: Rate(self.rate.0.wrapping_add(other.rate.0)),
        }
    }

    /// Returns what is left without `other`.
    pub fn minus(self, other: Sample) -> Sample {
        Sample {
            total: self.total.wrapping_sub(other.total),
            pending: self.pending.wrapping_sub(other.pending),
            rate: Rate(self.rate.0.wrapping_sub(other.rate.0)),
        }
    }
}

/// All counters of something as they are in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// The number of the period.
    pub epoch: u32,
    /// One sample for each [`Counter`].
    pub counters: [Sample; Counter::COUNT],
}

impl Samples {
    /// Returns the samples in a later period if nothing more is counted; an earlier one counts as
    /// the same.
    pub fn at(mut self, epoch: u32) -> Samples {
        let periods = epoch.saturating_sub(self.epoch);
        for (sample, counter) in self.counters.iter_mut().zip(Counter::ALL) {
            *sample = sample.after(periods, counter.scale());
        }
        self.epoch = self.epoch.max(epoch);
        self
    }

    /// Returns both together, in the later of their periods.
    pub fn plus(self, other: &Samples) -> Samples {
        self.combine(other, Sample::plus)
    }

    /// Returns what is left without `other`, in the later of their periods.
    pub fn minus(self, other: &Samples) -> Samples {
        self.combine(other, Sample::minus)
    }

    fn combine(self, other: &Samples, with: impl Fn(Sample, Sample) -> Sample) -> Samples {
        let mut result = self.at(other.epoch);
        let other = other.at(result.epoch);
        for (sample, other) in result.counters.iter_mut().zip(other.counters) {
            *sample = with(*sample, other);
        }
        result
    }

    /// Returns whether nothing was ever counted.
    pub fn is_empty(&self) -> bool {
        self.counters == [Sample::default(); Counter::COUNT]
    }

    /// Returns what was counted so far.
    pub fn total(&self, counter: Counter) -> u64 {
        self.sample(counter).total
    }

    /// Returns the whole number per second that users see.
    pub fn per_second(&self, counter: Counter) -> u64 {
        self.sample(counter).rate.shown(counter.scale())
    }

    fn sample(&self, counter: Counter) -> Sample {
        let [conns, in_packets, out_packets, in_bytes, out_bytes] = self.counters;
        match counter {
            Counter::Conns => conns,
            Counter::InPackets => in_packets,
            Counter::OutPackets => out_packets,
            Counter::InBytes => in_bytes,
            Counter::OutBytes => out_bytes,
        }
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
        let steady = Rate(100 << 10);
        assert!(shows(steady, 0, Scale::Events, &expected));
    }

    #[test]
    fn single_connection_never_shows() {
        assert_eq!(Rate::ZERO.after(1, Scale::Events).bits(), 128);
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

    #[test]
    fn sum_of_two_counts_like_one() {
        let one = counted(0, 100).plus(&counted(0, 100)).at(7);
        let whole = counted(0, 200).at(7);
        assert_eq!(one.total(Counter::Conns), 200);
        assert_eq!(
            one.per_second(Counter::InBytes),
            whole.per_second(Counter::InBytes)
        );
    }

    #[test]
    fn reset_leaves_nothing_behind() {
        let before = counted(3, 5_000);
        let reset = before.at(4);
        let after = before.at(9).minus(&reset);
        assert_eq!(after.total(Counter::InBytes), 0);
        assert_eq!(after.per_second(Counter::InBytes), 0);
    }

    #[test]
    fn what_is_counted_after_a_reset_is_seen_alone() {
        let reset = counted(3, 5_000);
        let both = counted(3, 5_700);
        let alone = counted(3, 700).at(8);
        let seen = both.at(8).minus(&reset);
        assert_eq!(seen.total(Counter::InBytes), 700);
        // Each part is rounded for itself.
        let expected = alone.per_second(Counter::InBytes);
        assert!(seen.per_second(Counter::InBytes).abs_diff(expected) <= 1);
    }

    fn counted(epoch: u32, count: u64) -> Samples {
        let sample = Sample {
            total: count,
            pending: count,
            rate: Rate::ZERO,
        };
        Samples {
            epoch,
            counters: [sample; Counter::COUNT],
        }
    }

    fn shows(mut rate: Rate, delta: u64, scale: Scale, expected: &[u64]) -> bool {
        expected.iter().all(|value| {
            rate = rate.after(delta, scale);
            rate.shown(scale) == *value
        })
    }
}
