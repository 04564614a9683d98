// SPDX-License-Identifier: GPL-2.0
//! Moments and lengths of time.

#[kernel::prelude::kunit_tests(rvs_linux_clock)]
mod tests {
    use crate::clock::{Jiffies, Ticks, HZ};

    #[test]
    fn moments_wrap() {
        let late = Jiffies(u32::MAX - 4);
        let later = late.plus(Ticks(10));
        assert_eq!(later, Jiffies(5));
        assert_eq!(later.since(late), Ticks(10));
        assert_eq!(late.since(later), Ticks(0));
        assert!(later.reached(late));
        assert!(later.reached(later));
        assert!(!late.reached(later));
    }

    #[test]
    fn seconds_are_capped_at_what_moments_can_tell_apart() {
        assert_eq!(Ticks::from_seconds(3), Ticks(3 * HZ));
        assert_eq!(Ticks::from_seconds(u32::MAX), Ticks::MAX);
        assert_eq!(Ticks(HZ - 1).seconds(), 0);
        assert_eq!(Ticks::from_seconds(900).seconds(), 900);
    }

    #[test]
    fn seconds_begin_together() {
        let now = Jiffies(7 * HZ + 3);
        assert_eq!(now.second(), Jiffies(7 * HZ));
        assert_eq!(now.plus(now.to_next_second()), Jiffies(8 * HZ));
        assert_eq!(Jiffies(7 * HZ).second(), Jiffies(7 * HZ));
        assert_eq!(Jiffies(7 * HZ).to_next_second(), Ticks(HZ));
    }

    #[test]
    fn time_goes_on() {
        let before = Jiffies::now();
        for _ in 0..10 {
            crate::sync::rest();
        }
        assert!(Jiffies::now().since(before) > Ticks(0));
    }
}
