// SPDX-License-Identifier: GPL-2.0
//! TCP headers (RFC 9293).

use super::checksum::{Change, Field, Update};
use super::Header;

/// The shortest header, in bytes.
pub const HEADER: usize = 20;
/// Where the checksum is.
const CHECKSUM: usize = 16;

/// The flags byte of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender has no more data.
    pub const FIN: Flags = Flags(0x01);
    /// Opens a connection.
    pub const SYN: Flags = Flags(0x02);
    /// Resets the connection.
    pub const RST: Flags = Flags(0x04);
    /// Acknowledges.
    pub const ACK: Flags = Flags(0x10);

    /// Returns whether all of `flags` are set.
    #[inline]
    pub const fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// Reads a header.
#[inline]
pub(super) fn read(transport: &[u8]) -> Header {
    match transport.first_chunk::<HEADER>() {
        Some([.., flags, _, _, _, _, _, _]) => Header::Tcp(Flags(*flags)),
        None => Header::Missing,
    }
}

/// Makes up in the checksum for a change of addresses and ports; a wrong one stays wrong. `None` if
/// the header is too short.
#[inline(always)]
pub(super) fn update_checksum(
    transport: &mut [u8],
    field: Field,
    change: Change,
) -> Option<Update> {
    let place = transport.get_mut(CHECKSUM..)?.first_chunk_mut()?;
    *place = change.applied(*place, field);
    Some(Update::Done)
}
