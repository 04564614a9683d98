// SPDX-License-Identifier: GPL-2.0
//! Work items that run, repeat and are cancelled.

#[kernel::prelude::kunit_tests(rvs_linux_work)]
mod tests {
    use super::*;

    #[test]
    fn task_runs_until_it_has_enough() -> Result {
        let work = counting(3)?;
        work.schedule(Ticks(0));
        wait_until(|| work.runs.load(Relaxed) == 3);
        work.cancel();
        assert_eq!(work.runs.load(Relaxed), 3);
        Ok(())
    }

    #[test]
    fn cancelled_task_does_not_run() -> Result {
        let work = counting(1)?;
        work.schedule(Ticks::from_seconds(1));
        work.cancel();
        for _ in 0..10 {
            rest();
        }
        assert_eq!(work.runs.load(Relaxed), 0);
        Ok(())
    }

    #[test]
    fn scheduling_sooner_moves_it() -> Result {
        let work = counting(1)?;
        work.schedule(Ticks::from_seconds(3600));
        work.schedule_once(Ticks(0));
        assert_eq!(work.runs.load(Relaxed), 0);
        work.schedule(Ticks(0));
        wait_until(|| work.runs.load(Relaxed) == 1);
        assert_eq!(work.runs.load(Relaxed), 1);
        Ok(())
    }

    #[test]
    fn items_of_a_queue_run_beside_each_other() -> Result {
        let queue = Queue::new(c"rvs_kunit")?;
        let waiting = pinned_on(&queue, Waiting(AtomicU32::new(0)))?;
        let counting = pinned_on(&queue, counter(1))?;
        waiting.schedule(Ticks(0));
        counting.schedule(Ticks(0));
        // The queue stays as long as it has items.
        drop(queue);
        wait_until(|| counting.runs.load(Relaxed) == 1);
        assert_eq!(counting.runs.load(Relaxed), 1);
        waiting.0.store(1, Relaxed);
        drop((waiting, counting));
        rcu::barrier();
        Ok(())
    }

    #[test]
    fn item_that_repeats_for_ever_can_be_dropped() -> Result {
        let work = counting(u32::MAX)?;
        work.schedule(Ticks(0));
        wait_until(|| work.runs.load(Relaxed) > 1);
        assert!(work.runs.load(Relaxed) > 1);
        drop(work);
        Ok(())
    }
}

use crate::clock::Ticks;
use crate::rcu;
use crate::sync::{pinned, pinned_on, rest, AtomicU32, Pinned, Relaxed};
use crate::work::{Queue, Task};
use kernel::prelude::*;

/// Counts its runs, and wants as many as it was told.
struct Counting {
    runs: AtomicU32,
    wanted: u32,
}

impl Task for Counting {
    fn run(&self) -> Option<Ticks> {
        let runs = self.runs.fetch_add(1, Relaxed).wrapping_add(1);
        (runs < self.wanted).then_some(Ticks(1))
    }
}

fn counter(wanted: u32) -> Counting {
    Counting {
        runs: AtomicU32::new(0),
        wanted,
    }
}

fn counting(wanted: u32) -> Result<Pinned<Counting>> {
    pinned(counter(wanted))
}

/// Runs until it is let go.
struct Waiting(AtomicU32);

impl Task for Waiting {
    fn run(&self) -> Option<Ticks> {
        wait_until(|| self.0.load(Relaxed) == 1);
        None
    }
}

/// Waits for something that should come true within seconds.
pub(super) fn wait_until(done: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if done() {
            return;
        }
        rest();
    }
}
