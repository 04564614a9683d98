// SPDX-License-Identifier: GPL-2.0
//! Entries of one second key: the newest is found, and their number costs nothing.

use crate::pool::model;
use crate::rcu;
use crate::sync::steps;
use crate::table::{Entry, Kill, New, Table};
use crate::table_tests::{add, find, hash, kill, listed, name, new, table, Payload};
use loom::thread;

/// The second hash of all entries here; first hashes are even numbers.
const SECOND: u32 = 1;

/// An entry with the first hash of its name and a second key.
fn entry(name: u32, key: u32) -> New<Payload> {
    let mut new = New {
        second_hash: Some(hash(SECOND)),
        ..new(name, 2 * name)
    };
    new.record.key = key;
    new
}

/// The first entry of a key that a look-up meets.
fn newest(table: &Table<Payload>, key: u32) -> Option<u32> {
    rcu::read(|rcu| {
        let mut found = table.candidates(hash(SECOND), rcu);
        found.find(|entry| entry.key == key).map(name)
    })
}

fn end(table: &Table<Payload>, name: u32) {
    assert_eq!(kill(table, 2 * name), Some(Kill::Done));
}

#[test]
fn newest_of_a_key_is_found_and_no_other() {
    model(|| {
        let table = table();
        for name in 1..5 {
            add(&table, entry(name, 7));
        }
        assert_eq!(find(&table, SECOND), [4]);
        // By its first hash each is.
        assert_eq!(find(&table, 4), [2]);
        let mut all = listed(&table);
        all.sort();
        assert_eq!(all, [1, 2, 3, 4]);
    });
}

#[test]
fn next_older_one_is_found_whichever_ends() {
    // In every order of ends.
    for order in [
        [1, 2, 3],
        [1, 3, 2],
        [2, 1, 3],
        [2, 3, 1],
        [3, 1, 2],
        [3, 2, 1],
    ] {
        model(move || {
            let table = table();
            for name in 1..4 {
                add(&table, entry(name, 7));
            }
            let mut left = vec![1, 2, 3];
            for name in order {
                end(&table, name);
                // Nothing may lead to its memory any more.
                rcu::grace_period();
                left.retain(|other| *other != name);
                assert_eq!(newest(&table, 7), left.last().copied());
            }
            assert_eq!((find(&table, SECOND), table.count()), (vec![], 0));
        });
    }
}

#[test]
fn other_keys_of_the_hash_are_found_behind_any_number() {
    model(|| {
        let table = table();
        add(&table, entry(1, 5));
        for name in 2..6 {
            add(&table, entry(name, 7));
        }
        add(&table, entry(6, 9));
        add(&table, entry(7, 7));
        assert_eq!(find(&table, SECOND), [6, 7, 1]);
        end(&table, 7);
        assert_eq!(find(&table, SECOND), [6, 5, 1]);
        end(&table, 1);
        assert_eq!(find(&table, SECOND), [6, 5]);
    });
}

#[test]
fn first_node_of_the_same_hash_is_found_as_well() {
    model(|| {
        let table = table();
        add(&table, entry(1, 7));
        add(&table, entry(2, 7));
        // As to the server's own address.
        add(&table, new(3, SECOND));
        add(&table, entry(4, 7));
        assert_eq!(find(&table, SECOND), [3, 4]);
        end(&table, 4);
        assert_eq!(find(&table, SECOND), [3, 2]);
    });
}

/// Counts the steps of a look-up that matches none, of the oldest one's end and of another birth,
/// beside so many entries of one key.
fn costs(count: u32) -> [u64; 3] {
    let table = table();
    add(&table, entry(0, 7));
    for name in 1..=count {
        // In front of the one before, in another bucket than the oldest.
        let hash = 0x7fff_ffff - (name << 16);
        add(
            &table,
            New {
                hash,
                ..entry(name, 7)
            },
        );
    }
    let found = steps(|| assert_eq!(newest(&table, 8), None));
    let ended = steps(|| end(&table, 0));
    let born = steps(|| add(&table, entry(0, 7)));
    [found, ended, born]
}

#[test]
fn number_of_entries_of_a_key_costs_nothing() {
    model(|| {
        let (few, many) = (costs(2), costs(30));
        for (few, many) in few.into_iter().zip(many) {
            assert!(many <= 2 * few, "{many} steps instead of {few}");
        }
    });
}

#[test]
fn older_one_is_never_missed_while_the_newest_ends() {
    model(|| {
        let table = table();
        for name in 1..4 {
            add(&table, entry(name, 7));
        }
        let other = table.clone();
        let thread = thread::spawn(move || {
            end(&other, 3);
            end(&other, 2);
        });
        assert!(newest(&table, 7).is_some());
        thread.join().unwrap();
        assert_eq!(newest(&table, 7), Some(1));
    });
}

#[test]
fn newer_one_takes_the_place_at_once() {
    model(|| {
        let table = table();
        add(&table, entry(1, 7));
        let other = table.clone();
        let thread = thread::spawn(move || {
            add(&other, entry(2, 7));
            assert_eq!(newest(&other, 7), Some(2));
        });
        assert!(newest(&table, 7).is_some());
        thread.join().unwrap();
        assert_eq!(find(&table, SECOND), [2]);
        end(&table, 1);
        assert_eq!(find(&table, SECOND), [2]);
    });
}

#[test]
fn neighbours_in_a_chain_end_at_once() {
    for (here, there, left) in [(3, 2, 1), (2, 1, 3), (1, 3, 2)] {
        model(move || {
            let table = table();
            for name in 1..4 {
                add(&table, entry(name, 7));
            }
            let other = table.clone();
            let thread = thread::spawn(move || end(&other, there));
            end(&table, here);
            thread.join().unwrap();
            rcu::grace_period();
            assert_eq!(find(&table, SECOND), [left]);
            end(&table, left);
            assert_eq!((find(&table, SECOND), table.count()), (vec![], 0));
        });
    }
}

#[test]
fn birth_beside_the_end_of_the_newest_survives() {
    model(|| {
        let table = table();
        add(&table, entry(1, 7));
        add(&table, entry(2, 7));
        let other = table.clone();
        let thread = thread::spawn(move || end(&other, 2));
        add(&table, entry(3, 7));
        thread.join().unwrap();
        assert_eq!(find(&table, SECOND), [3]);
        end(&table, 3);
        assert_eq!(find(&table, SECOND), [1]);
    });
}

#[test]
fn reader_on_what_is_shadowed_goes_on_to_other_keys() {
    model(|| {
        let table = table();
        add(&table, entry(1, 5));
        add(&table, entry(2, 7));
        let other = table.clone();
        let thread = thread::spawn(move || {
            add(&other, entry(3, 7));
            end(&other, 3);
            end(&other, 2);
        });
        assert_eq!(newest(&table, 5), Some(1));
        thread.join().unwrap();
        let dead = rcu::read(|rcu| {
            let mut found = table.candidates(hash(SECOND), rcu);
            found.any(|entry: &Entry<Payload>| entry.word().is_dead())
        });
        assert!(!dead);
        assert_eq!(find(&table, SECOND), [1]);
    });
}
