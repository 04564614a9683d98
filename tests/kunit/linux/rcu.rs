// SPDX-License-Identifier: GPL-2.0
//! Counted objects that outlive their last reference by a grace period.

#[kernel::prelude::kunit_tests(rvs_linux_rcu)]
mod tests {
    use super::*;

    #[test]
    fn value_is_dropped_after_its_last_reference() -> Result {
        let tally = Tally::new()?;
        let one = Arc::new(Guest(tally.clone()), GFP_KERNEL)?;
        let two = one.clone();
        assert!(one.ptr_eq(&two));
        drop(one);
        rcu::barrier();
        assert_eq!(tally.gone(), 0);
        drop(two);
        rcu::barrier();
        assert_eq!(tally.gone(), 1);
        Ok(())
    }

    #[test]
    fn value_is_dropped_where_it_may_sleep() -> Result {
        let tally = Tally::new()?;
        drop(Arc::new(Sleeper(tally.clone()), GFP_KERNEL)?);
        rcu::barrier();
        assert_eq!(tally.gone(), 1);
        Ok(())
    }

    #[test]
    fn prompt_value_is_dropped_in_the_callback() -> Result {
        let tally = Tally::new()?;
        let one = Arc::new_prompt(Guest(tally.clone()), GFP_KERNEL)?;
        let slot = Slot::new(one.clone());
        drop(one);
        let seen = rcu::read(|rcu| {
            let guest = slot.read(rcu)?;
            drop(slot.replace(None));
            Some((guest.0.gone(), guest.upgrade().is_none()))
        });
        assert_eq!(seen, Some((0, true)));
        // Without the work item.
        kernel::sync::rcu::rcu_barrier();
        assert_eq!(tally.gone(), 1);
        Ok(())
    }

    #[test]
    fn prompt_values_are_waited_for() -> Result {
        let tally = Tally::new()?;
        for _ in 0..100 {
            drop(Arc::new_prompt(Guest(tally.clone()), GFP_KERNEL)?);
        }
        rcu::prompt_barrier();
        assert_eq!(tally.gone(), 100);
        let held = Arc::new_prompt(Guest(tally.clone()), GFP_KERNEL)?;
        drop(Arc::new(Holder(held), GFP_KERNEL)?);
        rcu::barrier();
        assert_eq!(tally.gone(), 101);
        Ok(())
    }

    #[test]
    fn barrier_waits_for_what_dropped_values_held() -> Result {
        let tally = Tally::new()?;
        let mut chain = Arc::new(Link(Guest(tally.clone()), None), GFP_KERNEL)?;
        for _ in 0..9 {
            chain = Arc::new(Link(Guest(tally.clone()), Some(chain)), GFP_KERNEL)?;
        }
        drop(chain);
        rcu::barrier();
        assert_eq!(tally.gone(), 10);
        Ok(())
    }

    #[test]
    fn reader_keeps_what_was_replaced() -> Result {
        let tally = Tally::new()?;
        let slot = Slot::new(Arc::new(Guest(tally.clone()), GFP_KERNEL)?);
        let seen = rcu::read(|rcu| {
            let guest = slot.read(rcu)?;
            drop(slot.replace(None));
            Some((
                guest.0.gone(),
                guest.upgrade().is_none(),
                slot.read(rcu).is_none(),
            ))
        });
        assert_eq!(seen, Some((0, true, true)));
        rcu::barrier();
        assert_eq!(tally.gone(), 1);
        Ok(())
    }

    #[test]
    fn upgraded_reference_outlives_the_section() -> Result {
        let tally = Tally::new()?;
        let slot = Slot::new(Arc::new(Guest(tally.clone()), GFP_KERNEL)?);
        let kept = rcu::read(|rcu| slot.read(rcu)?.upgrade());
        drop(slot);
        rcu::barrier();
        assert_eq!(tally.gone(), 0);
        drop(kept);
        rcu::barrier();
        assert_eq!(tally.gone(), 1);
        Ok(())
    }

    #[test]
    fn readers_never_see_what_was_dropped() -> Result {
        let tally = Tally::new()?;
        let slot = Arc::new(Slot::new(pair(&tally, 0)?), GFP_KERNEL)?;
        let reader = pinned(Reading {
            slot: slot.clone(),
            torn: AtomicU32::new(0),
        })?;
        reader.schedule(Ticks(0));
        for value in 1..2_000 {
            drop(slot.replace(Some(pair(&tally, value)?)));
            if value % 100 == 0 {
                rest();
            }
        }
        reader.cancel();
        assert_eq!(reader.torn.load(Relaxed), 0);
        drop((reader, slot));
        rcu::barrier();
        assert_eq!(tally.gone(), 2_000);
        Ok(())
    }
}

use crate::clock::Ticks;
use crate::rcu::{self, Arc, Slot};
use crate::sync::{pause, pinned, rest, AtomicU32, Relaxed};
use crate::work::Task;
use kernel::prelude::*;

/// How many values were dropped.
#[derive(Clone)]
struct Tally(kernel::sync::Arc<AtomicU32>);

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self(kernel::sync::Arc::new(AtomicU32::new(0), GFP_KERNEL)?))
    }

    fn gone(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// A value that counts its end.
struct Guest(Tally);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0 .0.add(1, Relaxed);
    }
}

// SAFETY: The drop adds to a number.
unsafe impl rcu::Prompt for Guest {}

/// A value that holds one that is dropped in a callback.
struct Holder(#[expect(dead_code)] Arc<Guest>);

/// A value whose end takes time.
struct Sleeper(Tally);

impl Drop for Sleeper {
    fn drop(&mut self) {
        rest();
        self.0 .0.add(1, Relaxed);
    }
}

/// A value that holds another.
struct Link(
    #[expect(dead_code)] Guest,
    #[expect(dead_code)] Option<Arc<Link>>,
);

/// A value whose halves belong together while it lives.
struct Pair {
    one: AtomicU32,
    other: AtomicU32,
    guest: Guest,
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.one.store(u32::MAX, Relaxed);
        self.other.store(0, Relaxed);
        let _still_there = self.guest.0.gone();
    }
}

fn pair(tally: &Tally, value: u32) -> Result<Arc<Pair>> {
    let pair = Pair {
        one: AtomicU32::new(value),
        other: AtomicU32::new(value),
        guest: Guest(tally.clone()),
    };
    Ok(Arc::new(pair, GFP_KERNEL)?)
}

/// Looks at what a slot publishes until it is cancelled.
struct Reading {
    slot: Arc<Slot<Pair>>,
    torn: AtomicU32,
}

impl Task for Reading {
    fn run(&self) -> Option<Ticks> {
        for _ in 0..1_000 {
            let torn = rcu::read(|rcu| {
                let pair = self.slot.read(rcu)?;
                let one = pair.one.load(Relaxed);
                core::hint::spin_loop();
                Some(one != pair.other.load(Relaxed))
            });
            if torn == Some(true) {
                self.torn.add(1, Relaxed);
            }
            pause();
        }
        Some(Ticks(0))
    }
}
