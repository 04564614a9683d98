// SPDX-License-Identifier: GPL-2.0
//! The life of a connection: create, find, refresh, expire.
//!
//! How a connection stands (state and flags, see [`Standing`]) is part of the entry's life word.
//! Whoever changes it by a successful exchange does what the change brings: the counts of the
//! server are therefore right however packets race with each other and with the end. A dead entry
//! cannot be changed: its packet is still forwarded, and nothing is counted.

use crate::dest::{Activity, Dest};
use ipvs::addr::{Endpoint, IpAddr, Port, Protocol};
use ipvs::flags::conn as flags;
use ipvs::flow::Flow;
use ipvs::hash::Seed;
use ipvs::proto::{self, Direction, StateCode};
use ipvs::size::{self, Limits};
use ipvs::standing::{Seen, Standing};
use ipvs::xmit::Method;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full, Relaxed};
use linux::clock::{Jiffies, Ticks};
use linux::conntrack::{self, End, Original};
use linux::memory;
use linux::net::Handle;
use linux::random;
use linux::rcu::{self, Arc, Borrow, Reader, Slot};
use linux::table::{self, Cursor, Entry, Refused, Table};
use linux::work::{Delayed, Task};

/// How long a connection that others depend on waits when its own time is over, in seconds.
const HELD: u32 = 60;

/// What an entry of the table keeps of a connection.
///
/// The first 16 bytes share a cache line with what the table itself looks at.
#[repr(C)]
pub(crate) struct Record {
    /// When the last packet came, in jiffies.
    used: Atomic<u32>,
    /// How long it lives without a packet, in ticks.
    timeout: Atomic<u32>,
    client_port: Port,
    virtual_port: Port,
    dest_port: Port,
    protocol: Protocol,
    client: IpAddr,
    virtual_addr: IpAddr,
    dest: IpAddr,
    mark: u32,
}

impl Record {
    fn client(&self) -> Endpoint {
        Endpoint {
            addr: self.client,
            port: self.client_port,
        }
    }

    fn virtual_end(&self) -> Endpoint {
        Endpoint {
            addr: self.virtual_addr,
            port: self.virtual_port,
        }
    }

    fn dest(&self) -> Endpoint {
        Endpoint {
            addr: self.dest,
            port: self.dest_port,
        }
    }

    /// Tells which way a packet of `flow` goes, if it belongs to this connection.
    #[inline(always)]
    fn direction(&self, standing: Standing, flow: &Flow) -> Option<Direction> {
        if self.protocol != flow.protocol {
            return None;
        }
        let server = match standing.method() {
            Method::Nat => self.dest(),
            _ => self.virtual_end(),
        };
        if flow.dest == self.client() && flow.source == server {
            return Some(Direction::Out);
        }
        let requests = flow.source == self.client() && flow.dest == self.virtual_end();
        requests.then_some(Direction::In)
    }

    /// Keeps tracking from remembering a connection that has ended.
    fn end_tracking(&self, scope: &Scope) {
        let (IpAddr::V4(client), IpAddr::V4(virtual_addr)) = (self.client, self.virtual_addr)
        else {
            return;
        };
        if self.client_port == Port::ANY {
            return;
        }
        let original = Original {
            protocol: self.protocol.0,
            source: End {
                addr: client.octets(),
                port: self.client_port.bytes(),
            },
            dest: End {
                addr: virtual_addr.octets(),
                port: self.virtual_port.bytes(),
            },
        };
        rcu::read(|rcu| {
            if let Some(net) = scope.read(rcu) {
                conntrack::kill(net, &original);
            }
        });
    }
}

/// The way to the namespace, which ends before the last connections do.
type Scope = Arc<Handle>;

impl table::Record for Record {
    type Server = Dest;
    type Scope = Scope;

    fn deadline(&self) -> Jiffies {
        Jiffies(self.used.load(Relaxed)).plus(Ticks(self.timeout.load(Relaxed)))
    }

    fn held(&self) {
        self.timeout.store(Ticks::from_seconds(HELD).0, Relaxed);
        self.used.store(Jiffies::now().0, Relaxed);
    }

    fn bury(entry: &Entry<Self>, server: Option<&Dest>, scope: &Scope) {
        let standing = Standing::unpack(entry.word().bits());
        match server {
            Some(dest) if standing.is_template() => dest.unbind_template(),
            Some(dest) if standing.is_active() => dest.unbind(Activity::Active),
            Some(dest) => dest.unbind(Activity::Inactive),
            None => {}
        }
        if standing.is_tracked() {
            entry.end_tracking(scope);
        }
    }
}

/// A connection that was found, for the reader's section.
#[derive(Clone, Copy)]
pub(crate) struct Conn<'g>(&'g Entry<Record>);

impl<'g> Conn<'g> {
    /// Returns the transport protocol.
    #[inline]
    pub(crate) fn protocol(self) -> Protocol {
        self.0.protocol
    }

    /// Returns where requests come from.
    #[inline]
    pub(crate) fn client(self) -> Endpoint {
        self.0.client()
    }

    /// Returns where clients send requests to.
    #[inline]
    pub(crate) fn virtual_end(self) -> Endpoint {
        self.0.virtual_end()
    }

    /// Returns where requests are answered.
    #[inline]
    pub(crate) fn dest(self) -> Endpoint {
        self.0.dest()
    }

    /// Returns its state and flags as they are now.
    #[inline]
    pub(crate) fn standing(self) -> Standing {
        Standing::unpack(self.0.word().bits())
    }

    /// Returns how its packets get to the server.
    #[inline]
    pub(crate) fn method(self) -> Method {
        self.standing().method()
    }

    /// Returns its server, if it has one.
    #[inline]
    pub(crate) fn server(self, rcu: Reader<'g>) -> Option<Borrow<'g, Dest>> {
        self.0.server(rcu)
    }

    /// Returns the name of its state as listings show it.
    pub(crate) fn state_name(self) -> &'static str {
        proto::state_name(self.protocol(), self.standing().state)
    }

    /// Returns how long it has left without another packet.
    pub(crate) fn time_left(self, now: Jiffies) -> Ticks {
        table::Record::deadline(&**self.0).since(now)
    }

    /// Returns the place in a listing after it.
    pub(crate) fn cursor(self) -> Cursor {
        self.0.cursor()
    }

    /// Takes note of a packet: state, counts of the server, time-out and time of last use.
    #[inline(always)]
    pub(crate) fn packet(
        self,
        seen: &Seen,
        settings: &proto::Timeouts,
        now: Jiffies,
        rcu: Reader<'g>,
    ) {
        let Some((old, new)) = self.advance(seen) else {
            return;
        };
        if old.is_active() != new.is_active() {
            self.recount(new, rcu);
        }
        self.refresh(new.state, settings, now);
    }

    /// Changes how it stands; returns the old and the new. `None` when it is dead.
    #[inline(always)]
    fn advance(self, seen: &Seen) -> Option<(Standing, Standing)> {
        let mut word = self.0.word();
        while !word.is_dead() {
            let old = Standing::unpack(word.bits());
            let new = old.after(self.protocol(), seen);
            if new == old {
                return Some((old, new));
            }
            match self.0.exchange(word, new.pack()) {
                Ok(_) => return Some((old, new)),
                Err(found) => word = found,
            }
        }
        None
    }

    /// Counts it on its server as what it has become.
    #[inline(never)]
    fn recount(self, standing: Standing, rcu: Reader<'g>) {
        match self.server(rcu) {
            Some(dest) if standing.is_active() => dest.activate(rcu),
            Some(dest) => dest.deactivate(rcu),
            None => {}
        }
    }

    /// Lets it live on for the time-out of its state.
    #[inline(always)]
    fn refresh(self, state: StateCode, settings: &proto::Timeouts, now: Jiffies) {
        self.touch(now);
        let record: &Record = self.0;
        let wanted = Ticks::from_seconds(proto::timeout(record.protocol, state, settings));
        let before = Ticks(record.timeout.load(Relaxed));
        if before != wanted {
            record.timeout.store(wanted.0, Relaxed);
        }
        if wanted < before {
            self.0.hasten(now);
        }
    }

    /// Begins its time-out anew.
    #[inline]
    pub(crate) fn touch(self, now: Jiffies) {
        let used = &self.0.used;
        // Not written for every packet: the line is shared.
        if used.load(Relaxed) != now.0 {
            used.store(now.0, Relaxed);
        }
    }

    /// Ends it at once, unless others depend on it.
    pub(crate) fn end(self) {
        self.0.kill();
    }

    /// Ends it at once, unless others depend on it, and leaves what tracking knows alone.
    pub(crate) fn end_quietly(self) {
        self.0.update(|bits| {
            let mut standing = Standing::unpack(bits);
            standing.flags &= !flags::NFCT;
            Some(standing.pack())
        });
        self.end();
    }
}

/// The hash of a flow, with the seed of the connections that made it.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u32);

/// What a new connection begins with.
pub(crate) struct New<'a, 'g> {
    /// From the client to the virtual service.
    pub(crate) flow: &'a Flow,
    /// What [`Conns::hash`] says of the flow.
    pub(crate) hash: Hash,
    /// The server; none for a bypass.
    pub(crate) server: Option<Borrow<'g, Dest>>,
    /// How packets get to the server.
    pub(crate) method: Method,
    /// Where the server listens.
    pub(crate) dest: Endpoint,
    /// The mark of the packet.
    pub(crate) mark: u32,
    /// Flags besides the method, as `ipvs::flags::conn`: `NFCT` or nothing.
    pub(crate) flags: u32,
}

impl New<'_, '_> {
    fn standing(&self) -> Standing {
        Standing::new(self.method, self.flags | flags::HASHED)
    }

    fn record(&self, now: Jiffies) -> Record {
        Record {
            used: Atomic::new(now.0),
            timeout: Atomic::new(Ticks::from_seconds(proto::INITIAL_TIMEOUT).0),
            client_port: self.flow.source.port,
            virtual_port: self.flow.dest.port,
            dest_port: self.dest.port,
            protocol: self.flow.protocol,
            client: self.flow.source.addr,
            virtual_addr: self.flow.dest.addr,
            dest: self.dest.addr,
            mark: self.mark,
        }
    }

    /// Returns the hash of requests as the server sees them, and of its answers.
    #[inline(always)]
    fn second_hash(&self, seed: &Seed) -> Option<u32> {
        let nat = matches!(self.method, Method::Nat);
        nat.then(|| self.flow.hash_to(&self.dest, seed))
    }
}

/// The connections of one namespace.
///
/// There is no table before the first service: see [`Conns::open`]. In teardown, [`Conns::close`]
/// comes after the hooks are off and the services flushed.
#[pin_data]
pub(crate) struct Conns {
    #[pin]
    inner: Delayed<Inner>,
}

/// What the work item of [`Conns`] looks after.
struct Inner {
    table: Slot<Table<Record>>,
    seed: Seed,
    handle: Arc<Handle>,
    size: Size,
    /// 1 while connections of removed servers are to be ended.
    sweep: Atomic<u32>,
}

/// The size that listings show, and what it is chosen by.
///
/// The table itself grows by a rule of its own.
struct Size {
    /// In buckets; 0 before there is a table.
    shown: Atomic<u64>,
    /// What users want the load factor to be.
    factor: Atomic<i32>,
    /// The load factor that the size was chosen for.
    chosen_for: Atomic<i32>,
    /// How many connections the size is good for.
    most: Atomic<u64>,
    limits: Limits,
}

impl Size {
    fn new(factor: i32, max_bits: u32) -> Self {
        Self {
            shown: Atomic::new(0),
            factor: Atomic::new(factor),
            chosen_for: Atomic::new(factor),
            most: Atomic::new(u64::MAX),
            limits: Limits::conns(max_bits, memory::total_bytes()),
        }
    }

    /// Tells whether `count` connections are too many.
    #[inline]
    fn is_small_for(&self, count: u64) -> bool {
        count > self.most.load(Relaxed)
    }

    /// Begins with the smallest size.
    fn begin(&self) {
        self.set(self.limits.min(), self.chosen_for.load(Relaxed));
    }

    /// Chooses the size for `count` connections; tells whether it is above the smallest.
    fn choose(&self, count: u64) -> bool {
        let factor = self.factor.load(Relaxed);
        let shown = if factor == self.chosen_for.load(Relaxed) {
            size::desired(count, self.shown.load(Relaxed), factor, self.limits)
        } else {
            size::refactored(count, factor, self.limits)
        };
        self.set(shown, factor);
        shown > self.limits.min()
    }

    fn set(&self, shown: u64, factor: i32) {
        let most = size::threshold(shown, factor, self.limits);
        self.shown.store(shown, Relaxed);
        self.chosen_for.store(factor, Relaxed);
        self.most.store(most.unwrap_or(u64::MAX), Relaxed);
    }
}

/// How often a table that has grown is looked at, in seconds.
const LOOK: u32 = 2;

impl Conns {
    /// Makes the connections of a new namespace, without a table yet.
    pub(crate) fn new(handle: Arc<Handle>, load_factor: i32, max_bits: u32) -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Delayed::new(Inner {
                table: Slot::empty(),
                seed: Seed(random::words()),
                handle,
                size: Size::new(load_factor, max_bits),
                sweep: Atomic::new(0),
            }),
        })
    }

    /// Makes the table, if there is none; called when a service is added.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Locking
    ///
    /// Process context, under `control`.
    pub(crate) fn open(&self) -> Result {
        if rcu::read(|rcu| self.table(rcu).is_some()) {
            return Ok(());
        }
        let [salt]: [u64; 1] = random::words();
        let [low, high, ..] = salt.to_le_bytes();
        let salt = u32::from(u16::from_le_bytes([low, high]));
        let table = Table::new(self.inner.handle.clone(), salt)?;
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
    /// A packet that could be either, as when a server is its own client, is an answer.
    pub(crate) fn find<'g>(&self, flow: &Flow, rcu: Reader<'g>) -> Option<(Conn<'g>, Direction)> {
        self.find_hashed(flow, self.hash(flow), rcu)
    }

    /// Returns what a flow and its answers are found by.
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
        let mut request = None;
        for entry in self.table(rcu)?.candidates(hash.0, rcu) {
            let standing = Standing::unpack(entry.word().bits());
            if standing.is_template() {
                continue;
            }
            match entry.direction(standing, flow) {
                Some(Direction::Out) => return Some((Conn(entry), Direction::Out)),
                Some(Direction::In) => request = request.or(Some(Conn(entry))),
                None => {}
            }
        }
        Some((request?, Direction::In))
    }

    /// Makes a connection while there are fewer than `limit`, and counts it on its server.
    ///
    /// # Errors
    ///
    /// Why there is none.
    #[inline(never)]
    pub(crate) fn create<'g>(
        &self,
        new: &New<'_, 'g>,
        limit: u64,
        now: Jiffies,
        rcu: Reader<'g>,
    ) -> Result<Conn<'g>, Refused> {
        let table = self.table(rcu).ok_or(Refused::Closed)?;
        let server = match new.server {
            Some(dest) => Some(dest.upgrade().ok_or(Refused::Closed)?),
            None => None,
        };
        let entry = table.insert(limit, now, rcu, || {
            // Counted first, as the entry may end as soon as others can find it.
            if let Some(dest) = new.server {
                dest.bind(rcu);
            }
            table::New {
                record: new.record(now),
                bits: new.standing().pack(),
                hash: new.hash.0,
                second_hash: new.second_hash(&self.inner.seed),
                server,
                parent: None,
            }
        })?;
        self.look_at_size(table.count());
        Ok(Conn(entry))
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

    /// Returns the connections behind a cursor, each once.
    pub(crate) fn after<'g>(
        &self,
        cursor: Cursor,
        rcu: Reader<'g>,
    ) -> impl Iterator<Item = Conn<'g>> {
        let table = self.table(rcu).into_iter();
        table
            .flat_map(move |table| table.after(cursor, rcu))
            .map(Conn)
    }

    /// Ends the connections of removed servers soon: `expire_nodest_conn`.
    pub(crate) fn sweep(&self) {
        self.inner.sweep.store(1, Relaxed);
        self.inner.schedule(Ticks(1));
    }
}

impl Inner {
    /// Ends the connections whose server was removed, unless others depend on them.
    fn sweep(&self, table: &Table<Record>) {
        table.for_each(|entry, rcu| {
            let conn = Conn(entry);
            if conn.server(rcu).is_some_and(|dest| !dest.is_available()) {
                conn.end();
            }
        });
    }
}

impl Task for Inner {
    fn run(&self) -> Option<Ticks> {
        let table = rcu::read(|rcu| self.table.read(rcu)?.upgrade())?;
        if self.sweep.xchg(0, Full) != 0 {
            self.sweep(&table);
        }
        let has_grown = self.size.choose(table.count());
        has_grown.then_some(Ticks::from_seconds(LOOK))
    }
}
