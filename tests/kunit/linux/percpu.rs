// SPDX-License-Identifier: GPL-2.0
//! Per-CPU words in a live kernel.

#[kernel::prelude::kunit_tests(rvs_linux_percpu)]
mod tests {
    use crate::percpu::{cpus, Word, Words};
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
            words.add(Word::at::<1>(), 7);
        }
        words.add(Word::at::<2>(), u64::MAX);
        assert_eq!(sums(&words), [0, 700, u64::MAX]);
        Ok(())
    }

    #[test]
    fn lent_words_are_those_of_this_cpu() -> Result {
        let words = Words::<2>::new()?;
        words.add(Word::at::<0>(), 5);
        let seen = words.local(|mine| {
            mine.iter().for_each(|word| word.store(9, Relaxed));
            words.here(Word::at::<1>())
        });
        assert_eq!(seen, 9);
        let [_, second] = sums(&words);
        assert_eq!(second, 9);
        Ok(())
    }

    #[test]
    fn possible_cpus_ascend_from_the_first() {
        let mut numbers = cpus().map(|cpu| cpu.number());
        let first = numbers.next();
        assert_eq!(first, Some(0));
        assert!(numbers.is_sorted());
    }

    /// Returns the words summed over all CPUs, wrapping.
    fn sums<const N: usize>(words: &Words<N>) -> [u64; N] {
        cpus().fold([0; N], |mut sums, cpu| {
            for (sum, word) in sums.iter_mut().zip(words.on(cpu)) {
                *sum = sum.wrapping_add(word.load(Relaxed));
            }
            sums
        })
    }
}
