// SPDX-License-Identifier: GPL-2.0
//! Entries that end by themselves, by the real clock.

#[kernel::prelude::kunit_tests(rvs_linux_wheel)]
mod tests {
    use super::*;

    #[test]
    fn entry_ends_in_its_second() -> Result {
        let table: Table<Timed> = Table::new((), 0)?;
        let start = Jiffies::now();
        add(&table, start.plus(Ticks::from_seconds(2)));
        wait_until(|| table.count() == 0);
        let took = Jiffies::now().since(start);
        assert_eq!(table.count(), 0);
        assert!(took >= Ticks::from_seconds(2));
        Ok(())
    }

    #[test]
    fn entry_that_is_used_does_not_end() -> Result {
        let table: Table<Timed> = Table::new((), 0)?;
        add(&table, Jiffies::now().plus(Ticks::from_seconds(1)));
        let start = Jiffies::now();
        wait_until(|| {
            let now = Jiffies::now();
            each(&table, |entry| {
                entry.due.store(now.plus(Ticks::from_seconds(1)).0, Relaxed)
            });
            now.since(start) > Ticks::from_seconds(4)
        });
        assert_eq!(table.count(), 1);
        wait_until(|| table.count() == 0);
        assert_eq!(table.count(), 0);
        Ok(())
    }

    #[test]
    fn shortened_entry_ends_early() -> Result {
        let table: Table<Timed> = Table::new((), 0)?;
        add(&table, Jiffies::now().plus(Ticks::from_seconds(900)));
        each(&table, |entry| {
            let now = Jiffies::now();
            entry.due.store(now.plus(Ticks::from_seconds(1)).0, Relaxed);
            entry.rearm(now);
        });
        wait_until(|| table.count() == 0);
        assert_eq!(table.count(), 0);
        Ok(())
    }

    #[test]
    fn pinned_entry_is_held_and_ends_later() -> Result {
        let table: Table<Timed> = Table::new((), 0)?;
        add(&table, Jiffies::now());
        let pin = rcu::read(|rcu| table.candidates(1, rcu).next()?.pin().ok());
        wait_until(|| pin.as_ref().is_some_and(|pin| pin.holds.load(Relaxed) > 0));
        assert_eq!(table.count(), 1);
        drop(pin);
        wait_until(|| table.count() == 0);
        assert_eq!(table.count(), 0);
        Ok(())
    }

    #[test]
    fn thousands_end_together() -> Result {
        let table: Table<Timed> = Table::new((), 0)?;
        for _ in 0..5_000 {
            add(&table, Jiffies::now().plus(Ticks::from_seconds(1)));
            pause();
        }
        wait_until(|| table.count() == 0);
        assert_eq!(table.count(), 0);
        Ok(())
    }
}

use super::work::wait_until;
use crate::clock::{Jiffies, Ticks};
use crate::rcu;
use crate::sync::{pause, AtomicU32, Relaxed};
use crate::table::{Entry, New, Record, Table};
use kernel::prelude::*;

/// An entry that knows its time.
struct Timed {
    due: AtomicU32,
    holds: AtomicU32,
}

impl Record for Timed {
    type Server = ();
    type Scope = ();

    fn deadline(&self) -> Jiffies {
        Jiffies(self.due.load(Relaxed))
    }

    fn same_second(&self, _other: &Self) -> bool {
        false
    }

    fn on_pinned(&self) {
        self.holds.add(1, Relaxed);
        self.due
            .store(Jiffies::now().plus(Ticks::from_seconds(1)).0, Relaxed);
    }

    fn begin(_new: &New<Self>, _rcu: rcu::Reader<'_>) {}

    fn on_end(_entry: &Entry<Self>, _server: Option<&()>, _scope: &()) {}
}

fn add(table: &Table<Timed>, due: Jiffies) {
    let record = Timed {
        due: AtomicU32::new(due.0),
        holds: AtomicU32::new(0),
    };
    let new = New {
        record,
        bits: 0,
        hash: 1,
        second_hash: None,
        server: None,
        parent: None,
    };
    rcu::read(|rcu| {
        table
            .insert(u64::MAX, Jiffies::now(), rcu, || new)
            .map(|_| ())
            .ok()
    });
}

fn each(table: &Table<Timed>, visit: impl Fn(&Entry<Timed>)) {
    rcu::read(|rcu| table.candidates(1, rcu).for_each(visit));
}
