// SPDX-License-Identifier: GPL-2.0
//! What a new connection or template begins with.

use super::record::{Families, Record};
use super::{Conn, EngineData, Hold};
use crate::dest::Dest;
use core::mem::ManuallyDrop;
use ipvs::addr::{Endpoint, Port};
use ipvs::conn::state::ConnState;
use ipvs::flags::conn as flags;
use ipvs::flow::Flow;
use ipvs::hash::Seed;
use ipvs::proto;
use ipvs::xmit::Method;
use kernel::sync::atomic::Atomic;
use linux::apart::Apart;
use linux::clock::{Jiffies, Ticks};
use linux::random;
use linux::rcu::{Arc, Borrow, Slot};

/// The hash of a flow, with the seed of the connections that made it.
#[derive(Clone, Copy)]
pub(crate) struct Hash(pub(super) u32);

/// What a new entry is.
pub(crate) enum EntryKind {
    /// A connection, and the template that it keeps alive, if it has one.
    Connection(Option<Hold>),
    /// A persistence template.
    Template {
        /// How long it lives without a new connection.
        timeout: Ticks,
        /// Whether a firewall mark takes the place of the virtual address.
        is_of_mark: bool,
        /// What the service's engine took from the packet.
        data: Option<Arc<EngineData>>,
    },
}

/// What a new connection or template begins with.
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
    /// Flags besides the method, as `ipvs::flags::conn`: `NFCT`, `ONE_PACKET`.
    pub(crate) flags: u32,
    /// What it is.
    pub(crate) kind: EntryKind,
}

/// A connection or a template that was made. A connection for a single packet ends when this goes.
pub(crate) struct Made<'g> {
    pub(crate) conn: Conn<'g>,
    pub(super) _end: Option<Apart<'g, Record>>,
}

impl New<'_, '_> {
    /// Returns whether it is for one packet, so that no other finds it.
    ///
    /// A template of such connections has their flag, and is found.
    pub(super) const fn is_one_packet(&self) -> bool {
        let is_flagged = self.flags & flags::ONE_PACKET != 0;
        match self.kind {
            EntryKind::Connection(_) => is_flagged,
            EntryKind::Template { .. } => false,
        }
    }

    pub(super) fn state(&self) -> ConnState {
        let template = match self.kind {
            EntryKind::Connection(_) => 0,
            EntryKind::Template { .. } => flags::TEMPLATE,
        };
        let hashed = match self.is_one_packet() {
            true => 0,
            false => flags::HASHED,
        };
        ConnState::new(self.method, self.flags | hashed | template)
    }

    pub(super) fn record(&self, now: Jiffies) -> Record {
        let (timeout, is_of_mark, data) = match &self.kind {
            EntryKind::Connection(_) => (Ticks::from_seconds(proto::INITIAL_TIMEOUT), false, None),
            EntryKind::Template {
                timeout,
                is_of_mark,
                data,
            } => (*timeout, *is_of_mark, data.clone()),
        };
        Record {
            used: Atomic::new(now.0),
            timeout: Atomic::new(timeout.0),
            client_port: self.flow.source.port,
            virtual_port: self.flow.dest.port,
            dest_port: self.dest.port,
            transport: self.flow.transport,
            families: Families::of(self.flow.source.addr, self.dest.addr),
            client: self.flow.source.addr.words(),
            virtual_addr: self.flow.dest.addr.words(),
            dest: self.dest.addr.words(),
            mark: self.mark,
            is_of_mark,
            packets: Atomic::new(0),
            data: ManuallyDrop::new(data.map_or(const { Slot::empty() }, Slot::new)),
        }
    }

    /// Gives up the template that it keeps alive.
    pub(super) fn into_parent(self) -> Option<Hold> {
        match self.kind {
            EntryKind::Connection(hold) => hold,
            EntryKind::Template { .. } => None,
        }
    }

    /// Returns the hash of the flow, by which packets find the entry.
    ///
    /// Port 0 of a client is no port: no packet of the client finds its connections, of which each packet
    /// makes another one. Each has a place of its own in the table, so that no look-up meets them all.
    #[inline(always)]
    pub(super) fn first_hash(&self) -> u32 {
        match self.lacks_port() {
            true => random_hash(),
            false => self.hash.0,
        }
    }

    /// Returns whether it is a connection of a client's port 0.
    #[inline(always)]
    fn lacks_port(&self) -> bool {
        match self.kind {
            EntryKind::Connection(_) => self.flow.source.port == Port::ANY,
            EntryKind::Template { .. } => false,
        }
    }

    /// Returns the hash of packets as the server sees them, and of its replies, if these are another
    /// flow.
    #[inline(always)]
    pub(super) fn second_hash(&self, seed: &Seed) -> Option<u32> {
        let has_key = match self.kind {
            EntryKind::Connection(_) => self.method.row().has_reply_key,
            EntryKind::Template { .. } => false,
        };
        match (has_key, self.lacks_port()) {
            (true, _) => Some(self.flow.hash_to(&self.dest, seed)),
            // Its replies find the newest of them.
            (false, true) => Some(self.hash.0),
            (false, false) => None,
        }
    }
}

/// Returns a hash that no flow has.
#[cold]
fn random_hash() -> u32 {
    let [word]: [u64; 1] = random::words();
    let [a, b, c, d, ..] = word.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
