// SPDX-License-Identifier: GPL-2.0
//! What the wheel promises, whatever happens to its entries at the same time.

use crate::bindings::set_jiffies;
use crate::clock::{Jiffies, HZ};
use crate::due::Due;
use crate::pool::{model, Pool};
use crate::rcu;
use crate::table::{Entry, Kill, New, Record, Table};
use crate::work;
use loom::thread;

struct Payload(Due);

impl Record for Payload {
    type Server = ();
    type Scope = ();

    fn deadline(&self) -> Jiffies {
        self.0.deadline()
    }

    fn same_second(&self, _other: &Self) -> bool {
        false
    }

    fn on_pinned(&self) {
        self.0.hold(2 * HZ);
    }

    fn begin(_new: &New<Self>, _rcu: rcu::Reader<'_>) {}

    fn on_end(entry: &Entry<Self>, _server: Option<&()>, _scope: &()) {
        entry.0.end();
    }
}

type Shared = std::sync::Arc<Table<Payload>>;

fn table() -> Shared {
    std::sync::Arc::new(Table::new((), 0).unwrap())
}

fn add(table: &Table<Payload>, due: u32) {
    let new = New {
        record: Payload(Due::new(due)),
        bits: 0,
        hash: 0,
        second_hash: None,
        server: None,
        parent: None,
    };
    rcu::read(|rcu| {
        assert!(table.insert(100, Jiffies(0), rcu, || new).is_ok());
    });
}

fn kill(table: &Table<Payload>) -> Option<Kill> {
    rcu::read(|rcu| table.candidates(0, rcu).next().map(Entry::kill))
}

/// Lets the wheel do what it does at a second; returns whether it goes on ticking.
fn drain(seconds: u32) -> bool {
    let now = Jiffies(seconds * HZ);
    set_jiffies(now.0 as usize);
    Pool::get().unwrap().wheel().tick(now)
}

#[test]
fn entry_that_is_due_goes() {
    model(|| {
        let table = table();
        add(&table, 1);
        assert!(!drain(1));
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn entry_that_was_used_stays_until_its_time() {
    model(|| {
        let table = table();
        add(&table, 1);
        rcu::read(|rcu| {
            for entry in table.candidates(0, rcu) {
                entry.0.set(3 * HZ);
            }
        });
        assert!(drain(1));
        assert!(drain(2));
        assert_eq!(table.count(), 1);
        assert!(!drain(3));
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn far_entry_is_looked_at_once_a_turn() {
    model(|| {
        let table = table();
        add(&table, 9 * HZ);
        for second in 1..9 {
            assert!(drain(second));
        }
        assert!(!drain(9));
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn late_worker_catches_up() {
    model(|| {
        let table = table();
        add(&table, HZ);
        add(&table, 2 * HZ);
        add(&table, 20 * HZ);
        assert!(drain(6));
        assert_eq!(table.count(), 1);
    });
}

#[test]
fn rearmed_entry_goes_early() {
    model(|| {
        let table = table();
        add(&table, 3 * HZ);
        rcu::read(|rcu| {
            for entry in table.candidates(0, rcu) {
                entry.0.set(HZ);
                entry.rearm(Jiffies(0));
            }
        });
        assert!(!drain(1));
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn killer_and_worker_bury_once() {
    model(|| {
        let table = table();
        add(&table, 1);
        let other = table.clone();
        let thread = thread::spawn(move || kill(&other));
        drain(1);
        thread.join().unwrap();
        assert_eq!(table.count(), 0);
        assert!(!drain(2));
    });
}

#[test]
fn entry_killed_while_it_is_filed_again_is_in_no_slot() {
    model(|| {
        let table = table();
        add(&table, 1);
        let other = table.clone();
        // Pinned, the worker cannot end it and files it again; then it is killed.
        let pin = rcu::read(|rcu| {
            table
                .candidates(0, rcu)
                .next()
                .and_then(|entry| entry.pin().ok())
        });
        let thread = thread::spawn(move || {
            drop(pin);
            kill(&other)
        });
        drain(1);
        thread.join().unwrap();
        assert_eq!(table.count(), 0);
        // A link left in a slot would be an entry that was freed.
        assert!(!drain(2));
    });
}

#[test]
fn entry_killed_while_it_is_hastened_is_in_no_slot() {
    model(|| {
        let table = table();
        add(&table, 3 * HZ);
        let other = table.clone();
        let thread = thread::spawn(move || kill(&other));
        rcu::read(|rcu| {
            for entry in table.candidates(0, rcu) {
                entry.0.set(HZ);
                entry.rearm(Jiffies(0));
            }
        });
        thread.join().unwrap();
        assert_eq!(table.count(), 0);
        assert!(!drain(1));
    });
}

#[test]
fn wheel_with_an_entry_ticks() {
    model(|| {
        let table = table();
        add(&table, 1);
        let other = table.clone();
        let thread = thread::spawn(move || add(&other, 2 * HZ));
        // The first entry goes; the worker may or may not see the second.
        let ticks = drain(1);
        thread.join().unwrap();
        let woken = Pool::get().unwrap().take_wake();
        assert!(ticks || woken > 1);
    });
}

#[test]
fn ring_with_nothing_due_is_left_alone() {
    model(|| {
        let table = table();
        add(&table, 3 * HZ);
        work::queue_up();
        assert!(drain(1));
        assert!(drain(2));
        assert_eq!((work::run_queued(), table.count()), (0, 1));
        work::queue_up();
        assert!(drain(3));
        assert_eq!(table.count(), 1);
        assert_eq!((work::run_queued(), table.count()), (1, 0));
        assert!(!drain(4));
    });
}

#[test]
fn wheel_ticks_while_a_worker_has_the_last_entry_in_hand() {
    model(|| {
        let table = table();
        add(&table, 1);
        let pin = rcu::read(|rcu| {
            table
                .candidates(0, rcu)
                .next()
                .and_then(|entry| entry.pin().ok())
        });
        work::queue_up();
        assert!(drain(1));
        // The worker files the entry again, as it is pinned.
        let thread = thread::spawn(work::run_queued);
        let ticks = drain(2);
        thread.join().unwrap();
        assert!(ticks);
        drop(pin);
        drain(3);
        assert_eq!(table.count(), 0);
    });
}
