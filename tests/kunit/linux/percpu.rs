// SPDX-License-Identifier: GPL-2.0
//! Per-CPU words in a live kernel.

#[kernel::prelude::kunit_tests(rvs_linux_percpu)]
mod tests {
    use crate::percpu::{cpus, Words};
    use crate::sync::Relaxed;
    use kernel::prelude::*;

    #[test]
    fn words_begin_at_zero() -> Result {
        let words = Words::<3>::new()?;
        assert!(cpus().all(|cpu| words.on(cpu).iter().all(|word| word.load(Relaxed) == 0)));
        Ok(())
    }

    #[test]
    fn sum_is_what_was_added() -> Result {
        let words = Words::<3>::new()?;
        for _ in 0..100 {
            words.add(1, 7);
        }
        words.add(2, u64::MAX);
        assert_eq!(words.sum(0), 0);
        assert_eq!(words.sum(1), 700);
        assert_eq!(words.sum(2), u64::MAX);
        Ok(())
    }

    #[test]
    fn index_beyond_the_words_is_nobodys() -> Result {
        let words = Words::<2>::new()?;
        words.add(2, 1);
        words.add(usize::MAX, 1);
        assert_eq!(words.here(2), 0);
        assert_eq!(words.sum(0).wrapping_add(words.sum(1)), 0);
        Ok(())
    }

    #[test]
    fn lent_words_are_those_of_this_cpu() -> Result {
        let words = Words::<2>::new()?;
        words.add(0, 5);
        let seen = words.local(|mine| {
            mine.iter().for_each(|word| word.store(9, Relaxed));
            words.here(1)
        });
        assert_eq!(seen, 9);
        assert_eq!(words.sum(1), 9);
        Ok(())
    }

    #[test]
    fn possible_cpus_ascend_from_the_first() {
        let mut numbers = cpus().map(|cpu| cpu.number());
        let first = numbers.next();
        assert_eq!(first, Some(0));
        assert!(numbers.is_sorted());
    }
}
