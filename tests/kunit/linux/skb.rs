// SPDX-License-Identifier: GPL-2.0
//! Bytes and checksums of packets in a live kernel.

#[kernel::prelude::kunit_tests(rvs_linux_skb)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_left_where_its_field_is_linear() -> Result {
        let left = |linear, place: (u16, u16)| {
            with(PACKET, linear, move |skb| {
                let was_left = skb.leave_sum(place.0, place.1);
                (was_left, skb.summed(), skb.left_checksum())
            })
        };
        let left_there = (true, Summed::Partial, Some((20, 6)));
        assert_eq!(left(PACKET.len(), (20, 6))?, left_there);
        assert_eq!(left(28, (20, 6))?, left_there);
        let not_left = (false, Summed::None, None);
        assert_eq!(left(27, (20, 6))?, not_left);
        assert_eq!(left(PACKET.len(), (20, 30))?, not_left);
        assert_eq!(left(PACKET.len(), (u16::MAX, u16::MAX))?, not_left);
        Ok(())
    }

    #[test]
    fn complete_sum_is_forgotten_and_no_other() -> Result {
        let after = |before: fn(&mut Skb<'_>)| {
            with(PACKET, 20, move |skb| {
                before(skb);
                skb.forget_sum();
                skb.summed()
            })
        };
        assert_eq!(after(|_| ())?, Summed::None);
        assert_eq!(after(|skb| skb.set_sum_good())?, Summed::Unnecessary);
        let complete = Crafted::new(PACKET, 20)?.with_complete_sum(1);
        let (before, after) = on(complete, |skb| {
            let before = skb.summed();
            skb.forget_sum();
            (before, skb.summed())
        })?;
        assert_eq!((before, after), (Summed::Complete, Summed::None));
        Ok(())
    }

    #[test]
    fn a_complete_sum_does_not_make_a_packet_good() -> Result {
        let known = |sum| {
            let crafted = Crafted::new(PACKET, 20)?.with_complete_sum(sum);
            on(crafted, |skb| skb.is_sum_known_good())
        };
        assert!(!known(0)?);
        assert!(!known(u32::MAX)?);
        assert!(with(PACKET, 20, |skb| {
            skb.set_sum_good();
            skb.is_sum_known_good()
        })?);
        Ok(())
    }

    #[test]
    fn bytes_in_pages_are_read_summed_and_made_ours() -> Result {
        for linear in [1, 20, 28, PACKET.len()] {
            let (sum, copied, ours) = with(PACKET, linear, |skb| {
                let sum = skb.sum(20, 0);
                let mut copied = [0; 4];
                let is_there = skb.copy(28, &mut copied) && !skb.copy(29, &mut [0; 4]);
                let ours = skb.writable(PACKET.len()).map(|bytes| {
                    let same = bytes == PACKET;
                    bytes.fill(0);
                    same
                });
                let is_ours = ours == Ok(true) && skb.head().iter().all(|byte| *byte == 0);
                (sum, is_there.then_some(copied), is_ours)
            })?;
            assert_eq!(copied, Some(*b"data"));
            let whole = with(PACKET, PACKET.len(), |skb| skb.sum(20, 0))?;
            assert_eq!(folded(sum), folded(whole));
            assert!(ours);
        }
        let too_long = with(PACKET, 20, |skb| skb.writable(PACKET.len() + 1).is_err());
        assert!(too_long?);
        Ok(())
    }

    #[test]
    fn what_is_sent_has_no_complete_sum() -> Result {
        let crafted = Crafted::new(PACKET, 20)?.with_complete_sum(1);
        let caught = catch(|| {
            let at = (Family::V4, Point::LocalIn);
            let sent = crafted.pass(at, |skb, rcu| match here(Family::V4, rcu) {
                Some(route) => (skb.send(route).unwrap_or_else(|verdict| verdict), true),
                None => (skb.discard(), false),
            })?;
            assert!(matches!(sent, (None, true)));
            Ok(())
        })?;
        assert_eq!((caught.summed, caught.left), (Summed::None, None));
        assert_eq!(caught.bytes(), PACKET);
        Ok(())
    }
}

use super::caught::{catch, here, on, PACKET};
use crate::crafted::Crafted;
use crate::inet::{Family, Point};
use crate::skb::{Skb, Summed};
use kernel::prelude::*;

/// Does something with a packet of bytes in a hook.
fn with<R>(bytes: &[u8], linear: usize, what: impl FnOnce(&mut Skb<'_>) -> R) -> Result<R> {
    on(Crafted::new(bytes, linear)?, what)
}

/// Returns a sum in 16 bits.
fn folded(sum: u32) -> u32 {
    let once = (sum & 0xffff) + (sum >> 16);
    (once & 0xffff) + (once >> 16)
}
