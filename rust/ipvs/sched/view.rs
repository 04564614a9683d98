// SPDX-License-Identifier: GPL-2.0
//! What a scheduler sees of a service: its servers, cells of state and a table.
//!
//! Servers are kept in the order of their addition, in chunks of at most [`CHUNK`]. Users see the
//! newest first, and every tie and every round of C follows that order: here it is "from the end".
//! What a scheduler has to know of a chunk is an [`Aggregate`], which the view keeps until one of
//! the chunk's servers changes: a decision looks at few servers, however many there are.

use super::permutation::Permutation;
use core::num::NonZeroU32;

/// The most servers that a chunk holds.
pub const CHUNK: usize = 32;

/// A 64-bit value that CPUs advance without a lock.
pub trait Cell {
    /// Returns the present value.
    fn load(&self) -> u64;

    /// Replaces `present` by `next`.
    ///
    /// # Errors
    ///
    /// Returns the value found when it was not `present`; nothing is changed then.
    fn exchange(&self, present: u64, next: u64) -> Result<(), u64>;
}

/// Without other CPUs a plain cell will do.
impl Cell for core::cell::Cell<u64> {
    fn load(&self) -> u64 {
        self.get()
    }

    fn exchange(&self, present: u64, next: u64) -> Result<(), u64> {
        let found = self.get();
        if found != present {
            return Err(found);
        }
        self.set(next);
        Ok(())
    }
}

/// What schedulers ask of a server.
pub trait Server {
    /// Returns its share; 0 takes no new connection.
    fn weight(&self) -> u32;

    /// Returns the share it had when it was not 0 last; 0 if it always was.
    fn last_weight(&self) -> u32;

    /// Returns how many of its connections are active.
    fn active(&self) -> u32;

    /// Returns how many connections it has, templates not counted.
    fn total(&self) -> u32;

    /// Returns whether its thresholds keep new connections off.
    fn is_overloaded(&self) -> bool;

    /// Returns whether it still is in the list of its service.
    fn is_linked(&self) -> bool;

    /// Returns the order in which it asks for the slots of a Maglev table.
    fn permutation(&self) -> Permutation;
}

/// What a scheduler computed from all servers of a chunk; the meaning of the words is its own.
pub type Aggregate = [u64; 2];

/// The servers of one service as a scheduler sees them: chunks in the order of addition.
///
/// A server's number is its chunk's times [`CHUNK`] plus its place in it.
pub trait Servers {
    /// What a cell of state is made of.
    type Cell: Cell;
    /// What a server is.
    type Server: Server;

    /// Returns how many chunks there are.
    fn chunks(&self) -> usize;

    /// Returns the servers of a chunk in the order of addition; none for a chunk that is not there.
    fn chunk(&self, chunk: usize) -> &[Self::Server];

    /// Returns what `compute` says of a chunk, or said of it when none of its servers had changed.
    ///
    /// A scheduler always asks with the same `compute`.
    fn aggregate(&self, chunk: usize, compute: impl Fn(&[Self::Server]) -> Aggregate) -> Aggregate;

    /// Returns a cell of state; there are [`CELLS`](super::CELLS) of them.
    fn cell(&self, number: usize) -> Option<&Self::Cell>;

    /// Returns the table that [`TableSpec::fill`](super::TableSpec::fill) made of these servers.
    fn table(&self) -> &[u16];

    /// Returns a random number from 0 to `last` that cannot be predicted.
    fn random(&self, last: u64) -> u64;

    /// Returns a server by its number.
    fn server(&self, number: usize) -> Option<&Self::Server> {
        self.chunk(number / CHUNK).get(number % CHUNK)
    }
}

/// What all weights of a set of servers have in common.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    /// Their greatest common divisor; 1 if all are zero.
    pub(super) divisor: NonZeroU32,
    /// The greatest; 0 without servers.
    pub(super) greatest: u32,
}

impl Weights {
    /// Reads the weights of a set.
    pub(super) fn of(servers: &impl Servers) -> Self {
        let chunks = (0..servers.chunks()).rev();
        let all = chunks.flat_map(|chunk| servers.chunk(chunk).iter().rev());
        Self::among(all.map(Server::weight))
    }

    /// Reads weights.
    pub(super) fn among(weights: impl Iterator<Item = u32>) -> Self {
        let (mut divisor, mut greatest) = (0, 0);
        for weight in weights {
            if divisor != 1 {
                divisor = greatest_common_divisor(weight, divisor);
            }
            greatest = weight.max(greatest);
        }
        Self {
            divisor: NonZeroU32::new(divisor).unwrap_or(NonZeroU32::MIN),
            greatest,
        }
    }
}

/// The greatest number that divides both; one of 0 and x is x.
fn greatest_common_divisor(first: u32, second: u32) -> u32 {
    let (mut high, mut low) = (first, second);
    while let Some(rest) = high.checked_rem(low) {
        (high, low) = (low, rest);
    }
    high
}

/// Returns whether a server takes new connections.
pub(super) fn accepts_new(server: &impl Server) -> bool {
    server.weight() != 0 && !server.is_overloaded()
}

/// Returns the load of a server that least-connection schedulers compare: an active connection
/// weighs as much as 257 inactive ones.
pub(super) fn load(server: &impl Server) -> u64 {
    // C computes this in 32 bits and overflows beyond eight million active connections.
    u64::from(server.active())
        .wrapping_mul(256)
        .wrapping_add(u64::from(server.total()))
}

/// The number of the server at a place of a chunk.
pub(super) fn number_of(chunk: usize, place: usize) -> usize {
    chunk.wrapping_mul(CHUNK).wrapping_add(place)
}

/// Widens a number of a server; `usize` has 32 bits or more.
pub(super) fn to_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
