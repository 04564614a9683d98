// SPDX-License-Identifier: GPL-2.0
//! SCTP headers and the chunks behind them (RFC 9260).
//!
//! The checksum is a CRC32c of the whole packet and covers no address: where only addresses change it
//! stays right, and where a port changes all of it is made anew.

use super::checksum::Field;
use super::{Header, Side};

/// The header before the chunks, in bytes.
pub const HEADER: usize = 12;
/// Where the checksum is.
const CHECKSUM: usize = 8;
/// The header of a chunk, in bytes.
pub const CHUNK: usize = 4;
/// [`HEADER`] and [`CHUNK`] as the types of offsets and lengths in chunks.
const FIRST: (u16, u16) = (12, 4);

/// What the first chunk of a packet says, together with the one behind a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Nothing: there is none, or not all of its header.
    Missing,
    /// Data, or something that is not about the association.
    Data,
    /// The client, or the server, opens an association.
    Init,
    /// The other end would take it, and sends a cookie.
    InitAck,
    /// The association is over.
    Abort,
    /// The sender has no more data.
    Shutdown,
    /// The other end has none either.
    ShutdownAck,
    /// Something was wrong.
    Error,
    /// The cookie comes back.
    CookieEcho,
    /// It was the right one.
    CookieAck,
    /// Both ends have closed.
    ShutdownComplete,
    /// A cookie, sent back or acknowledged, with an abort behind it.
    CookieAbort,
}

impl Chunk {
    /// Returns what a chunk of a type says by itself.
    const fn of(kind: u8) -> Chunk {
        match kind {
            1 => Chunk::Init,
            2 => Chunk::InitAck,
            6 => Chunk::Abort,
            7 => Chunk::Shutdown,
            8 => Chunk::ShutdownAck,
            9 => Chunk::Error,
            10 => Chunk::CookieEcho,
            11 => Chunk::CookieAck,
            14 => Chunk::ShutdownComplete,
            _ => Chunk::Data,
        }
    }

    /// Returns what it says with another chunk behind it, whose header is `next`.
    const fn with_next(self, next: &[u8; CHUNK]) -> Chunk {
        let [kind, ..] = *next;
        match (self, Chunk::of(kind)) {
            (Chunk::CookieEcho | Chunk::CookieAck, Chunk::Abort) => Chunk::CookieAbort,
            _ => self,
        }
    }

    /// Returns whether the chunk behind it has a say as well.
    const fn is_cookie(self) -> bool {
        matches!(self, Chunk::CookieEcho | Chunk::CookieAck)
    }
}

/// What was read of the chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// What they say.
    pub said: Chunk,
    /// Where a chunk begins that has a say and was not among the bytes that were read, in bytes after
    /// the transport header's beginning; 0 if there is none.
    unread: u16,
}

impl Chunks {
    /// Returns those that say something and are all read.
    pub const fn new(said: Chunk) -> Chunks {
        Chunks { said, unread: 0 }
    }

    /// Returns whether there is any.
    pub const fn are_there(self) -> bool {
        !matches!(self.said, Chunk::Missing)
    }

    /// Returns where the header of a chunk has still to be read, in bytes after the transport header's
    /// beginning.
    pub(super) const fn unread(self) -> Option<u16> {
        match self.unread {
            0 => None,
            place => Some(place),
        }
    }

    /// Returns them with the header that was still to be read.
    pub(super) const fn with_unread(self, next: &[u8; CHUNK]) -> Chunks {
        Chunks::new(self.said.with_next(next))
    }
}

/// Reads a header and the chunks behind it.
pub(super) fn read(transport: &[u8]) -> Header {
    match transport.get(HEADER..) {
        Some(chunks) => Header::Sctp(read_chunks(transport, chunks)),
        None => Header::Missing,
    }
}

fn read_chunks(transport: &[u8], chunks: &[u8]) -> Chunks {
    let Some([kind, _, high, low]) = chunks.first_chunk::<CHUNK>() else {
        return Chunks::new(Chunk::Missing);
    };
    let first = Chunk::of(*kind);
    let place = next_place(u16::from_be_bytes([*high, *low]));
    let (true, Some(place)) = (first.is_cookie(), place) else {
        return Chunks::new(first);
    };
    let next = transport.get(usize::from(place)..);
    match next.and_then(|next| next.first_chunk()) {
        Some(next) => Chunks::new(first.with_next(next)),
        None => Chunks {
            said: first,
            unread: place,
        },
    }
}

/// Returns where the second chunk begins if the first one is so long, in bytes after the transport
/// header's beginning; `None` if no chunk is so short, or no packet so long.
const fn next_place(length: u16) -> Option<u16> {
    let (first, shortest) = FIRST;
    match length.checked_next_multiple_of(4) {
        Some(padded) if length >= shortest => padded.checked_add(first),
        Some(_) | None => None,
    }
}

/// What decides whether the checksum of a packet is made anew here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// Which end was replaced.
    pub side: Side,
    /// Whether its port is another one now.
    pub changed: bool,
    /// What is in the field.
    pub field: Field,
}

/// What becomes of the checksum of a rewritten packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It is left as it is: good, or to be made later.
    Keep,
    /// It is left as it is, and counts as good.
    Trust,
    /// It is made anew.
    Renew,
}

impl Sealing {
    /// Decides it as C does.
    ///
    /// `is_many` tells whether the packet becomes many on the wire, each of which gets a checksum then;
    /// `makes_crc` whether the device that it leaves by makes checksums by CRC32c.
    pub fn decide(self, is_many: bool, makes_crc: bool) -> Seal {
        let renews = match (self.field, self.side) {
            (Field::Whole, Side::Source | Side::Dest) => self.changed,
            (Field::Partial, Side::Source) => true,
            (Field::Partial, Side::Dest) => self.changed || !makes_crc,
        };
        match (renews, self.field) {
            (true, Field::Whole | Field::Partial) if is_many => Seal::Keep,
            (true, Field::Whole | Field::Partial) => Seal::Renew,
            (false, Field::Partial) => Seal::Keep,
            (false, Field::Whole) => Seal::Trust,
        }
    }
}

/// Stores a checksum. `None` if the header is too short.
pub(super) fn store_checksum(transport: &mut [u8], crc: u32) -> Option<()> {
    let place = transport.get_mut(CHECKSUM..)?.first_chunk_mut()?;
    // The one field of a packet whose lowest byte comes first (RFC 9260, appendix A).
    *place = crc.to_le_bytes();
    Some(())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet_sctp))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    /// A header, a chunk of a type that says to be so long, and the bytes of another behind it.
    fn packet(kind: u8, length: u16, next: [u8; 8]) -> [u8; 24] {
        let mut bytes = [0; 24];
        let [high, low] = length.to_be_bytes();
        bytes[12..16].copy_from_slice(&[kind, 0, high, low]);
        bytes[16..].copy_from_slice(&next);
        bytes
    }

    const ABORT: [u8; 8] = [6, 0, 0, 4, 6, 0, 0, 4];

    fn said(bytes: &[u8]) -> Option<Chunk> {
        match read(bytes) {
            Header::Sctp(chunks) => Some(chunks.said),
            Header::Tcp(_) | Header::Udp { .. } | Header::Icmp { .. } => None,
            Header::Missing | Header::Other => None,
        }
    }

    #[test]
    fn types_that_say_nothing_are_data() {
        let data = (0..=u8::MAX).filter(|kind| Chunk::of(*kind) == Chunk::Data);
        assert_eq!(data.count(), 256 - 9);
        assert_eq!(said(&packet(1, 20, ABORT)), Some(Chunk::Init));
        assert_eq!(said(&packet(14, 4, ABORT)), Some(Chunk::ShutdownComplete));
    }

    #[test]
    fn what_is_cut_off_says_nothing() {
        let bytes = packet(1, 4, ABORT);
        for len in 0..bytes.len() {
            let expected = match len {
                ..12 => None,
                12..16 => Some(Chunk::Missing),
                16.. => Some(Chunk::Init),
            };
            assert_eq!(said(&bytes[..len]), expected);
        }
    }

    #[test]
    fn abort_behind_a_cookie_counts() {
        for kind in [10, 11] {
            for length in [4, 5, 8] {
                let bytes = packet(kind, length, ABORT);
                assert_eq!(said(&bytes), Some(Chunk::CookieAbort));
            }
            assert_eq!(said(&packet(kind, 4, [0; 8])), Some(Chunk::of(kind)));
            // Shorter than its own header, it has no end.
            for length in 0..4 {
                assert_eq!(said(&packet(kind, length, ABORT)), Some(Chunk::of(kind)));
            }
        }
        assert_eq!(said(&packet(0, 4, ABORT)), Some(Chunk::Data));
    }

    #[test]
    fn chunk_that_was_not_there_is_read_later() {
        let bytes = packet(10, 5, ABORT);
        for len in 16..24 {
            let Header::Sctp(chunks) = read(&bytes[..len]) else {
                return assert!(false);
            };
            assert_eq!(
                (chunks.said, chunks.unread()),
                (Chunk::CookieEcho, Some(20))
            );
            let whole = chunks.with_unread(&[6, 0, 0, 4]);
            assert_eq!(Header::Sctp(whole), read(&bytes));
        }
        for length in [65521, 65533, 65535] {
            let bytes = packet(10, length, ABORT);
            assert_eq!(read(&bytes), Header::Sctp(Chunks::new(Chunk::CookieEcho)));
        }
    }

    #[test]
    fn checksum_is_renewed_where_a_port_changed_or_nothing_else_makes_it() {
        let decide = |side, changed, field, device: bool| {
            let sealing = Sealing {
                side,
                changed,
                field,
            };
            (sealing.decide(false, device), sealing.decide(true, device))
        };
        let made = (Seal::Renew, Seal::Keep);
        for device in [false, true] {
            for field in [Field::Whole, Field::Partial] {
                assert_eq!(decide(Side::Dest, true, field, device), made);
                assert_eq!(decide(Side::Source, true, field, device), made);
            }
            assert_eq!(decide(Side::Source, false, Field::Partial, device), made);
            for side in [Side::Source, Side::Dest] {
                let trusted = decide(side, false, Field::Whole, device);
                assert_eq!(trusted, (Seal::Trust, Seal::Trust));
            }
        }
        assert_eq!(decide(Side::Dest, false, Field::Partial, false), made);
        let left = decide(Side::Dest, false, Field::Partial, true);
        assert_eq!(left, (Seal::Keep, Seal::Keep));
    }
}
