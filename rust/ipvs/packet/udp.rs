// SPDX-License-Identifier: GPL-2.0
//! UDP headers (RFC 768).

use super::checksum::{Change, Field, Sum, Update};
use super::Header;

/// The header, in bytes.
pub const HEADER: usize = 8;
/// Where the checksum is; zero if there is none.
const CHECKSUM: usize = 6;

/// Reads a header.
#[inline]
pub(super) fn read(transport: &[u8]) -> Header {
    match transport.first_chunk::<HEADER>() {
        Some([.., high, low]) => Header::Udp {
            summed: [*high, *low] != [0, 0],
        },
        None => Header::Missing,
    }
}

/// Makes up in the checksum for a change of addresses and ports; a wrong one stays wrong.
///
/// A packet without checksum gets one, as with C: see [`Update::Missing`]. `None` if the header is
/// too short.
#[inline(always)]
pub(super) fn update_checksum(
    transport: &mut [u8],
    field: Field,
    change: Change,
    summed: bool,
) -> Option<Update> {
    let place = place(transport)?;
    match field {
        Field::Partial => *place = change.applied(*place, field),
        Field::Whole if summed => *place = never_zero(change.applied(*place, field)),
        Field::Whole => return Some(Update::Missing),
    }
    Some(Update::Done)
}

/// Stores the checksum for the sum of the header, what follows it and the pseudo header. `None` if
/// the header is too short.
pub(super) fn store_checksum(transport: &mut [u8], sum: Sum) -> Option<()> {
    *place(transport)? = never_zero(sum.checksum());
    Some(())
}

#[inline]
fn place(transport: &mut [u8]) -> Option<&mut [u8; 2]> {
    transport.get_mut(CHECKSUM..)?.first_chunk_mut()
}

/// Returns the field, where zero means that there is no checksum.
#[inline]
pub const fn never_zero(field: [u8; 2]) -> [u8; 2] {
    match field {
        [0, 0] => [0xff, 0xff],
        other => other,
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_packet_udp))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn zero_is_never_sent() {
        assert_eq!(never_zero([0, 0]), [0xff, 0xff]);
        assert_eq!(never_zero([0, 1]), [0, 1]);
    }
}
