// SPDX-License-Identifier: GPL-2.0
//! VS/DR: the packet goes to the real server's link layer address; only the TTL changes.

use crate::checksum::{replaced, Sum};

/// The word of which the TTL is the first half, when that is one.
const HOP: Sum = Sum::ZERO.word([1, 0]);

/// Takes one from the TTL of an IPv4 header and makes up for it in the checksum.
///
/// `None` if the header is too short or the TTL is used up; nothing changed then.
#[inline]
pub fn decrement_ttl(header: &mut [u8]) -> Option<()> {
    let [_, _, _, _, _, _, _, _, ttl, protocol, high, low] = header.first_chunk_mut::<12>()?;
    // Both at once, as who makes the checksum anew reads them: see [`Addr`](crate::addr::Addr).
    let word = u16::from_be_bytes([*ttl, *protocol]).checked_sub(0x100)?;
    [*ttl, *protocol] = word.to_be_bytes();
    [*high, *low] = replaced([*high, *low], HOP, Sum::ZERO);
    Some(())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_xmit_direct))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::xmit::renew_header_checksum;

    #[test]
    fn the_header_still_verifies_after_every_step() {
        let mut header = HEADER;
        assert_eq!(renew_header_checksum(&mut header), Some(()));
        for left in (0..255).rev() {
            assert_eq!(decrement_ttl(&mut header), Some(()));
            assert_eq!(header[8], left);
            assert_eq!(Sum::ZERO.bytes(&header).fold(), 0xffff);
        }
        assert_eq!(decrement_ttl(&mut header), None);
        assert_eq!(header[8], 0);
    }

    const HEADER: [u8; 20] = [
        0x45, 0, 0, 20, 1, 2, 0, 0, 255, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
}
