// SPDX-License-Identifier: GPL-2.0
//! What an entry of the table keeps of a connection, and what its end brings.

use super::EngineData;
use crate::dest::Dest;
use core::mem::ManuallyDrop;
use ipvs::addr::{Addr, Endpoint, Family, Port, Words};
use ipvs::conn::overtime::overtime;
use ipvs::conn::state::ConnState;
use ipvs::conn::template::TemplateKey;
use ipvs::flow::Flow;
use ipvs::proto::{Direction, Transport};
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::clock::{Jiffies, Ticks};
use linux::conntrack::{self, End, Original};
use linux::net::Handle;
use linux::rcu::{self, Arc, Reader, Slot};
use linux::table::{self, Entry, New};

/// How long a connection that others depend on waits when its own time is over, in seconds.
const HELD: u32 = 60;

/// What an entry of the table keeps of a connection.
///
/// The first 16 bytes share a cache line with what the table itself looks at.
#[repr(C)]
pub(super) struct Record {
    /// When the last packet came, in jiffies.
    pub(super) used: Atomic<u32>,
    /// How long it lives without a packet, in ticks.
    pub(super) timeout: Atomic<u32>,
    pub(super) client_port: Port,
    pub(super) virtual_port: Port,
    pub(super) dest_port: Port,
    pub(super) transport: Transport,
    pub(super) families: Families,
    pub(super) client: Words,
    pub(super) virtual_addr: Words,
    pub(super) dest: Words,
    pub(super) mark: u32,
    /// It is a template, and a firewall mark takes the place of the virtual address.
    pub(super) is_of_mark: bool,
    /// How many packets came from the client; the last number counts for more as well.
    pub(super) packets: Atomic<i8>,
    /// What the engine of a template took from the packet, until the burial: nothing runs when an entry is
    /// freed.
    pub(super) data: ManuallyDrop<Slot<EngineData>>,
}

/// The family of client and virtual service, and that of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Families {
    /// IPv4 on both sides.
    V4 = 0,
    /// IPv6 on both sides.
    V6 = 1,
    /// A tunnel over IPv6.
    V4OverV6 = 2,
    /// A tunnel over IPv4.
    V6OverV4 = 3,
}

impl Families {
    /// Returns them for the addresses of a client and a server.
    pub(super) const fn of(client: Addr, dest: Addr) -> Self {
        match (client.family(), dest.family()) {
            (Family::V4, Family::V4) => Self::V4,
            (Family::V6, Family::V6) => Self::V6,
            (Family::V4, Family::V6) => Self::V4OverV6,
            (Family::V6, Family::V4) => Self::V6OverV4,
        }
    }

    #[inline]
    const fn client(self) -> Family {
        match self {
            Self::V4 | Self::V4OverV6 => Family::V4,
            Self::V6 | Self::V6OverV4 => Family::V6,
        }
    }

    #[inline]
    const fn dest(self) -> Family {
        match self {
            Self::V4 | Self::V6OverV4 => Family::V4,
            Self::V6 | Self::V4OverV6 => Family::V6,
        }
    }
}

impl Record {
    pub(super) fn client(&self) -> Endpoint {
        Endpoint {
            addr: Addr::from_words(self.families.client(), self.client),
            port: self.client_port,
        }
    }

    pub(super) fn virtual_endpoint(&self) -> Endpoint {
        Endpoint {
            addr: Addr::from_words(self.families.client(), self.virtual_addr),
            port: self.virtual_port,
        }
    }

    pub(super) fn dest(&self) -> Endpoint {
        Endpoint {
            addr: Addr::from_words(self.families.dest(), self.dest),
            port: self.dest_port,
        }
    }

    /// Tells which way a packet of `flow` goes, if it belongs to this connection.
    ///
    /// Port 0 of a client is no port: its packets belong to no connection, and replies do.
    #[inline(always)]
    pub(super) fn direction(&self, state: ConnState, flow: &Flow) -> Option<Direction> {
        if self.transport != flow.transport || self.families.client() != flow.family() {
            return None;
        }
        // A server whose replies have a key of their own is of the client's family.
        let server = match state.method().row().has_reply_key {
            true => (self.dest, self.dest_port),
            false => (self.virtual_addr, self.virtual_port),
        };
        let client = (self.client, self.client_port);
        let source = (flow.source.addr.words(), flow.source.port);
        let dest = (flow.dest.addr.words(), flow.dest.port);
        if dest == client && source == server {
            return Some(Direction::Reply);
        }
        let is_original = source == client
            && dest == (self.virtual_addr, self.virtual_port)
            && self.client_port != Port::ANY;
        is_original.then_some(Direction::Original)
    }

    /// Returns whether it is a template with this key; asked of templates only.
    pub(super) fn has_key(&self, key: &TemplateKey) -> bool {
        let flow = &key.flow;
        self.transport == flow.transport
            && self.is_of_mark == key.is_of_mark
            && self.client() == flow.source
            && self.virtual_endpoint() == flow.dest
    }

    /// Returns whether its engine took just these data.
    pub(super) fn has_data(&self, data: Option<&EngineData>, rcu: Reader<'_>) -> bool {
        let own = self.data.read(rcu);
        own.map(|own| own.get()) == data
    }

    /// Returns when its time is over; it may stay longer, see [`overtime`].
    pub(super) fn time_out(&self) -> Jiffies {
        Jiffies(self.used.load(Relaxed)).plus(Ticks(self.timeout.load(Relaxed)))
    }

    /// Keeps tracking from remembering a connection that has ended.
    fn end_tracking(&self, scope: &Scope) {
        if self.client_port == Port::ANY {
            return;
        }
        let original = Original {
            protocol: self.transport.protocol().0,
            source: end(self.client()),
            dest: end(self.virtual_endpoint()),
        };
        rcu::read(|rcu| {
            if let Some(net) = scope.read(rcu) {
                conntrack::kill(net, &original);
            }
        });
    }
}

/// Returns an end as connection tracking knows it.
pub(crate) fn end(end: Endpoint) -> End {
    End {
        addr: end.addr.to_ip(),
        port: end.port.bytes(),
    }
}

/// The way to the namespace, which ends before the last connections do.
pub(super) type Scope = Arc<Handle>;

impl table::Record for Record {
    type Server = Dest;
    type Scope = Scope;

    fn deadline(&self) -> Jiffies {
        let timeout = Ticks(self.timeout.load(Relaxed));
        let overtime = Ticks::from_seconds(overtime(timeout.seconds()));
        let whole = Ticks(timeout.0.saturating_add(overtime.0));
        // A moment further away could not be told from the past by a look-up a little later.
        let longest = Ticks::MAX.less(Ticks::from_seconds(HELD));
        Jiffies(self.used.load(Relaxed)).plus(whole.min(longest))
    }

    fn same_second(&self, other: &Self) -> bool {
        self.transport == other.transport
            && self.client() == other.client()
            && self.dest() == other.dest()
    }

    fn on_pinned(&self) {
        self.timeout.store(Ticks::from_seconds(HELD).0, Relaxed);
        self.used.store(Jiffies::now().0, Relaxed);
    }

    fn begin(new: &New<Self>, rcu: Reader<'_>) {
        let is_template = ConnState::unpack(new.bits).is_template();
        match &new.server {
            Some(dest) if is_template => dest.bind_template(),
            Some(dest) => dest.bind(rcu),
            None => {}
        }
    }

    fn on_end(entry: &Entry<Self>, server: Option<&Dest>, scope: &Scope) {
        let state = ConnState::unpack(entry.word().bits());
        match server {
            Some(dest) if state.is_template() => dest.unbind_template(),
            Some(dest) => dest.unbind(state.activity()),
            None => {}
        }
        if state.is_template() {
            drop(entry.data.replace(None));
        }
        // The next packet of the flow, which is another connection, is of the same tracked one.
        if state.is_tracked() && !state.is_one_packet() {
            entry.end_tracking(scope);
        }
    }
}
