// SPDX-License-Identifier: GPL-2.0
//! The life of a connection: create, find, refresh, expire.
//!
//! The state and the flags of a connection (see [`ConnState`]) are part of the entry's life word. The
//! exchange that changes them succeeds once, and its caller does what the change brings: the counts
//! of the server are therefore right however packets race with each other and with the end. A dead
//! entry cannot be changed: its packet is still forwarded, and nothing is counted.

mod conns;
mod data;
mod new;
mod record;
mod size;
mod thinning;

use crate::dest::Dest;
pub(crate) use conns::Conns;
pub(crate) use data::EngineData;
use ipvs::addr::{Endpoint, Protocol};
use ipvs::conn::state::{Activity, ConnState};
use ipvs::conn::template;
use ipvs::defence::MOST_PACKETS;
use ipvs::flags::conn as flags;
use ipvs::proto::{self, Event, StateCode, Transport};
use ipvs::xmit::Method;
use kernel::sync::atomic::Relaxed;
use linux::clock::{Jiffies, Ticks};
use linux::rcu::{Borrow, Reader};
use linux::table::{self, Cursor, Entry, Kill, Unpinned};
pub(crate) use new::{EntryKind, Hash, Made, New};
pub(crate) use record::end;
use record::Record;
pub(crate) use size::{parameter_given, parameter_gone};

/// What keeps a template alive while a connection depends on it.
pub(crate) struct Hold(table::Pin<Record>);

/// A connection or template that was found, for the reader's section.
#[derive(Clone, Copy)]
pub(crate) struct Conn<'g>(&'g Entry<Record>);

impl<'g> Conn<'g> {
    /// Returns the transport protocol.
    #[inline]
    pub(crate) fn transport(self) -> Transport {
        self.0.transport
    }

    /// Returns where the client's packets come from.
    #[inline]
    pub(crate) fn client(self) -> Endpoint {
        self.0.client()
    }

    /// Returns where the client sends packets to.
    #[inline]
    pub(crate) fn virtual_endpoint(self) -> Endpoint {
        self.0.virtual_endpoint()
    }

    /// Returns where the server gets them.
    #[inline]
    pub(crate) fn dest(self) -> Endpoint {
        self.0.dest()
    }

    /// Returns its state and flags as they are now.
    #[inline]
    pub(crate) fn state(self) -> ConnState {
        ConnState::unpack(self.0.word().bits())
    }

    /// Returns how its packets get to the server.
    #[inline]
    pub(crate) fn method(self) -> Method {
        self.state().method()
    }

    /// Returns its server, if it has one.
    #[inline]
    pub(crate) fn server(self, rcu: Reader<'g>) -> Option<Borrow<'g, Dest>> {
        self.0.server(rcu)
    }

    /// Returns the protocol as listings show it: none for the template of a mark.
    pub(crate) fn protocol(self) -> Protocol {
        match self.0.is_of_mark {
            true => proto::OF_TEMPLATES_OF_MARKS,
            false => self.transport().protocol(),
        }
    }

    /// Returns where the server gets its packets as listings show it.
    pub(crate) fn shown_dest(self) -> Endpoint {
        match self.state().is_stale() {
            true => Endpoint {
                port: template::STALE_PORT,
                ..self.dest()
            },
            false => self.dest(),
        }
    }

    /// Returns the name of its state as listings show it.
    pub(crate) fn state_name(self) -> &'static str {
        let state = self.state();
        match state.is_template() {
            true => template::state_name(state),
            false => self.transport().state_name(state.state),
        }
    }

    /// Returns what a template's engine took from the packet for which it was made.
    pub(crate) fn engine_data(self, rcu: Reader<'g>) -> Option<&'g EngineData> {
        Some(self.0.data.read(rcu)?.get())
    }

    /// Notes on its template that a server sent a packet of this connection, which ends with that packet.
    pub(crate) fn assure_template(self, rcu: Reader<'g>) {
        if let Some(parent) = self.0.parent(rcu) {
            assure(parent);
        }
    }

    /// Returns the template that keeps the connection with its server.
    pub(crate) fn controller(self, rcu: Reader<'g>) -> Option<Self> {
        self.0.parent(rcu).map(Self)
    }

    /// Keeps it alive for the connections that depend on it.
    ///
    /// # Errors
    ///
    /// It is dead, or has as many as it may have.
    pub(crate) fn hold(self) -> Result<Hold, Unpinned> {
        self.0.pin().map(Hold)
    }

    /// Keeps it alive as for as many connections as may depend on it, for tests of what comes then.
    ///
    /// # Errors
    ///
    /// It is dead, or has as many as it may have.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn hold_fully(self) -> Result<impl Sized, Unpinned> {
        self.0.pin_fully()
    }

    /// Uses the template for new connections no more.
    pub(crate) fn make_stale(self) {
        self.0
            .update(|bits| Some(ConnState::unpack(bits).stale().pack()));
    }

    /// Returns how long it has left without another packet, as listings show it.
    pub(crate) fn time_left(self, now: Jiffies) -> Ticks {
        self.0.time_out().since(now)
    }

    /// Returns the place in a listing after it.
    pub(crate) fn cursor(self) -> Cursor {
        self.0.cursor()
    }

    /// Runs the state machine for a packet: state, counts of the server, time-out and time of last use.
    #[inline(always)]
    pub(crate) fn update_state(
        self,
        event: &Event,
        settings: &proto::Timeouts,
        now: Jiffies,
        rcu: Reader<'g>,
    ) {
        let Some((old, new)) = self.advance(event) else {
            return;
        };
        if old.is_active() != new.is_active() {
            self.recount(new, rcu);
        }
        let assures = self
            .transport()
            .assures(old.state, new.state, event.direction);
        if let (true, Some(parent)) = (assures, self.0.parent(rcu)) {
            assure(parent);
        }
        self.refresh(new.state, settings, now);
    }

    /// Changes its state; returns the old and the new. `None` when it is dead.
    #[inline(always)]
    fn advance(self, event: &Event) -> Option<(ConnState, ConnState)> {
        let mut word = self.0.word();
        while !word.is_dead() {
            let old = ConnState::unpack(word.bits());
            let new = self.transport().next(old, event);
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
    fn recount(self, state: ConnState, rcu: Reader<'g>) {
        match (self.server(rcu), state.activity()) {
            (Some(dest), Activity::Active) => dest.activate(rcu),
            (Some(dest), Activity::Inactive) => dest.deactivate(rcu),
            (None, _) => {}
        }
    }

    /// Lets it live on for the time-out of its state.
    #[inline(always)]
    fn refresh(self, state: StateCode, settings: &proto::Timeouts, now: Jiffies) {
        self.touch(now);
        let record: &Record = self.0;
        let wanted = Ticks::from_seconds(record.transport.timeout(state, settings));
        let before = Ticks(record.timeout.load(Relaxed));
        if before != wanted {
            record.timeout.store(wanted.0, Relaxed);
        }
        if wanted < before {
            self.0.rearm(now);
        }
    }

    /// Counts a packet of the client: as far as `drop_entry` tells numbers apart.
    #[inline(always)]
    pub(crate) fn count_packet(self) {
        let packets = &self.0.packets;
        let count = packets.load(Relaxed);
        if count < MOST_PACKETS {
            packets.store(count.saturating_add(1), Relaxed);
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

    /// Ends it at once, unless others depend on it, and what it depended on, unless others still do.
    pub(crate) fn end_with_template(self, rcu: Reader<'g>) {
        let parent = self.0.parent(rcu);
        if let (Kill::Done, Some(parent)) = (self.0.kill(), parent) {
            parent.kill();
        }
    }

    /// Ends it at once, unless others depend on it, and what it depended on as well, unless others
    /// still do or a connection was established by it.
    fn end_with_unassured_template(self, rcu: Reader<'g>) {
        let parent = self.0.parent(rcu);
        let (Kill::Done, Some(parent)) = (self.0.kill(), parent) else {
            return;
        };
        if !ConnState::unpack(parent.word().bits()).is_assured() {
            parent.kill();
        }
    }

    /// Ends it at once, unless others depend on it, and leaves what tracking knows alone.
    pub(crate) fn end_quietly(self) {
        self.0.update(|bits| {
            let mut state = ConnState::unpack(bits);
            state.flags &= !flags::NFCT;
            Some(state.pack())
        });
        self.end();
    }
}

/// Notes on a template that a connection it controls was established.
#[inline(always)]
fn assure(parent: &Entry<Record>) {
    let is_new = |state: ConnState| state.is_template() && !state.is_assured();
    if is_new(ConnState::unpack(parent.word().bits())) {
        parent.update(|bits| {
            let state = ConnState::unpack(bits);
            is_new(state).then(|| state.assured().pack())
        });
    }
}
