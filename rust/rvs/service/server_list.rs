// SPDX-License-Identifier: GPL-2.0
//! The servers of a service, a copy-on-write list in chunks: a change copies one chunk, not all.
//!
//! A list is never changed but copied, with all chunks that stay as they are shared. Every copy of
//! a chunk counts changes in the same place, which its servers know, so that none is lost while one
//! list replaces another.

use crate::dest::Dest;
use crate::util::{vec_ext, OutOfMemory};
use ipvs::sched::{Aggregate, Permutation, Server, CHUNK};
use kernel::prelude::*;
use linux::rcu::{self, Arc};
use linux::version::{Cached, Version};

/// A server in a list.
pub(super) struct ServerRef(Arc<Dest>);

impl ServerRef {
    /// Keeps a server.
    pub(super) fn new(dest: &Arc<Dest>) -> Self {
        Self(dest.clone())
    }

    /// Returns the server.
    #[inline]
    pub(super) fn dest(&self) -> &Arc<Dest> {
        &self.0
    }
}

impl Server for ServerRef {
    #[inline]
    fn weight(&self) -> u32 {
        self.0.weight()
    }

    fn last_weight(&self) -> u32 {
        self.0.last_weight()
    }

    #[inline]
    fn active(&self) -> u32 {
        self.0.active()
    }

    #[inline]
    fn total(&self) -> u32 {
        self.0.total()
    }

    #[inline]
    fn is_overloaded(&self) -> bool {
        self.0.is_overloaded()
    }

    #[inline]
    fn is_linked(&self) -> bool {
        self.0.is_available()
    }

    fn permutation(&self) -> Permutation {
        self.0.permutation()
    }
}

/// Where a server is in a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    chunk: usize,
    place: usize,
}

impl Position {
    /// Returns the position of a server by the number that schedulers use.
    pub(super) fn of(number: usize) -> Self {
        Self {
            chunk: number / CHUNK,
            place: number % CHUNK,
        }
    }

    /// Returns the number that schedulers use.
    pub(super) fn number(self) -> usize {
        self.chunk.wrapping_mul(CHUNK).wrapping_add(self.place)
    }
}

/// Up to [`CHUNK`] servers that were added one after the other.
pub(super) struct Chunk {
    members: KVec<ServerRef>,
    /// Shared by all copies of the chunk.
    version: Arc<Version>,
    /// What this list's scheduler computed of these members.
    cached: Cached,
}

impl Chunk {
    fn of<'a>(
        version: &Arc<Version>,
        room: usize,
        dests: impl Iterator<Item = &'a Arc<Dest>>,
    ) -> Result<Arc<Self>, OutOfMemory> {
        let mut members = KVec::with_capacity(room, GFP_KERNEL)?;
        for dest in dests {
            members.push_within_capacity(ServerRef::new(dest))?;
        }
        let chunk = Self {
            members,
            version: version.clone(),
            cached: Cached::new(),
        };
        Ok(Arc::new(chunk, GFP_KERNEL)?)
    }

    /// Returns the servers, the oldest first.
    #[inline]
    pub(super) fn members(&self) -> &[ServerRef] {
        &self.members
    }

    /// Returns what `compute` says of the servers, or said when none of them had changed.
    #[inline]
    pub(super) fn aggregate(&self, compute: impl Fn(&[ServerRef]) -> Aggregate) -> Aggregate {
        self.cached.get(&self.version, || compute(&self.members))
    }

    fn dests(&self) -> impl Iterator<Item = &Arc<Dest>> {
        self.members.iter().map(ServerRef::dest)
    }
}

/// The servers of a service in the order of their addition.
///
/// Copies share what they have; most services have one chunk at most, which needs no vector.
#[derive(Clone)]
pub(super) struct ServerList {
    chunks: Chunks,
    len: usize,
}

#[derive(Clone)]
enum Chunks {
    Few(Option<Arc<Chunk>>),
    Many(Arc<KVVec<Arc<Chunk>>>),
}

impl ServerList {
    /// A list without servers.
    pub(super) const EMPTY: Self = Self {
        chunks: Chunks::Few(None),
        len: 0,
    };

    /// Makes a list of `len` servers in these chunks; `changed` may be empty.
    fn of(
        len: usize,
        before: &[Arc<Chunk>],
        changed: Arc<Chunk>,
        after: &[Arc<Chunk>],
    ) -> Result<Self, OutOfMemory> {
        let changed = Some(changed).filter(|chunk| !chunk.members.is_empty());
        let room = before.len().saturating_add(after.len());
        let room = room.saturating_add(usize::from(changed.is_some()));
        if room < 2 {
            let others = before.first().or(after.first());
            let chunks = Chunks::Few(changed.or_else(|| others.cloned()));
            return Ok(Self { chunks, len });
        }
        let mut list = KVVec::with_capacity(room, GFP_KERNEL)?;
        for part in [before, changed.as_slice(), after] {
            for chunk in part {
                list.push_within_capacity(chunk.clone())?;
            }
        }
        let chunks = Chunks::Many(Arc::new(list, GFP_KERNEL)?);
        Ok(Self { chunks, len })
    }

    /// Returns the chunks, the oldest first.
    #[inline]
    pub(super) fn chunks(&self) -> &[Arc<Chunk>] {
        match &self.chunks {
            Chunks::Few(chunk) => chunk.as_slice(),
            Chunks::Many(chunks) => chunks,
        }
    }

    /// Returns the server at a position.
    #[inline]
    pub(super) fn dest(&self, position: Position) -> Option<&Arc<Dest>> {
        let chunk = self.chunks().get(position.chunk)?;
        chunk.members.get(position.place).map(ServerRef::dest)
    }

    /// Returns how many servers there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the list with one more server.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(super) fn with(&self, dest: &Arc<Dest>) -> Result<Self, OutOfMemory> {
        let chunks = self.chunks();
        let (kept, last) = match chunks.split_last() {
            Some((open, kept)) if open.members.len() < CHUNK => {
                let room = open.members.len().saturating_add(1);
                let dests = Iterator::chain(open.dests(), [dest]);
                (kept, Chunk::of(&open.version, room, dests)?)
            }
            _ => {
                let version = Arc::new(Version::new(), GFP_KERNEL)?;
                (chunks, Chunk::of(&version, 1, [dest].into_iter())?)
            }
        };
        Self::of(self.len.saturating_add(1), kept, last, &[])
    }

    /// Returns the list without the server at a position, if one is there.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(super) fn without(&self, position: Position) -> Result<Self, OutOfMemory> {
        let Some((before, [old, after @ ..])) = self.chunks().split_at_checked(position.chunk)
        else {
            return Ok(self.clone());
        };
        let others = (0..CHUNK).zip(old.dests());
        let rest = others.filter_map(|(place, dest)| (place != position.place).then_some(dest));
        // A small chunk joins its neighbours if both are small; three such fit into one.
        let is_small =
            |chunk: &Arc<Chunk>| chunk.members.len().saturating_add(old.members.len()) <= CHUNK / 2;
        let (older, before) = match before.split_last() {
            Some((chunk, others)) if is_small(chunk) => (Some(chunk), others),
            _ => (None, before),
        };
        let (newer, after) = match after.split_first() {
            Some((chunk, others)) if is_small(chunk) => (Some(chunk), others),
            _ => (None, after),
        };
        let room = |chunk: Option<&Arc<Chunk>>| chunk.map_or(0, |chunk| chunk.members.len());
        let chunk = Chunk::of(
            &older.unwrap_or(old).version,
            room(older)
                .saturating_add(room(Some(old)))
                .saturating_add(room(newer)),
            Iterator::chain(dests_of(older), Iterator::chain(rest, dests_of(newer))),
        )?;
        Self::of(self.len.saturating_sub(1), before, chunk, after)
    }

    /// Returns the list without the aggregates of its chunks, for another scheduler.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(super) fn without_aggregates(&self) -> Result<Self, OutOfMemory> {
        let fresh =
            |chunk: &Arc<Chunk>| Chunk::of(&chunk.version, chunk.members.len(), chunk.dests());
        let chunks = match &self.chunks {
            Chunks::Few(chunk) => Chunks::Few(chunk.as_ref().map(fresh).transpose()?),
            Chunks::Many(chunks) => {
                let mut list = KVVec::with_capacity(chunks.len(), GFP_KERNEL)?;
                for chunk in chunks.iter() {
                    list.push_within_capacity(fresh(chunk)?)?;
                }
                Chunks::Many(Arc::new(list, GFP_KERNEL)?)
            }
        };
        Ok(Self {
            chunks,
            len: self.len,
        })
    }

    /// Has the changes of its servers counted by this list's chunks, all of them if a scheduler `counts`.
    ///
    /// # Locking
    ///
    /// Under `control`, right before the list is published in place of `before`.
    pub(super) fn prepare(&self, before: &ServerList, counts: bool) {
        let fresh = self.new_chunks(before);
        if counts && self.chunks().len() > 1 {
            // A single chunk was not watched.
            let watched = before.chunks().len() > 1;
            let chunks = if watched { fresh } else { self.chunks() };
            chunks.iter().for_each(|chunk| chunk.version.watch());
        }
        for chunk in fresh {
            // Most of them did so before the change.
            let reports = |dest: &Arc<Dest>| rcu::read(|rcu| dest.reports_to(&chunk.version, rcu));
            if !rcu::read(|rcu| {
                chunk
                    .dests()
                    .all(|dest| dest.reports_to(&chunk.version, rcu))
            }) {
                let rest = chunk.dests().filter(|dest| !reports(dest));
                rest.for_each(|dest| dest.report_to(&chunk.version));
            }
        }
    }

    /// Returns the chunks that are not in the list `before`: one change makes them neighbours.
    fn new_chunks(&self, before: &ServerList) -> &[Arc<Chunk>] {
        let (chunks, old) = (self.chunks(), before.chunks());
        let same = |(chunk, old): &(&Arc<Chunk>, &Arc<Chunk>)| chunk.ptr_eq(old);
        let begin = chunks.iter().zip(old).take_while(same).count();
        let kept = chunks.iter().rev().zip(old.iter().rev());
        let end = chunks.len().saturating_sub(kept.take_while(same).count());
        chunks.get(begin..end).unwrap_or_default()
    }

    /// Ends counting what no scheduler needs.
    pub(super) fn unwatch(&self) {
        self.chunks()
            .iter()
            .for_each(|chunk| chunk.version.unwatch());
    }

    /// Returns where a server of the list `before` is in this one; if it is gone, where the next
    /// newer one is; `None` if there is none.
    pub(super) fn moved(&self, before: &ServerList, position: Position) -> Option<Position> {
        let old = before.chunks().get(position.chunk)?;
        let serial = old.members.get(position.place)?.dest().serial();
        let position = self.from(serial);
        self.dest(position).map(|_| position)
    }

    /// Returns where a server with this serial is, or the next newer one.
    pub(super) fn from(&self, serial: u64) -> Position {
        let chunk = vec_ext::partition_point(self.chunks(), |chunk| ends_below(chunk, serial));
        let members = self
            .chunks()
            .get(chunk)
            .map_or(&[][..], |chunk| chunk.members());
        let place = vec_ext::partition_point(members, |server| server.dest().serial() < serial);
        Position { chunk, place }
    }

    /// Returns the newest server below a serial.
    pub(super) fn below(&self, serial: u64) -> Option<&Arc<Dest>> {
        let begins_below = |chunk: &Arc<Chunk>| {
            let first = chunk.members.first();
            first.is_some_and(|server| server.dest().serial() < serial)
        };
        let chunk = vec_ext::partition_point(self.chunks(), begins_below);
        let members = self.chunks().get(chunk.checked_sub(1)?)?.members();
        let end = vec_ext::partition_point(members, |server| server.dest().serial() < serial);
        members.get(end.checked_sub(1)?).map(ServerRef::dest)
    }

    /// Lists the servers, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Dest>> {
        self.chunks().iter().flat_map(|chunk| chunk.dests())
    }
}

fn dests_of(chunk: Option<&Arc<Chunk>>) -> impl Iterator<Item = &Arc<Dest>> {
    chunk.into_iter().flat_map(|chunk| chunk.dests())
}

fn ends_below(chunk: &Arc<Chunk>, serial: u64) -> bool {
    let last = chunk.members.last();
    last.is_some_and(|server| server.dest().serial() < serial)
}
