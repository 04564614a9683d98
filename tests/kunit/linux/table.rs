// SPDX-License-Identifier: GPL-2.0
//! The table in a live kernel: real memory, real grace periods, real CPUs.

#[kernel::prelude::kunit_tests(rvs_linux_table)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_found_by_both_hashes_until_it_dies() -> Result {
        let table = table()?;
        let new = New {
            second_hash: Some(8),
            ..new(1, 7)
        };
        assert!(add(&table, new).is_ok());
        assert_eq!(names(&table, 7), [1, 0]);
        assert_eq!(names(&table, 8), [1, 0]);
        assert_eq!(kill(&table, 8), Some(Kill::Done));
        assert_eq!(names(&table, 7), [0, 0]);
        assert_eq!(names(&table, 8), [0, 0]);
        assert_eq!(table.count(), 0);
        Ok(())
    }

    #[test]
    fn newer_entry_of_a_hash_comes_first() -> Result {
        let table = table()?;
        assert!(add(&table, new(1, 7)).is_ok());
        assert!(add(&table, new(2, 7)).is_ok());
        assert_eq!(names(&table, 7), [2, 1]);
        Ok(())
    }

    #[test]
    fn many_of_one_second_key_are_few_to_a_look_up() -> Result {
        let table = table()?;
        for name in 1..=20_000u32 {
            let new = New {
                second_hash: Some(8),
                ..new(name, scatter(name))
            };
            add(&table, new).map_err(|_| ENOMEM)?;
            if name % 1_000 == 0 {
                rest();
            }
        }
        let found = rcu::read(|rcu| table.candidates(8, rcu).count());
        assert_eq!((found, names(&table, 8)), (1, [20_000, 0]));
        let killed = (1..20_000).filter(|&name| kill(&table, scatter(name)) == Some(Kill::Done));
        assert_eq!(killed.count(), 19_999);
        assert_eq!(names(&table, 8), [20_000, 0]);
        Ok(())
    }

    #[test]
    fn limit_refuses() -> Result {
        let table = table()?;
        assert!(add(&table, new(1, 7)).is_ok());
        let refused = rcu::read(|rcu| table.insert(1, Jiffies::now(), rcu, || new(2, 8)).err());
        assert_eq!(refused, Some(Refused::Full));
        assert_eq!(table.count(), 1);
        Ok(())
    }

    #[test]
    fn closed_table_takes_nothing() -> Result {
        let table = table()?;
        assert!(add(&table, new(1, 7)).is_ok());
        table.close();
        assert_eq!(table.count(), 0);
        assert_eq!(add(&table, new(2, 7)), Err(Refused::Closed));
        Ok(())
    }

    #[test]
    fn server_is_let_go_with_the_entry() -> Result {
        let table = table()?;
        let server = Server::new()?;
        let bound = Some(server.clone());
        assert!(add(
            &table,
            New {
                server: bound,
                ..new(1, 7)
            }
        )
        .is_ok());
        let seen = rcu::read(|rcu| {
            let entry = table.candidates(7, rcu).next()?;
            entry.kill();
            // Dead, disposed of, and still there for this section.
            Some(entry.server(rcu)?.ended.load(Relaxed))
        });
        assert_eq!(seen, Some(1));
        Ok(())
    }

    #[test]
    fn parent_of_another_table_is_refused() -> Result {
        let (table, other) = (table()?, self::table()?);
        assert!(add(&other, new(1, 7)).is_ok());
        let parent = rcu::read(|rcu| other.candidates(7, rcu).next()?.pin().ok());
        assert!(parent.is_some());
        let child = New {
            parent,
            ..new(2, 8)
        };
        assert_eq!(add(&table, child), Err(Refused::Foreign));
        assert_eq!(table.count(), 0);
        // The pin was given back.
        assert_eq!(kill(&other, 7), Some(Kill::Done));
        Ok(())
    }

    #[test]
    fn pin_keeps_an_entry() -> Result {
        let table = table()?;
        assert!(add(&table, new(1, 7)).is_ok());
        let pin = rcu::read(|rcu| table.candidates(7, rcu).next()?.pin().ok());
        assert!(pin.is_some());
        assert_eq!(kill(&table, 7), Some(Kill::Pinned));
        drop(pin);
        assert_eq!(kill(&table, 7), Some(Kill::Done));
        Ok(())
    }

    #[test]
    fn growth_loses_nothing_and_a_listing_sees_each_once() -> Result {
        let table = table()?;
        let mut missed = 0;
        for name in 0..20_000u32 {
            let added = add(&table, new(name, scatter(name)));
            missed += u32::from(added.is_err());
            if name % 1_000 == 0 {
                rest();
            }
        }
        assert_eq!(missed, 0);
        let lost = (0..20_000).filter(|&name| names(&table, scatter(name))[0] != name);
        assert_eq!(lost.count(), 0);
        assert_eq!(
            listed(&table),
            (20_000, (0..20_000).fold(0, u64::wrapping_add))
        );
        Ok(())
    }

    #[test]
    fn table_shrinks_with_what_it_holds_and_loses_nothing() -> Result {
        let table = table()?;
        let least = table.buckets();
        for name in 0..5_000u32 {
            add(&table, new(name, scatter(name))).map_err(|_| ENOMEM)?;
            if name % 100 == 0 {
                rest();
            }
        }
        assert!(table.buckets() > least);
        let killed = (50..5_000).filter(|&name| kill(&table, scatter(name)) == Some(Kill::Done));
        assert_eq!(killed.count(), 4_950);
        let mut lost = 0;
        for name in 0..20_000u32 {
            lost += u32::from(names(&table, scatter(name % 50))[0] != name % 50);
            if table.buckets() == least {
                break;
            }
            rest();
        }
        assert_eq!(lost, 0);
        assert_eq!(table.buckets(), least);
        assert_eq!(listed(&table), (50, (0..50).fold(0, u64::wrapping_add)));
        Ok(())
    }

    #[test]
    fn storm_leaves_everything_balanced() -> Result {
        let table = Arc::new(table()?, GFP_KERNEL)?;
        let server = Server::new()?;
        for name in 0..100 {
            assert!(add(&table, new(1 << 20 | name, scatter(1 << 20 | name))).is_ok());
        }
        let storm = |salt| storm(&table, &server, salt);
        let storms = [storm(1)?, storm(2)?, storm(3)?];
        for storm in &storms {
            storm.schedule(Ticks(0));
        }
        wait_until(|| {
            storms
                .iter()
                .all(|storm| storm.rounds.load(Relaxed) >= ROUNDS)
        });
        for storm in &storms {
            storm.cancel();
            assert_eq!(storm.missed.load(Relaxed), 0);
        }
        table.close();
        let made: u32 = storms
            .iter()
            .map(|storm| storm.made.load(Relaxed))
            .fold(0, u32::wrapping_add);
        assert!(made > 0);
        assert_eq!(server.ended.load(Relaxed), made);
        assert_eq!(server.active.load(Relaxed), 0);
        assert_eq!(table.count(), 0);
        Ok(())
    }
}

use super::work::wait_until;
use crate::clock::{Jiffies, Ticks};
use crate::rcu::{self, Arc};
use crate::sync::{pause, pinned, rest, AtomicU32, Pinned, Relaxed};
use crate::table::{Cursor, Entry, Kill, New, Record, Refused, Table};
use crate::work::Task;
use core::ops::ControlFlow;
use kernel::prelude::*;

/// An entry with a name, due in an hour.
struct Named {
    name: u32,
    due: Jiffies,
}

/// What a server counts.
struct Server {
    ended: AtomicU32,
    active: AtomicU32,
}

impl Server {
    fn new() -> Result<Arc<Self>> {
        let server = Self {
            ended: AtomicU32::new(0),
            active: AtomicU32::new(0),
        };
        Ok(Arc::new(server, GFP_KERNEL)?)
    }
}

/// In the user's bits: counted as active on the server.
const ACTIVE: u64 = 1;

impl Record for Named {
    type Server = Server;
    type Scope = ();

    fn deadline(&self) -> Jiffies {
        self.due
    }

    fn same_second(&self, _other: &Self) -> bool {
        true
    }

    fn on_pinned(&self) {}

    fn begin(_new: &New<Self>, _rcu: rcu::Reader<'_>) {}

    fn on_end(entry: &Entry<Self>, server: Option<&Server>, _scope: &()) {
        let Some(server) = server else { return };
        server.ended.add(1, Relaxed);
        if entry.word().bits() & ACTIVE != 0 {
            server.active.fetch_sub(1, Relaxed);
        }
    }
}

fn table() -> Result<Table<Named>> {
    Table::new((), 0)
}

fn new(name: u32, hash: u32) -> New<Named> {
    let due = Jiffies::now().plus(Ticks::from_seconds(3600));
    New {
        record: Named { name, due },
        bits: 0,
        hash,
        second_hash: None,
        server: None,
        parent: None,
    }
}

fn add(table: &Table<Named>, new: New<Named>) -> Result<(), Refused> {
    rcu::read(|rcu| {
        table
            .insert(u64::MAX, Jiffies::now(), rcu, || new)
            .map(|_| ())
    })
}

fn kill(table: &Table<Named>, hash: u32) -> Option<Kill> {
    rcu::read(|rcu| table.candidates(hash, rcu).next().map(Entry::kill))
}

/// The names of the first two entries of a hash.
fn names(table: &Table<Named>, hash: u32) -> [u32; 2] {
    rcu::read(|rcu| {
        let mut found = table.candidates(hash, rcu).map(|entry| entry.name);
        [found.next().unwrap_or(0), found.next().unwrap_or(0)]
    })
}

/// A hash that looks random.
fn scatter(name: u32) -> u32 {
    name.wrapping_add(1).wrapping_mul(0x9e37_79b1) ^ name >> 3
}

/// How many entries a listing in small steps shows, and the sum of their names.
fn listed(table: &Table<Named>) -> (u64, u64) {
    let (mut count, mut sum) = (0u64, 0u64);
    let mut place = Some(Cursor::START);
    while let Some(from) = place {
        let mut room = 7;
        place = table.visit(from, |entry, _rcu| {
            if room == 0 {
                return ControlFlow::Break(());
            }
            room -= 1;
            count = count.wrapping_add(1);
            sum = sum.wrapping_add(entry.name.into());
            ControlFlow::Continue(())
        });
    }
    (count, sum)
}

/// Rounds of a storm.
const ROUNDS: u32 = 40;

/// Makes, finds, changes and kills entries under hashes that others use too.
struct Storm {
    table: Arc<Table<Named>>,
    server: Arc<Server>,
    salt: u32,
    made: AtomicU32,
    missed: AtomicU32,
    rounds: AtomicU32,
}

fn storm(table: &Arc<Table<Named>>, server: &Arc<Server>, salt: u32) -> Result<Pinned<Storm>> {
    pinned(Storm {
        table: table.clone(),
        server: server.clone(),
        salt,
        made: AtomicU32::new(0),
        missed: AtomicU32::new(0),
        rounds: AtomicU32::new(0),
    })
}

impl Storm {
    fn step(&self, step: u32) {
        let hash = scatter(step.wrapping_mul(self.salt) % 512);
        let entry = New {
            server: Some(self.server.clone()),
            second_hash: (step % 3 == 0).then_some(scatter(step % 512)),
            ..new(self.salt << 16 | step, hash)
        };
        if add(&self.table, entry).is_ok() {
            self.made.add(1, Relaxed);
        }
        rcu::read(|rcu| {
            for entry in self.table.candidates(scatter(step % 512), rcu) {
                let changed = entry.update(|bits| Some(bits | ACTIVE));
                if changed.is_some_and(|(old, _)| old & ACTIVE == 0) {
                    if let Some(server) = entry.server(rcu) {
                        server.active.add(1, Relaxed);
                    }
                }
                if (step ^ entry.name) % 4 != 0 && entry.name < 1 << 20 {
                    entry.kill();
                }
            }
        });
        let stays = 1 << 20 | step % 100;
        if names(&self.table, scatter(stays))[0] != stays {
            self.missed.add(1, Relaxed);
        }
    }
}

impl Task for Storm {
    fn run(&self) -> Option<Ticks> {
        for step in 0..500 {
            self.step(step);
            pause();
        }
        let rounds = self.rounds.fetch_add(1, Relaxed).wrapping_add(1);
        (rounds < ROUNDS).then_some(Ticks(0))
    }
}
