// SPDX-License-Identifier: GPL-2.0
//! The servers of a service in groups, so that a change touches one group and not all.
//!
//! A list is never changed but copied, with all groups that stay as they are shared. Every copy of
//! a group counts changes in the same place, which its servers know, so that none is lost while one
//! list replaces another.

use crate::dest::Dest;
use crate::grow;
use ipvs::sched::{Aggregate, Permutation, Server, CHUNK};
use kernel::prelude::*;
use linux::rcu::{self, Arc};
use linux::summary::{Changes, Remembered};

/// A server in a list.
pub(super) struct Entry(Arc<Dest>);

impl Entry {
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

impl Server for Entry {
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
    group: usize,
    slot: usize,
}

impl Position {
    /// Returns the position of a server by the number that schedulers use.
    pub(super) fn of(number: usize) -> Self {
        Self {
            group: number / CHUNK,
            slot: number % CHUNK,
        }
    }

    /// Returns the number that schedulers use.
    pub(super) fn number(self) -> usize {
        self.group.wrapping_mul(CHUNK).wrapping_add(self.slot)
    }
}

/// Up to [`CHUNK`] servers that were added one after the other.
pub(super) struct Group {
    members: KVec<Entry>,
    /// Shared by all copies of the group.
    changes: Arc<Changes>,
    /// What this list's scheduler summed up of these members.
    remembered: Remembered,
}

impl Group {
    fn of<'a>(
        changes: &Arc<Changes>,
        room: usize,
        dests: impl Iterator<Item = &'a Arc<Dest>>,
    ) -> Result<Arc<Self>> {
        let mut members = KVec::with_capacity(room, GFP_KERNEL)?;
        for dest in dests {
            members
                .push_within_capacity(Entry::new(dest))
                .map_err(|_full| ENOMEM)?;
        }
        let group = Self {
            members,
            changes: changes.clone(),
            remembered: Remembered::new(),
        };
        Arc::new(group, GFP_KERNEL)
    }

    /// Returns the servers, the oldest first.
    #[inline]
    pub(super) fn members(&self) -> &[Entry] {
        &self.members
    }

    /// Returns what `sum_up` says of the servers, or said when none of them had changed.
    #[inline]
    pub(super) fn remembered(&self, sum_up: impl Fn(&[Entry]) -> Aggregate) -> Aggregate {
        self.remembered.get(&self.changes, || sum_up(&self.members))
    }

    fn dests(&self) -> impl Iterator<Item = &Arc<Dest>> {
        self.members.iter().map(Entry::dest)
    }
}

/// The servers of a service in the order of their addition.
///
/// Copies share what they have; most services have one group at most, which needs no vector.
#[derive(Clone)]
pub(super) struct List {
    groups: Groups,
    len: usize,
}

#[derive(Clone)]
enum Groups {
    Few(Option<Arc<Group>>),
    Many(Arc<KVVec<Arc<Group>>>),
}

impl List {
    /// A list without servers.
    pub(super) const EMPTY: Self = Self {
        groups: Groups::Few(None),
        len: 0,
    };

    /// Makes a list of `len` servers in these groups; `changed` may be empty.
    fn of(
        len: usize,
        before: &[Arc<Group>],
        changed: Arc<Group>,
        after: &[Arc<Group>],
    ) -> Result<Self> {
        let changed = Some(changed).filter(|group| !group.members.is_empty());
        let room = before.len().saturating_add(after.len());
        let room = room.saturating_add(usize::from(changed.is_some()));
        if room < 2 {
            let others = before.first().or(after.first());
            let groups = Groups::Few(changed.or_else(|| others.cloned()));
            return Ok(Self { groups, len });
        }
        let mut list = KVVec::with_capacity(room, GFP_KERNEL)?;
        for part in [before, changed.as_slice(), after] {
            for group in part {
                list.push_within_capacity(group.clone())
                    .map_err(|_full| ENOMEM)?;
            }
        }
        let groups = Groups::Many(Arc::new(list, GFP_KERNEL)?);
        Ok(Self { groups, len })
    }

    /// Returns the groups, the oldest first.
    #[inline]
    pub(super) fn groups(&self) -> &[Arc<Group>] {
        match &self.groups {
            Groups::Few(group) => group.as_slice(),
            Groups::Many(groups) => groups,
        }
    }

    /// Returns the server at a position.
    #[inline]
    pub(super) fn dest(&self, position: Position) -> Option<&Arc<Dest>> {
        let group = self.groups().get(position.group)?;
        group.members.get(position.slot).map(Entry::dest)
    }

    /// Returns how many servers there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the list with one more server.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn with(&self, dest: &Arc<Dest>) -> Result<Self> {
        let open = self
            .groups()
            .last()
            .filter(|last| last.members.len() < CHUNK);
        let last = match open {
            Some(last) => Group::of(
                &last.changes,
                last.members.len().saturating_add(1),
                Iterator::chain(last.dests(), [dest]),
            )?,
            None => Group::of(
                &Arc::new(Changes::new(), GFP_KERNEL)?,
                1,
                [dest].into_iter(),
            )?,
        };
        let kept = self
            .groups()
            .len()
            .saturating_sub(usize::from(open.is_some()));
        let kept = self.groups().get(..kept).unwrap_or_default();
        Self::of(self.len.saturating_add(1), kept, last, &[])
    }

    /// Returns the list without the server at a position.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn without(&self, position: Position) -> Result<Self> {
        let Some(old) = self.groups().get(position.group) else {
            return Err(ENOENT);
        };
        let others = (0..CHUNK).zip(old.dests());
        let rest = others.filter_map(|(slot, dest)| (slot != position.slot).then_some(dest));
        // A small group joins its neighbours if both are small; three such fit into one.
        let small = |index: usize| {
            let group = self.groups().get(index)?;
            let len = group.members.len().saturating_add(old.members.len());
            (len <= CHUNK / 2).then_some(group)
        };
        let next = position.group.saturating_add(1);
        let (older, newer) = (position.group.checked_sub(1).and_then(small), small(next));
        let room = |group: Option<&Arc<Group>>| group.map_or(0, |group| group.members.len());
        let group = Group::of(
            &older.unwrap_or(old).changes,
            room(older)
                .saturating_add(room(Some(old)))
                .saturating_add(room(newer)),
            Iterator::chain(dests_of(older), Iterator::chain(rest, dests_of(newer))),
        )?;
        let first = position.group.saturating_sub(usize::from(older.is_some()));
        let before = self.groups().get(..first).unwrap_or_default();
        let end = next.saturating_add(usize::from(newer.is_some()));
        let after = self.groups().get(end..).unwrap_or_default();
        Self::of(self.len.saturating_sub(1), before, group, after)
    }

    /// Returns the list with nothing remembered of it, for another scheduler.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn forgotten(&self) -> Result<Self> {
        let fresh =
            |group: &Arc<Group>| Group::of(&group.changes, group.members.len(), group.dests());
        let groups = match &self.groups {
            Groups::Few(group) => Groups::Few(group.as_ref().map(fresh).transpose()?),
            Groups::Many(groups) => {
                let mut list = KVVec::with_capacity(groups.len(), GFP_KERNEL)?;
                for group in groups.iter() {
                    list.push_within_capacity(fresh(group)?)
                        .map_err(|_full| ENOMEM)?;
                }
                Groups::Many(Arc::new(list, GFP_KERNEL)?)
            }
        };
        Ok(Self {
            groups,
            len: self.len,
        })
    }

    /// Has its servers tell this list's groups of changes, all of them if a scheduler `counts`.
    ///
    /// # Locking
    ///
    /// Under `control`, right before the list is published in place of `before`.
    pub(super) fn prepare(&self, before: &List, counts: bool) {
        let fresh = self.new_groups(before);
        if counts && self.groups().len() > 1 {
            // A single group was not watched.
            let watched = before.groups().len() > 1;
            let groups = if watched { fresh } else { self.groups() };
            groups.iter().for_each(|group| group.changes.watch());
        }
        for group in fresh {
            // Most of them did so before the change.
            let tells = |dest: &Arc<Dest>| rcu::read(|rcu| dest.tells(&group.changes, rcu));
            if !rcu::read(|rcu| group.dests().all(|dest| dest.tells(&group.changes, rcu))) {
                let rest = group.dests().filter(|dest| !tells(dest));
                rest.for_each(|dest| dest.tell(&group.changes));
            }
        }
    }

    /// Returns the groups that are not in the list `before`: one change makes them neighbours.
    fn new_groups(&self, before: &List) -> &[Arc<Group>] {
        let (groups, old) = (self.groups(), before.groups());
        let same = |(group, old): &(&Arc<Group>, &Arc<Group>)| group.ptr_eq(old);
        let begin = groups.iter().zip(old).take_while(same).count();
        let kept = groups.iter().rev().zip(old.iter().rev());
        let end = groups.len().saturating_sub(kept.take_while(same).count());
        groups.get(begin..end).unwrap_or_default()
    }

    /// Ends counting what no scheduler needs.
    pub(super) fn unwatch(&self) {
        self.groups()
            .iter()
            .for_each(|group| group.changes.unwatch());
    }

    /// Returns where a server of the list `before` is in this one; if it is gone, where the next
    /// newer one is; `None` if there is none.
    pub(super) fn moved(&self, before: &List, position: Position) -> Option<Position> {
        let old = before.groups().get(position.group)?;
        let serial = old.members.get(position.slot)?.dest().serial();
        let position = self.from(serial);
        self.dest(position).map(|_| position)
    }

    /// Returns where a server with this serial is, or the next newer one.
    pub(super) fn from(&self, serial: u64) -> Position {
        let group = grow::prefix(self.groups(), |group| last_serial(group) < serial);
        let members = self
            .groups()
            .get(group)
            .map_or(&[][..], |group| group.members());
        let slot = grow::prefix(members, |entry| entry.dest().serial() < serial);
        Position { group, slot }
    }

    /// Returns the newest server below a serial.
    pub(super) fn below(&self, serial: u64) -> Option<&Arc<Dest>> {
        let first = |group: &Arc<Group>| group.members.first().map_or(0, |entry| entry.0.serial());
        let group = grow::prefix(self.groups(), |group| first(group) < serial);
        let members = self.groups().get(group.checked_sub(1)?)?.members();
        let end = grow::prefix(members, |entry| entry.dest().serial() < serial);
        members.get(end.checked_sub(1)?).map(Entry::dest)
    }

    /// Lists the servers, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Dest>> {
        self.groups().iter().flat_map(|group| group.dests())
    }
}

fn dests_of(group: Option<&Arc<Group>>) -> impl Iterator<Item = &Arc<Dest>> {
    group.into_iter().flat_map(|group| group.dests())
}

fn last_serial(group: &Arc<Group>) -> u64 {
    group
        .members
        .last()
        .map_or(0, |entry| entry.dest().serial())
}
