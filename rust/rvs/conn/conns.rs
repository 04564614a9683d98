// SPDX-License-Identifier: GPL-2.0
//! The connections of one namespace: found, made, ended.

use super::record::Record;
use super::size::Size;
use super::thinning::Thinning;
use super::{Conn, EngineData, Hash, Hold, Made, New};
use crate::dest::Dest;
use crate::util::OutOfMemory;
use core::ops::ControlFlow;
use ipvs::conn::state::ConnState;
use ipvs::conn::template::TemplateKey;
use ipvs::flow::Flow;
use ipvs::hash::{hash_with, Seed};
use ipvs::proto::Direction;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full, Relaxed};
use linux::apart::Apart;
use linux::clock::{Jiffies, Ticks};
use linux::net::Handle;
use linux::random;
use linux::rcu::{self, Arc, Borrow, Reader, Slot};
use linux::table::{self, Cursor, Refused, Table};
use linux::work::{Delayed, Task};

/// The connections of one namespace.
///
/// There is no table before the first service: see [`Conns::open`]. In teardown, [`Conns::close`]
/// comes after the hooks are off and the services flushed.
#[pin_data]
pub(crate) struct Conns {
    #[pin]
    inner: Delayed<Managed>,
}

/// What the work item of [`Conns`] looks after.
struct Managed {
    table: Slot<Table<Record>>,
    seed: Seed,
    handle: Arc<Handle>,
    size: Size,
    /// 1 while connections of removed servers are to be ended.
    sweep: Atomic<u32>,
    /// 1 while some of the connections are to be ended against a flood.
    thin_out: Atomic<u32>,
    thinning: Thinning,
}

/// How often a table that has grown is looked at, in seconds.
const LOOK: u32 = 2;
/// The most templates of one key.
const ALIKE: usize = 16;

impl Conns {
    /// Makes the connections of a new namespace, without a table yet.
    pub(crate) fn new(handle: Arc<Handle>, load_factor: i32) -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Delayed::new(Managed {
                table: Slot::empty(),
                seed: Seed(random::words()),
                handle,
                size: Size::new(load_factor),
                sweep: Atomic::new(0),
                thin_out: Atomic::new(0),
                thinning: Thinning::new(),
            }),
        })
    }

    /// Makes the table, if there is none; called when a service is added.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    ///
    /// # Locking
    ///
    /// Process context, under `control`.
    pub(crate) fn open(&self) -> Result<(), OutOfMemory> {
        if rcu::read(|rcu| self.table(rcu).is_some()) {
            return Ok(());
        }
        let [salt]: [u64; 1] = random::words();
        let [low, high, ..] = salt.to_le_bytes();
        let salt = u32::from(u16::from_le_bytes([low, high]));
        let table = Table::new(self.inner.handle.clone(), salt).map_err(|_error| OutOfMemory)?;
        self.inner.table.replace(Some(Arc::new(table, GFP_KERNEL)?));
        self.inner.size.begin();
        Ok(())
    }

    /// Ends all connections; none can be made afterwards.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn close(&self) {
        self.inner.cancel();
        if let Some(table) = self.inner.table.replace(None) {
            table.close();
        }
    }

    #[inline]
    fn table<'g>(&self, rcu: Reader<'g>) -> Option<&'g Table<Record>> {
        Some(self.inner.table.read(rcu)?.get())
    }

    /// Finds the connection of a packet, and which way the packet goes.
    ///
    /// A packet that could be either, as when a server is its own client, is a reply.
    pub(crate) fn find<'g>(&self, flow: &Flow, rcu: Reader<'g>) -> Option<(Conn<'g>, Direction)> {
        self.find_hashed(flow, self.hash(flow), rcu)
    }

    /// Returns what a flow and its replies are found by.
    #[inline(always)]
    pub(crate) fn hash(&self, flow: &Flow) -> Hash {
        Hash(flow.hash(&self.inner.seed))
    }

    /// As [`Conns::find`], inlined: for the way that most packets take.
    #[inline(always)]
    pub(crate) fn find_hashed<'g>(
        &self,
        flow: &Flow,
        hash: Hash,
        rcu: Reader<'g>,
    ) -> Option<(Conn<'g>, Direction)> {
        let mut original = None;
        for entry in self.table(rcu)?.candidates(hash.0, rcu) {
            let state = ConnState::unpack(entry.word().bits());
            if state.is_template() {
                continue;
            }
            match entry.direction(state, flow) {
                Some(Direction::Reply) => return Some((Conn(entry), Direction::Reply)),
                Some(Direction::Original) => original = original.or(Some(Conn(entry))),
                None => {}
            }
        }
        Some((original?, Direction::Original))
    }

    /// Returns what a template is found by.
    pub(crate) fn template_hash(&self, key: &TemplateKey, data: Option<&EngineData>) -> Hash {
        let Hash(hash) = self.hash(&key.flow);
        let bytes = |data: &EngineData| hash_with(&self.inner.seed, hash, data.bytes());
        Hash(data.map_or(hash, bytes))
    }

    /// Finds the template that is used for packets with a key from which an engine took `data`.
    ///
    /// As with C, one that an engine made stays in use where no newer one took its place.
    pub(crate) fn find_template<'g>(
        &self,
        key: &TemplateKey,
        data: Option<&EngineData>,
        rcu: Reader<'g>,
    ) -> Option<Conn<'g>> {
        let hash = self.template_hash(key, data);
        let mut entries = self.table(rcu)?.candidates(hash.0, rcu);
        let found = entries.find(|entry| {
            let state = ConnState::unpack(entry.word().bits());
            let is_used = state.is_template() && (data.is_some() || !state.is_stale());
            is_used && entry.has_key(key) && entry.has_data(data, rcu)
        });
        found.map(Conn)
    }

    /// Returns whether as many entries have a hash as there may be templates of one key: none is found but
    /// the newest, and each that ends is looked for among them.
    pub(crate) fn has_many(&self, hash: Hash, rcu: Reader<'_>) -> bool {
        let table = self.table(rcu);
        table.is_some_and(|table| table.candidates(hash.0, rcu).nth(ALIKE).is_some())
    }

    /// Finds, among so many templates of a key, the newest that names a server.
    pub(crate) fn find_template_of<'g>(
        &self,
        (key, data): (&TemplateKey, Option<&EngineData>),
        dest: Borrow<'g, Dest>,
        rcu: Reader<'g>,
    ) -> Option<Conn<'g>> {
        let hash = self.template_hash(key, data);
        let entries = self.table(rcu)?.candidates(hash.0, rcu);
        let mut entries = entries.take(ALIKE.saturating_add(1));
        let found = entries.find(|entry| {
            let is_template = ConnState::unpack(entry.word().bits()).is_template();
            let is_its = entry.server(rcu).is_some_and(|server| server.ptr_eq(dest));
            is_template && is_its && entry.has_key(key) && entry.has_data(data, rcu)
        });
        found.map(Conn)
    }

    /// Makes a connection or a template while there are fewer than `limit`, and counts it on its server.
    /// A connection for a single packet ends with what is returned; nothing finds it.
    ///
    /// # Errors
    ///
    /// Why there is none.
    #[inline(never)]
    pub(crate) fn create<'g>(
        &self,
        new: New<'_, 'g>,
        limit: u64,
        now: Jiffies,
        rcu: Reader<'g>,
    ) -> Result<Made<'g>, Refused> {
        let table = self.table(rcu).ok_or(Refused::Closed)?;
        let server = match new.server {
            Some(dest) => Some(dest.upgrade().ok_or(Refused::Closed)?),
            None => None,
        };
        let is_one_packet = new.is_one_packet();
        let make = || table::New {
            record: new.record(now),
            bits: new.state().pack(),
            hash: new.first_hash(),
            second_hash: new.second_hash(&self.inner.seed),
            server,
            parent: new.into_parent().map(|Hold(pin)| pin),
        };
        if is_one_packet {
            let apart = Apart::new(table, limit, rcu, make)?;
            let conn = Conn(apart.entry());
            return Ok(Made {
                conn,
                _end: Some(apart),
            });
        }
        let conn = Conn(table.insert(limit, now, rcu, make)?);
        self.look_at_size(table.count());
        Ok(Made { conn, _end: None })
    }

    /// Lets the work item choose another size when there are too many for the present one.
    #[inline]
    fn look_at_size(&self, count: u64) {
        if self.inner.size.is_small_for(count) {
            self.inner.schedule(Ticks(0));
        }
    }

    /// Changes the load factor by which the size that listings show is chosen.
    pub(crate) fn set_load_factor(&self, factor: i32) {
        self.inner.size.factor.store(factor, Relaxed);
        self.inner.schedule(Ticks(0));
    }

    /// Returns the number of connections.
    pub(crate) fn count(&self) -> u64 {
        rcu::read(|rcu| self.table(rcu).map_or(0, Table::count))
    }

    /// Returns the number of buckets that listings show; 0 before there is a table.
    pub(crate) fn size(&self) -> u64 {
        self.inner.size.shown.load(Relaxed)
    }

    /// Shows the connections behind a place to `visit`, each once, until it breaks off.
    ///
    /// Returns the place before the connection at which it broke off; `None` when there are no more.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(crate) fn visit(
        &self,
        from: Cursor,
        mut visit: impl for<'g> FnMut(Conn<'g>, Reader<'g>) -> ControlFlow<()>,
    ) -> Option<Cursor> {
        let table = rcu::read(|rcu| self.inner.table.read(rcu)?.upgrade())?;
        table.visit(from, |entry, rcu| visit(Conn(entry), rcu))
    }

    /// Ends the connections of removed servers soon: `expire_nodest_conn`.
    pub(crate) fn sweep(&self) {
        self.inner.sweep.store(1, Relaxed);
        self.inner.schedule(Ticks(1));
    }

    /// Ends some of the connections against a flood soon: `drop_entry`.
    pub(crate) fn thin_out(&self) {
        self.inner.thin_out.store(1, Relaxed);
        self.inner.schedule(Ticks(0));
    }
}

impl Managed {
    /// Ends the connections whose server was removed, unless others depend on them.
    fn sweep(&self, table: &Table<Record>) {
        table.for_each(|entry, rcu| {
            let conn = Conn(entry);
            if conn.server(rcu).is_some_and(|dest| !dest.is_available()) {
                conn.end_with_template(rcu);
            }
        });
    }
}

impl Task for Managed {
    fn run(&self) -> Option<Ticks> {
        let table = rcu::read(|rcu| self.table.read(rcu)?.upgrade())?;
        if self.sweep.xchg(0, Full) != 0 {
            self.sweep(&table);
        }
        if self.thin_out.xchg(0, Full) != 0 {
            self.thinning.sweep(&table);
        }
        let has_grown = self.size.choose(table.count());
        has_grown.then_some(Ticks::from_seconds(LOOK))
    }
}
