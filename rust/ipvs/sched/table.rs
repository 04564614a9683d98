// SPDX-License-Identifier: GPL-2.0
//! The tables of the hashing schedulers: how they are filled, and the server in a slot.
//!
//! A slot names a server by how far its number is from the end of the last chunk, so that 16 bits
//! are enough for the newest thousands, however many there are.

use super::permutation::{Permutation, NO_SERVER};
use super::view::{accepts_new, number_of};
use super::{Change, Options, Server, Servers};
use core::ops::ControlFlow;

/// The table of a scheduler.
pub struct TableSpec {
    /// How many slots it has.
    pub slots: usize,
    /// Returns whether a change of the set of servers makes another table.
    pub is_refilled_by: fn(Change) -> bool,
    /// How servers get slots.
    pub(super) filling: Filling,
}

/// How servers get the slots of a table.
pub(super) enum Filling {
    /// They take one in turn, the newest first, and round again, as far as there are slots.
    InTurn,
    /// They take as many in a row as they have weight, at least one, and else do the same.
    InTurnByWeight,
    /// A function gives the slots, all of them free, to candidates, the newest first. There must be
    /// a slot for every server.
    Choose(fn(&mut [Candidate], &mut [u16])),
}

/// There are more servers than slots, in a table that must have one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyServers;

impl TableSpec {
    /// Returns for how many candidates [`TableSpec::fill`] needs room.
    ///
    /// # Errors
    ///
    /// [`TooManyServers`].
    pub fn candidates(&self, servers: usize) -> Result<usize, TooManyServers> {
        match self.filling {
            Filling::InTurn | Filling::InTurnByWeight => Ok(0),
            Filling::Choose(_) if servers > self.slots => Err(TooManyServers),
            Filling::Choose(_) => Ok(servers),
        }
    }

    /// Fills `slots`, as many as the table has and all of them free.
    ///
    /// `room` is for as many as [`TableSpec::candidates`] says.
    pub fn fill(&self, servers: &impl Servers, room: &mut [Candidate], slots: &mut [u16]) {
        match self.filling {
            Filling::InTurn => take_turns(servers, slots, |_| 1),
            Filling::InTurnByWeight => take_turns(servers, slots, |server| server.weight().max(1)),
            Filling::Choose(choose) => choose(Candidate::collect(servers, room), slots),
        }
    }
}

/// A server that asks for slots.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub(super) last_weight: u32,
    /// What names it in a slot.
    pub(super) name: u16,
    pub(super) permutation: Permutation,
    /// How many slots it takes in each round.
    pub(super) turns: u8,
}

impl Candidate {
    /// No server, as room for one.
    pub const NONE: Self = Self {
        last_weight: 0,
        name: NO_SERVER,
        permutation: Permutation::FIRST,
        turns: 0,
    };

    /// Makes the newest servers candidates, as many as there is room for.
    fn collect<'a>(servers: &impl Servers, room: &'a mut [Self]) -> &'a mut [Self] {
        let mut count = 0_usize;
        let mut rest = room.iter_mut();
        let _ = visit_newest(servers, |name, server| {
            let Some(candidate) = rest.next() else {
                return ControlFlow::Break(());
            };
            *candidate = Self {
                last_weight: server.last_weight(),
                name,
                permutation: server.permutation(),
                turns: 0,
            };
            count = count.wrapping_add(1);
            ControlFlow::Continue(())
        });
        room.get_mut(..count).unwrap_or_default()
    }
}

/// Shows servers to `visit` with what names them in a slot, the newest first, until that breaks off
/// or there is no name for more.
fn visit_newest<S: Servers>(
    servers: &S,
    mut visit: impl FnMut(u16, &S::Server) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let chunks = servers.chunks();
    for chunk in (0..chunks).rev() {
        let members = servers.chunk(chunk);
        let end = u16::try_from(number_of(chunks.wrapping_sub(chunk), 0));
        let (Ok(end), Ok(count)) = (end, u16::try_from(members.len())) else {
            return ControlFlow::Break(());
        };
        let mut name = end.saturating_sub(count);
        for server in members.iter().rev() {
            name = name.wrapping_add(1);
            visit(name, server)?;
        }
    }
    ControlFlow::Continue(())
}

/// Gives each server as many slots in a row as `times` says, the newest first, and round again.
fn take_turns<S: Servers>(servers: &S, slots: &mut [u16], times: impl Fn(&S::Server) -> u32) {
    let (mut rest, mut left) = (slots.iter_mut(), usize::MAX);
    // A round in which no slot is taken is the last one.
    while rest.len() < left {
        left = rest.len();
        let _ = visit_newest(servers, |name, server| {
            for _ in 0..times(server) {
                *rest
                    .next()
                    .map_or(ControlFlow::Break(()), ControlFlow::Continue)? = name;
            }
            ControlFlow::Continue(())
        });
    }
}

/// Returns the number of the server that a slot of the table names.
pub(super) fn server_in(servers: &impl Servers, slot: usize) -> Option<usize> {
    let name = *servers.table().get(slot)?;
    let end = number_of(servers.chunks(), 0);
    (name != NO_SERVER).then(|| end.wrapping_sub(usize::from(name)))
}

/// Returns the number of the server that a slot names, if it takes connections.
pub(super) fn accepting_in(servers: &impl Servers, slot: usize) -> Option<usize> {
    let number = server_in(servers, slot)?;
    takes(servers, number).then_some(number)
}

/// Picks the server of the first slot; with the fallback, of the first of the others whose server
/// takes connections. The search ends at a slot without a server.
pub(super) fn search(
    servers: &impl Servers,
    first: usize,
    options: Options,
    mut others: impl Iterator<Item = usize>,
) -> Option<usize> {
    let number = server_in(servers, first)?;
    if takes(servers, number) {
        return Some(number);
    }
    if !options.fallback {
        return None;
    }
    loop {
        let number = server_in(servers, others.next()?)?;
        if takes(servers, number) {
            return Some(number);
        }
    }
}

fn takes(servers: &impl Servers, number: usize) -> bool {
    servers.server(number).is_some_and(accepts_new)
}
