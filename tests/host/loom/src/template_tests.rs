// SPDX-License-Identifier: GPL-2.0
//! What a template promises those that depend on it, while its time ends and sweeps meet them.

use crate::bindings::set_jiffies;
use crate::clock::{Jiffies, HZ};
use crate::due::Due;
use crate::pool::{model, Pool};
use crate::rcu::{self, Reader};
use crate::table::{Entry, Kill, New, Pin, Record, Table, Unpinned};
use loom::thread;

/// Bit of a template: one that depended on it was established.
const ASSURED: u64 = 1;
/// The seconds that a template lives without a packet.
const LIFE: u32 = 1;

/// A template (0) or one of its children.
struct Payload {
    number: u32,
    due: Due,
}

impl Record for Payload {
    type Server = ();
    type Scope = ();

    fn deadline(&self) -> Jiffies {
        self.due.deadline()
    }

    fn same_second(&self, _other: &Self) -> bool {
        false
    }

    fn on_pinned(&self) {
        // Only a template is held: what depends on nothing else's life dies when its time is over.
        assert_eq!(self.number, 0);
        self.due.hold(9 * HZ);
    }

    fn begin(_new: &New<Self>, _rcu: Reader<'_>) {}

    fn on_end(entry: &Entry<Self>, _server: Option<&()>, _scope: &()) {
        entry.due.end();
        rcu::read(|rcu| {
            // A child ends before the template that it depends on.
            let parent = entry.parent(rcu);
            assert!(parent.is_none_or(|parent| !parent.due.is_buried()));
        });
    }
}

type Shared = std::sync::Arc<Table<Payload>>;

/// A table with a template, which is found by 0.
fn table() -> Shared {
    let table = std::sync::Arc::new(Table::new((), 0).unwrap());
    add(&table, 0, LIFE, None);
    table
}

fn add(table: &Table<Payload>, number: u32, seconds: u32, parent: Option<Pin<Payload>>) {
    let record = Payload {
        number,
        due: Due::new(seconds * HZ),
    };
    let new = New {
        record,
        bits: 0,
        hash: number.reverse_bits(),
        second_hash: None,
        server: None,
        parent,
    };
    rcu::read(|rcu| assert!(table.insert(100, Jiffies(0), rcu, || new).is_ok()));
}

/// Finds an entry and looks at it.
fn with<T>(
    table: &Table<Payload>,
    number: u32,
    look: impl for<'g> FnOnce(&'g Entry<Payload>, Reader<'g>) -> T,
) -> Option<T> {
    rcu::read(|rcu| {
        let mut found = table.candidates(number.reverse_bits(), rcu);
        let entry = found.find(|entry| entry.number == number)?;
        Some(look(entry, rcu))
    })
}

/// What a packet of a new connection does: it depends on the template, if that is still there.
fn come(table: &Table<Payload>, number: u32) -> bool {
    let pin = with(table, 0, |template, _| template.pin().ok()).flatten();
    let found = pin.is_some();
    if found {
        add(table, number, 9, pin);
    }
    found
}

/// What a sweep does: it ends a child, and its template unless one was established by it.
fn sweep(table: &Table<Payload>, number: u32) -> Option<Kill> {
    with(table, number, |child, rcu| {
        let parent = child.parent(rcu);
        let (Kill::Done, Some(parent)) = (child.kill(), parent) else {
            return None;
        };
        (parent.word().bits() & ASSURED == 0).then(|| parent.kill())
    })
    .flatten()
}

/// Lets the wheel do what it does at a second.
fn drain(seconds: u32) {
    let now = Jiffies(seconds * HZ);
    set_jiffies(now.0 as usize);
    Pool::get().unwrap().wheel().tick(now);
}

/// Everything ends: nothing is left, and nothing is pinned.
fn ends(table: &Table<Payload>) {
    for number in (0..4).rev() {
        let killed = with(table, number, |entry, _| entry.kill());
        assert!(matches!(killed, None | Some(Kill::Done)), "{killed:?}");
    }
    assert_eq!(table.count(), 0);
}

#[test]
fn template_whose_time_ends_stays_for_what_came_in_time() {
    model(|| {
        let table = table();
        let other = table.clone();
        let thread = thread::spawn(move || come(&other, 1));
        drain(LIFE + 1);
        let came = thread.join().unwrap();
        let holds = with(&table, 0, |template, _| template.due.holds());
        // It is gone only if no connection depends on it, and is held for one that does.
        assert_eq!(holds, came.then_some(1));
        ends(&table);
    });
}

#[test]
fn template_outlives_a_sweep_if_another_connection_came() {
    model(|| {
        let table = table();
        assert!(come(&table, 1));
        let other = table.clone();
        let thread = thread::spawn(move || come(&other, 2));
        let template = sweep(&table, 1);
        let came = thread.join().unwrap();
        // Another may have come, and found it gone, or come before.
        match template {
            Some(Kill::Done) => assert!(!came),
            _ => assert!(came),
        }
        assert_eq!(with(&table, 0, |_, _| ()).is_some(), came);
        ends(&table);
    });
}

#[test]
fn last_two_children_swept_at_once_take_the_template_along() {
    model(|| {
        let table = table();
        assert!(come(&table, 1) && come(&table, 2));
        let other = table.clone();
        let thread = thread::spawn(move || sweep(&other, 1));
        let here = sweep(&table, 2);
        let there = thread.join().unwrap();
        let both = [here, there].into_iter();
        let done = both.filter(|one| *one == Some(Kill::Done));
        // The later of them finds nothing that still depends on it.
        assert_eq!(done.count(), 1);
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn template_of_an_established_connection_is_left_by_a_later_sweep() {
    model(|| {
        let table = table();
        assert!(come(&table, 1));
        let other = table.clone();
        let thread = thread::spawn(move || {
            let assured = with(&other, 1, |child, rcu| {
                let parent = child.parent(rcu)?;
                parent.update(|bits| Some(bits | ASSURED))
            });
            assured.flatten().is_some()
        });
        let template = sweep(&table, 1);
        let assured = thread.join().unwrap();
        match template {
            // Its end came after the note, or before: a dead template takes no note.
            Some(Kill::Done) => assert_eq!(with(&table, 0, |_, _| ()), None),
            _ => assert!(assured),
        }
        ends(&table);
    });
}

#[test]
fn expiry_and_sweep_of_one_template_bury_it_once() {
    model(|| {
        let table = table();
        assert!(come(&table, 1));
        let other = table.clone();
        let thread = thread::spawn(move || sweep(&other, 1));
        drain(LIFE + 1);
        thread.join().unwrap();
        // The child is gone, and the template as well: the sweep ends it, if expiry did not, even where it
        // was held for the child before.
        assert_eq!(table.count(), 0);
    });
}

#[test]
fn full_template_takes_the_next_child_when_one_of_all_has_gone() {
    model(|| {
        let table = table();
        let all = with(&table, 0, |template, _| template.pin_fully().unwrap()).unwrap();
        let pin = |table: &Table<Payload>| with(table, 0, |template, _| template.pin()).unwrap();
        assert_eq!(pin(&table).err(), Some(Unpinned::Full));
        let other = table.clone();
        let thread = thread::spawn(move || pin(&other));
        drop(all);
        // It came before all went, or after; the refused one left nothing behind.
        let came = thread.join().unwrap();
        assert!(matches!(came.as_ref().err(), None | Some(Unpinned::Full)));
        let killed = with(&table, 0, |template, _| template.kill()).unwrap();
        assert_eq!(
            killed,
            if came.is_ok() {
                Kill::Pinned
            } else {
                Kill::Done
            }
        );
        drop(came);
        ends(&table);
    });
}
