// SPDX-License-Identifier: GPL-2.0
//! What the list promises while its last array of markers comes or goes.

use crate::list::{self, List, Node};
use crate::pool::model;
use crate::rcu;
use crate::sync::{self, steps, Locks, FIRST_BITS};
use core::ptr::NonNull;
use loom::thread;
use std::sync::Arc;

/// Hashes that meet in bucket 1 of 4, whose marker goes, and then in bucket 0 of 2.
const HASHES: [u32; 2] = [0x4000_0000, 0x6000_0000];

struct Shared {
    list: List,
    stripes: Locks<()>,
    nodes: [Node; 2],
}

impl Shared {
    /// Makes a list of four buckets that holds the first node, so that its bucket's marker is linked.
    fn new() -> Arc<Self> {
        let shared = Self {
            list: List::new().unwrap(),
            stripes: sync::locks(1 << FIRST_BITS, || Ok(())).unwrap(),
            nodes: HASHES.map(|hash| Node::new(list::order_of(hash), list::FIRST)),
        };
        shared.list.grow().unwrap();
        let shared = Arc::new(shared);
        shared.insert(0);
        shared
    }

    fn locked(&self, order: u32, work: &dyn Fn()) {
        let _guard = self.stripes[list::stripe(order)].lock();
        work();
    }

    fn insert(&self, index: usize) {
        let node = &self.nodes[index];
        rcu::read(|_rcu| {
            self.locked(node.order(), &|| unsafe {
                self.list.insert(NonNull::from(node));
            });
        });
    }

    fn remove(&self, index: usize) {
        let node = &self.nodes[index];
        rcu::read(|_rcu| {
            self.locked(node.order(), &|| unsafe {
                self.list.remove(NonNull::from(node));
            });
        });
    }

    fn shrink(&self) {
        self.list.shrink(|order, work| self.locked(order, work));
    }

    fn finds(&self, index: usize) -> bool {
        let wanted = &self.nodes[index];
        rcu::read(|_rcu| {
            let found = unsafe { self.list.first_at(wanted.order()) };
            found == Some(NonNull::from(wanted))
        })
    }

    /// Counts the nodes from the beginning to the end, without markers.
    fn count(&self) -> usize {
        rcu::read(|_rcu| {
            let mut count = 0;
            let mut place = unsafe { self.list.first_at(0) };
            while let Some(node) = place {
                let node = unsafe { node.as_ref() };
                count += usize::from(node.tag() == list::FIRST);
                place = node.next();
            }
            count
        })
    }
}

#[test]
fn reader_finds_while_the_list_shrinks() {
    model(|| {
        rcu::with_grace_periods(|| {
            let shared = Shared::new();
            let other = shared.clone();
            let thread = thread::spawn(move || other.shrink());
            assert!(shared.finds(0));
            assert_eq!(shared.count(), 1);
            thread.join().unwrap();
            assert!(shared.finds(0));
            assert!(!shared.list.has_grown());
        });
    });
}

#[test]
fn insertion_beside_a_shrinking_survives() {
    model(|| {
        rcu::with_grace_periods(|| {
            let shared = Shared::new();
            let other = shared.clone();
            let thread = thread::spawn(move || other.shrink());
            shared.insert(1);
            assert!(shared.finds(1));
            thread.join().unwrap();
            assert!(shared.finds(0) && shared.finds(1));
            assert_eq!(shared.count(), 2);
        });
    });
}

#[test]
fn removal_beside_a_shrinking_succeeds() {
    model(|| {
        rcu::with_grace_periods(|| {
            let shared = Shared::new();
            let other = shared.clone();
            let thread = thread::spawn(move || other.shrink());
            shared.remove(0);
            assert!(!shared.finds(0));
            thread.join().unwrap();
            assert_eq!(shared.count(), 0);
            shared.list.grow().unwrap();
            shared.insert(1);
            assert!(shared.finds(1));
        });
    });
}

#[test]
fn markers_are_linked_beside_insertions_and_look_ups() {
    model(|| {
        rcu::with_grace_periods(|| {
            let shared = Shared::new();
            shared.list.grow().unwrap();
            let other = shared.clone();
            let thread = thread::spawn(move || {
                other
                    .list
                    .link_markers(|order, work| other.locked(order, work), || true);
            });
            shared.insert(1);
            assert!(shared.finds(0) && shared.finds(1));
            thread.join().unwrap();
            assert!(shared.finds(0) && shared.finds(1));
            assert_eq!(shared.count(), 2);
        });
    });
}

#[test]
fn look_up_after_several_doublings_is_short() {
    model(|| {
        let shared = Shared::new();
        shared.insert(1);
        let before = steps(|| assert!(shared.finds(1)));
        for _ in 0..2 {
            shared.list.grow().unwrap();
            shared
                .list
                .link_markers(|order, work| shared.locked(order, work), || true);
        }
        assert!(steps(|| assert!(shared.finds(1))) < before);
    });
}

#[test]
fn linking_markers_stops_when_it_is_not_wanted() {
    model(|| {
        let shared = Shared::new();
        shared.list.grow().unwrap();
        let link = |goes_on| {
            shared
                .list
                .link_markers(|order, work| shared.locked(order, work), || goes_on);
        };
        let stopped = steps(|| link(false));
        assert!(stopped < steps(|| link(true)));
        shared.insert(1);
        assert!(shared.finds(0) && shared.finds(1));
    });
}
