// SPDX-License-Identifier: GPL-2.0
//! What is remembered is never older than the last change that returned.

use crate::sync::{Acquire, AtomicU64, Full, Relaxed, Release};
use crate::version::{Cached, Version};
use loom::sync::Arc;
use loom::thread;

struct Group {
    value: AtomicU64,
    version: Version,
    cached: Cached,
    flag: AtomicU64,
}

impl Group {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            value: AtomicU64::new(0),
            version: Version::new(),
            cached: Cached::new(),
            flag: AtomicU64::new(0),
        })
    }

    /// The value as it is remembered; both words must be of one piece.
    fn get(&self) -> u64 {
        let [value, more] = self.cached.get(&self.version, || {
            let value = self.value.load(Relaxed);
            [value, value + 100]
        });
        assert_eq!(more, value + 100, "words of two sums");
        value
    }

    fn change(&self) {
        self.value.fetch_add(1, Relaxed);
        self.version.count();
    }
}

#[test]
fn a_change_that_returned_is_seen() {
    loom::model(|| {
        let group = Group::new();
        assert_eq!(group.get(), 0);
        let changer = group.clone();
        let changer = thread::spawn(move || {
            changer.change();
            changer.flag.store(1, Release);
        });
        let returned = group.flag.load(Acquire) == 1;
        let value = group.get();
        assert!(
            value == 1 || !returned,
            "an old sum after the change returned"
        );
        changer.join().unwrap();
        assert_eq!(group.get(), 1);
    });
}

#[test]
fn two_readers_never_see_half_a_sum() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let group = Group::new();
        let (changer, other) = (group.clone(), group.clone());
        let changer = thread::spawn(move || changer.change());
        let other = thread::spawn(move || other.get());
        assert!(group.get() <= 1);
        changer.join().unwrap();
        assert!(other.join().unwrap() <= 1);
        assert_eq!(group.get(), 1);
        assert_eq!(group.get(), 1);
    });
}

#[test]
fn a_late_sum_never_replaces_a_newer_one() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let group = Group::new();
        assert_eq!(group.get(), 0);
        let (changer, late) = (group.clone(), group.clone());
        let changer = thread::spawn(move || {
            changer.change();
            assert_eq!(changer.get(), 1);
        });
        let late = thread::spawn(move || late.get());
        assert!(group.get() <= 1);
        changer.join().unwrap();
        assert!(late.join().unwrap() <= 1);
    });
}

#[test]
fn no_change_is_lost_when_a_reader_begins_to_watch() {
    loom::model(|| {
        let group = Group::new();
        let changer = group.clone();
        let changer = thread::spawn(move || {
            changer.value.fetch_add(1, Full);
            changer.version.count_if_watched();
        });
        group.version.watch();
        assert!(group.get() <= 1);
        changer.join().unwrap();
        assert_eq!(
            group.get(),
            1,
            "a change between watching and asking was lost"
        );
    });
}

#[test]
fn nothing_is_remembered_once_retired() {
    loom::model(|| {
        let group = Group::new();
        let changer = group.clone();
        assert_eq!(group.get(), 0);
        let changer = thread::spawn(move || {
            changer.version.retire();
            // From here on changes are counted elsewhere.
            changer.value.fetch_add(1, Full);
            changer.flag.store(1, Release);
        });
        let changed = group.flag.load(Acquire) == 1;
        let value = group.get();
        assert!(
            value == 1 || !changed,
            "an old sum of a group that is retired"
        );
        changer.join().unwrap();
        assert_eq!(group.get(), 1);
    });
}
