// SPDX-License-Identifier: GPL-2.0
//! Rates: parts that are folded at different times against a whole that a thread folds.

use ipvs::rate::{Counter, Rate, Sample, Samples, Scale};
use proptest::prelude::*;

/// One CPU's share, folded by the first thing counted in a period.
#[derive(Clone, Copy, Default)]
struct Share(Samples);

impl Share {
    fn count(&mut self, epoch: u32, counter: Counter, value: u64) {
        self.0 = self.0.at(epoch);
        let sample = &mut self.0.counters[counter.index()];
        sample.total += value;
        sample.pending += value;
    }
}

proptest! {
    #[test]
    fn shares_of_cpus_show_what_one_thread_would(
        events in prop::collection::vec((0..4_usize, 0..40_u32, 0..2_000_u64), 0..60)
    ) {
        let mut events = events;
        events.sort_by_key(|(_, epoch, _)| *epoch);
        let mut shares = [Share::default(); 4];
        let mut deltas = [0; 64];
        for (cpu, epoch, value) in events {
            shares[cpu].count(epoch, Counter::Conns, value);
            deltas[epoch as usize] += value;
        }
        let mut whole = Rate::ZERO;
        for delta in deltas {
            whole = whole.after(delta, Scale::Events);
        }
        let now = Samples { epoch: 64, ..Samples::default() };
        let sum = shares.iter().fold(now, |sum, share| sum.plus(&share.0));
        let shown = sum.per_second(Counter::Conns);
        prop_assert!(shown.abs_diff(whole.shown(Scale::Events)) <= 1);
        prop_assert_eq!(sum.total(Counter::Conns), deltas.iter().sum::<u64>());
    }

    /// A step rounds away less than a unit of the last bit, of which the next leaves three quarters.
    #[test]
    fn sum_of_parts_loses_three_units_of_each_at_most(
        deltas in prop::collection::vec(prop::collection::vec(0..40_u64, 8), 0..60)
    ) {
        for scale in [Scale::Events, Scale::Bytes] {
            let mut parts = [Rate::ZERO; 8];
            let mut whole = Rate::ZERO;
            for deltas in &deltas {
                whole = whole.after(deltas.iter().sum(), scale);
                for (part, delta) in parts.iter_mut().zip(deltas) {
                    *part = part.after(*delta, scale);
                }
                let sum: u64 = parts.iter().map(|part| part.bits()).sum();
                prop_assert!(sum <= whole.bits() + 3);
                prop_assert!(whole.bits() <= sum + 3 * 8);
            }
        }
    }

    #[test]
    fn skipping_is_stepping(state in any::<u32>(), delta in 0..1_000_000_u64, periods in 0..200_u32) {
        let sample = Sample { total: 0, pending: delta, rate: Rate::from_bits(u64::from(state)) };
        let mut stepped = sample;
        for _ in 0..periods {
            stepped = stepped.after(1, Scale::Bytes);
        }
        prop_assert_eq!(sample.after(periods, Scale::Bytes), stepped);
    }

    #[test]
    fn what_was_added_can_be_taken_away(total in any::<u64>(), pending in any::<u32>(), state in any::<u32>()) {
        let sample = Sample { total, pending: pending.into(), rate: Rate::from_bits(state.into()) };
        let samples = Samples { epoch: 5, counters: [sample; Counter::COUNT] };
        let none = Samples { epoch: 5, ..Samples::default() };
        prop_assert_eq!(samples.plus(&samples).minus(&samples), samples);
        prop_assert_eq!(samples.minus(&samples), none);
        // Whatever the rounding of what is taken away: nothing is ever shown of it.
        prop_assert_eq!(samples.at(9).minus(&samples).per_second(Counter::InBytes), 0);
    }
}
