// SPDX-License-Identifier: GPL-2.0
//! What an entry of the table keeps of a connection, and what its end brings.

use crate::dest::Dest;
use ipvs::addr::{Endpoint, IpAddr, Port};
use ipvs::conn::state::ConnState;
use ipvs::flow::Flow;
use ipvs::proto::{Direction, Transport};
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::clock::{Jiffies, Ticks};
use linux::conntrack::{self, End, Original};
use linux::net::Handle;
use linux::rcu::{self, Arc};
use linux::table::{self, Entry};

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
    pub(super) client: IpAddr,
    pub(super) virtual_addr: IpAddr,
    pub(super) dest: IpAddr,
    pub(super) mark: u32,
}

impl Record {
    pub(super) fn client(&self) -> Endpoint {
        Endpoint {
            addr: self.client,
            port: self.client_port,
        }
    }

    pub(super) fn virtual_end(&self) -> Endpoint {
        Endpoint {
            addr: self.virtual_addr,
            port: self.virtual_port,
        }
    }

    pub(super) fn dest(&self) -> Endpoint {
        Endpoint {
            addr: self.dest,
            port: self.dest_port,
        }
    }

    /// Tells which way a packet of `flow` goes, if it belongs to this connection.
    #[inline(always)]
    pub(super) fn direction(&self, state: ConnState, flow: &Flow) -> Option<Direction> {
        if self.transport != flow.transport {
            return None;
        }
        let server = match state.method().row().has_reply_key {
            true => self.dest(),
            false => self.virtual_end(),
        };
        if flow.dest == self.client() && flow.source == server {
            return Some(Direction::Reply);
        }
        let is_original = flow.source == self.client() && flow.dest == self.virtual_end();
        is_original.then_some(Direction::Original)
    }

    /// Keeps tracking from remembering a connection that has ended.
    fn end_tracking(&self, scope: &Scope) {
        if self.client_port == Port::ANY {
            return;
        }
        let original = Original {
            protocol: self.transport.protocol().0,
            source: End {
                addr: self.client,
                port: self.client_port.bytes(),
            },
            dest: End {
                addr: self.virtual_addr,
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
pub(super) type Scope = Arc<Handle>;

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
        let state = ConnState::unpack(entry.word().bits());
        match server {
            Some(dest) if state.is_template() => dest.unbind_template(),
            Some(dest) => dest.unbind(state.activity()),
            None => {}
        }
        if state.is_tracked() {
            entry.end_tracking(scope);
        }
    }
}
