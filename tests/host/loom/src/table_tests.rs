// SPDX-License-Identifier: GPL-2.0
//! What the table promises, whatever its users do at the same time.

use crate::apart::Apart;
use crate::clock::{Jiffies, Ticks};
use crate::pool::model;
use crate::rcu::{self, Arc, Reader};
use crate::sync;
use crate::table::{Entry, Kill, New, Pin, Record, Refused, Table};
use crate::work;
use core::mem::ManuallyDrop;
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};

/// Written before the entry is published, read where it is found: loom tells when that races.
pub struct Payload {
    name: ManuallyDrop<UnsafeCell<u32>>,
    /// What its second hash is made of.
    pub key: u32,
    burials: AtomicU32,
}

// SAFETY: Loom watches the only part that is not atomic.
unsafe impl Sync for Payload {}

/// What a server counts.
#[derive(Default)]
pub struct Server {
    bound: AtomicI32,
    active: AtomicI32,
}

const ACTIVE: u64 = 1;

impl Record for Payload {
    type Server = Server;
    type Scope = ();

    fn deadline(&self) -> Jiffies {
        // What has ended may be freed: the wheel must not know it any more.
        assert_eq!(self.burials.load(Relaxed), 0);
        Jiffies(1000)
    }

    fn same_second(&self, other: &Self) -> bool {
        self.key == other.key
    }

    fn on_pinned(&self) {}

    fn begin(new: &New<Self>, _rcu: Reader<'_>) {
        if let Some(server) = &new.server {
            server.bound.fetch_add(1, Relaxed);
        }
    }

    fn on_end(entry: &Entry<Self>, server: Option<&Server>, _scope: &()) {
        assert_eq!(entry.burials.fetch_add(1, Relaxed), 0);
        if let Some(server) = server {
            server.bound.fetch_sub(1, Relaxed);
            if entry.word().bits() & ACTIVE != 0 {
                server.active.fetch_sub(1, Relaxed);
            }
        }
    }
}

pub fn table() -> std::sync::Arc<Table<Payload>> {
    std::sync::Arc::new(Table::new((), 0).unwrap())
}

/// Returns a hash that begins with the bits that a small number ends with: 1 is in the second half of the table.
pub fn hash(number: u32) -> u32 {
    number.reverse_bits()
}

pub fn new(name: u32, number: u32) -> New<Payload> {
    New {
        record: Payload {
            name: ManuallyDrop::new(UnsafeCell::new(name)),
            key: name,
            burials: AtomicU32::new(0),
        },
        bits: 0,
        hash: hash(number),
        second_hash: None,
        server: None,
        parent: None,
    }
}

pub fn insert<'g>(
    table: &'g Table<Payload>,
    entry: New<Payload>,
    rcu: Reader<'g>,
) -> &'g Entry<Payload> {
    table.insert(100, Jiffies(0), rcu, || entry).unwrap()
}

pub fn add(table: &Table<Payload>, entry: New<Payload>) {
    rcu::read(|rcu| {
        insert(table, entry, rcu);
    });
}

pub fn name(entry: &Entry<Payload>) -> u32 {
    entry.name.with(|name| unsafe { *name })
}

pub fn find(table: &Table<Payload>, number: u32) -> Vec<u32> {
    rcu::read(|rcu| table.candidates(hash(number), rcu).map(name).collect())
}

pub fn kill(table: &Table<Payload>, number: u32) -> Option<Kill> {
    rcu::read(|rcu| table.candidates(hash(number), rcu).next().map(Entry::kill))
}

pub fn listed(table: &Table<Payload>) -> Vec<u32> {
    let mut names = Vec::new();
    table.for_each(|entry, _rcu| names.push(name(entry)));
    names
}

#[test]
fn an_entry_apart_is_found_by_none_and_waited_for() {
    model(|| {
        let (table, server) = (table(), Arc::new(Server::default()));
        let user = {
            let (table, server) = (table.clone(), server.clone());
            thread::spawn(move || {
                let entry = || New {
                    server: Some(server),
                    ..new(1, 1)
                };
                rcu::read(|rcu| match Apart::new(&table, 1, rcu, entry) {
                    Ok(apart) => {
                        assert_eq!((name(apart.entry()), apart.entry().kill()), (1, Kill::Dead))
                    }
                    Err(refused) => assert_eq!(refused, Refused::Closed),
                });
            })
        };
        assert_eq!(find(&table, 1), []);
        table.close();
        user.join().unwrap();
        assert_eq!((table.count(), server.bound.load(Relaxed)), (0, 0));
    });
}

#[test]
fn two_insertions_with_one_hash_are_both_found_the_newer_first() {
    model(|| {
        let table = table();
        let other = table.clone();
        let thread = thread::spawn(move || add(&other, new(1, 8)));
        add(&table, new(2, 8));
        thread.join().unwrap();
        let mut serials: Vec<u64> = Vec::new();
        rcu::read(|rcu| {
            serials.extend(table.candidates(hash(8), rcu).map(Entry::serial));
        });
        assert_eq!(serials, [2, 1]);
    });
}

#[test]
fn insertions_into_a_bucket_without_a_marker_link_it_once() {
    model(|| {
        let table = table();
        add(&table, new(0, 0));
        add(&table, new(1, 2));
        // Three are too many for two buckets: the next insertions link markers.
        add(&table, new(2, 4));
        let other = table.clone();
        let thread = thread::spawn(move || add(&other, new(3, 6)));
        add(&table, new(4, 10));
        thread.join().unwrap();
        assert_eq!(find(&table, 6), [3]);
        assert_eq!(find(&table, 10), [4]);
        assert_eq!(find(&table, 2), [1]);
        let mut all = listed(&table);
        all.sort();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    });
}

#[test]
fn insertion_beside_a_removal_survives() {
    model(|| {
        let table = table();
        add(&table, new(1, 0));
        let other = table.clone();
        let thread = thread::spawn(move || kill(&other, 0));
        // Same stripe, next in the list.
        add(&table, new(2, 4));
        thread.join().unwrap();
        assert_eq!(find(&table, 4), [2]);
        assert_eq!(find(&table, 0), []);
        assert_eq!(listed(&table), [2]);
        assert_eq!(table.count(), 1);
    });
}

#[test]
fn neighbours_can_be_removed_at_once() {
    model(|| {
        let table = table();
        add(&table, new(1, 0));
        add(&table, new(2, 4));
        add(&table, new(3, 2));
        let other = table.clone();
        let thread = thread::spawn(move || kill(&other, 0));
        kill(&table, 4);
        thread.join().unwrap();
        assert_eq!(listed(&table), [3]);
        assert_eq!(table.count(), 1);
    });
}

#[test]
fn reader_never_misses_what_stays() {
    model(|| {
        let table = table();
        add(&table, new(1, 2));
        add(&table, new(2, 6));
        let other = table.clone();
        // In front of, and instead of, what the reader is on.
        let thread = thread::spawn(move || {
            add(&other, new(3, 4));
            kill(&other, 2);
        });
        assert_eq!(find(&table, 6), [2]);
        assert!(listed(&table).contains(&2));
        thread.join().unwrap();
    });
}

#[test]
fn reader_finds_while_the_table_grows() {
    model(|| {
        let table = table();
        for number in [2, 4] {
            add(&table, new(number, number));
        }
        let other = table.clone();
        let thread = thread::spawn(move || {
            // The third makes it grow.
            add(&other, new(0, 0));
            // Links the new marker.
            add(&other, new(6, 6));
        });
        assert_eq!(find(&table, 2), [2]);
        assert_eq!(find(&table, 4), [4]);
        thread.join().unwrap();
        assert_eq!(find(&table, 2), [2]);
        assert_eq!(find(&table, 6), [6]);
    });
}

#[test]
fn one_of_two_killers_wins() {
    model(|| {
        let table = table();
        rcu::read(|rcu| {
            let entry = insert(&table, new(1, 0), rcu);
            let pin = entry.pin().unwrap();
            let entry = unsafe { &*(&raw const *entry) };
            drop(pin);
            let thread = thread::spawn(move || entry.kill());
            let here = entry.kill();
            let there = thread.join().unwrap();
            let dead = [here, there];
            assert!(dead == [Kill::Done, Kill::Dead] || dead == [Kill::Dead, Kill::Done]);
            assert_eq!(entry.burials.load(Relaxed), 1);
        });
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn both_nodes_go_with_the_entry() {
    model(|| {
        let table = table();
        let other = table.clone();
        let thread = thread::spawn(move || {
            let entry = New {
                second_hash: Some(hash(1)),
                ..new(1, 0)
            };
            add(&other, entry);
        });
        // Found by its second hash, perhaps before it is complete.
        let early = kill(&table, 1);
        thread.join().unwrap();
        assert!(matches!(
            early,
            None | Some(Kill::Done) | Some(Kill::Pinned)
        ));
        if early != Some(Kill::Done) {
            assert_eq!(kill(&table, 0), Some(Kill::Done));
        }
        assert_eq!((find(&table, 0), find(&table, 1)), (vec![], vec![]));
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn pinned_entry_does_not_die() {
    model(|| {
        let table = table();
        add(&table, new(1, 0));
        let other = table.clone();
        let thread = thread::spawn(move || kill(&other, 0));
        let pin: Option<Pin<Payload>> = rcu::read(|rcu| {
            table
                .candidates(0, rcu)
                .next()
                .and_then(|entry| entry.pin().ok())
        });
        if let Some(pin) = &pin {
            assert!(!pin.word().is_dead());
            assert_eq!(pin.burials.load(Relaxed), 0);
        }
        let pinned = pin.is_some();
        drop(pin);
        let killed = thread.join().unwrap();
        match killed {
            Some(Kill::Done) => assert_eq!(table.count(), 0),
            Some(Kill::Pinned) => assert!(pinned),
            _ => panic!(),
        }
    });
}

#[test]
fn child_keeps_its_parent_and_lets_it_go() {
    model(|| {
        let table = table();
        add(&table, new(1, 0));
        rcu::read(|rcu| {
            let parent = table
                .candidates(0, rcu)
                .next()
                .and_then(|entry| entry.pin().ok());
            insert(
                &table,
                New {
                    parent,
                    ..new(2, 1)
                },
                rcu,
            );
        });
        let other = table.clone();
        let thread = thread::spawn(move || kill(&other, 1));
        let parent = kill(&table, 0);
        thread.join().unwrap();
        if parent == Some(Kill::Pinned) {
            assert_eq!(kill(&table, 0), Some(Kill::Done));
        }
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn late_server_is_released_once() {
    model(|| {
        let table = table();
        add(&table, new(1, 0));
        let server = Arc::new(Server::default());
        let other = table.clone();
        let thread = thread::spawn(move || kill(&other, 0));
        rcu::read(|rcu| {
            if let Some(entry) = table.candidates(0, rcu).next() {
                let _late = entry.bind(server.clone());
                // What is bound stays readable, dead or not.
                if let Some(server) = entry.server(rcu) {
                    server.get().bound.load(Relaxed);
                }
            }
        });
        thread.join().unwrap();
        assert_eq!(server.count(), 1);
    });
}

#[test]
fn server_is_counted_by_the_thread_that_changes_the_word() {
    model(|| {
        let table = table();
        let server = Arc::new(Server::default());
        let bound = Some(server.clone());
        add(
            &table,
            New {
                server: bound,
                ..new(1, 0)
            },
        );
        let other = table.clone();
        let thread = thread::spawn(move || kill(&other, 0));
        rcu::read(|rcu| {
            let Some(entry) = table.candidates(0, rcu).next() else {
                return;
            };
            if entry.update(|bits| Some(bits | ACTIVE)).is_some() {
                let server = entry.server(rcu).unwrap();
                server.get().active.fetch_add(1, Relaxed);
            }
        });
        thread.join().unwrap();
        assert_eq!(server.active.load(Relaxed), 0);
        assert_eq!(server.bound.load(Relaxed), 0);
        assert_eq!(server.count(), 1);
    });
}

#[test]
fn closing_leaves_nothing_behind() {
    model(|| {
        let table = table();
        let other = table.clone();
        let thread = thread::spawn(move || {
            rcu::read(|rcu| other.insert(100, Jiffies(0), rcu, || new(1, 0)).err())
        });
        table.close();
        let refused = thread.join().unwrap();
        assert!(matches!(refused, None | Some(Refused::Closed)));
        assert_eq!(table.count(), 0);
        assert_eq!(listed(&table), []);
    });
}

#[test]
fn limit_holds() {
    model(|| {
        let table = table();
        let other = table.clone();
        let one = |table: &Table<Payload>| {
            rcu::read(|rcu| table.insert(1, Jiffies(0), rcu, || new(1, 0)).is_ok())
        };
        let thread = thread::spawn(move || one(&other));
        let here = one(&table);
        let there = thread.join().unwrap();
        assert!(here || there);
        assert!(!(here && there));
        assert_eq!(table.count(), 1);
    });
}

#[test]
fn parent_of_another_table_is_refused_and_let_go() {
    model(|| {
        let (table, other) = (table(), table());
        let server = Arc::new(Server::default());
        add(&other, new(1, 0));
        rcu::read(|rcu| {
            let parent = other
                .candidates(0, rcu)
                .next()
                .and_then(|entry| entry.pin().ok());
            assert!(parent.is_some());
            let child = || New {
                parent,
                server: Some(server.clone()),
                ..new(2, 1)
            };
            let refused = table.insert(100, Jiffies(0), rcu, child).err();
            assert_eq!(refused, Some(Refused::Foreign));
        });
        assert_eq!((table.count(), find(&table, 1)), (0, vec![]));
        // Nothing was counted that no burial takes back.
        assert_eq!((server.bound.load(Relaxed), server.count()), (0, 1));
        assert_eq!(kill(&other, 0), Some(Kill::Done));
    });
}

#[test]
fn dead_entry_cannot_be_pinned_by_many() {
    model(|| {
        let table = table();
        rcu::read(|rcu| {
            let entry = insert(&table, new(1, 0), rcu);
            let entry = unsafe { &*(&raw const *entry) };
            let thread = thread::spawn(move || entry.pin().map(drop).is_ok());
            let here = entry.pin().map(drop).is_ok();
            let killed = entry.kill();
            let there = thread.join().unwrap();
            assert!(here);
            assert!(killed == Kill::Done || there);
            assert_eq!(entry.word().is_dead(), killed == Kill::Done);
            assert!(!entry.word().is_pinned());
        });
    });
}

#[test]
fn close_reports_what_is_pinned() {
    model(|| {
        let table = table();
        add(&table, new(1, 0));
        let pin = rcu::read(|rcu| {
            table
                .candidates(0, rcu)
                .next()
                .and_then(|entry| entry.pin().ok())
        });
        let thread = thread::spawn(move || {
            while sync::take_reported() != 1 {
                thread::yield_now();
            }
            drop(pin);
        });
        table.close();
        thread.join().unwrap();
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn table_without_memory_for_buckets_works_and_tries_later() {
    model(|| {
        let table = table();
        sync::set_short(true);
        for number in 0..4 {
            add(&table, new(number, number));
        }
        assert_eq!(table.buckets(), 2);
        assert_eq!(work::wanted(), Some(Ticks::from_seconds(1)));
        assert_eq!(find(&table, 3), [3]);
        sync::set_short(false);
        add(&table, new(4, 4));
        assert_eq!(table.buckets(), 2, "nothing is tried before its time");
    });
}
