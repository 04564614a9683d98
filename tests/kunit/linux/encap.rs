// SPDX-License-Identifier: GPL-2.0
//! Packets that go into others, in a live kernel.

#[kernel::prelude::kunit_tests(rvs_linux_encap)]
mod tests {
    use super::*;

    #[test]
    fn packet_goes_behind_the_headers() -> Result {
        for outer in [V4_OUTER, V6_OUTER] {
            let caught = through(crafted()?, outer)?;
            assert_eq!((caught.summed, caught.left), (Summed::None, None));
            assert_outer(&caught, &outer);
        }
        Ok(())
    }

    #[test]
    fn complete_sum_is_forgotten_right_or_wrong() -> Result {
        let right = on(crafted()?, |skb| skb.sum(0, 0))?;
        for outer in [V4_OUTER, V6_OUTER] {
            for sum in [right, !right] {
                let caught = through(crafted()?.with_complete_sum(sum), outer)?;
                assert_eq!((caught.summed, caught.left), (Summed::None, None));
                assert_outer(&caught, &outer);
            }
        }
        Ok(())
    }

    #[test]
    fn outer_checksum_is_left_to_the_hardware() -> Result {
        for outer in [V4_OUTER, V6_OUTER] {
            let outer = Headers {
                left: Left::Outer(6),
                ..outer
            };
            for crafted in [crafted()?, crafted()?.with_complete_sum(1)] {
                let caught = through(crafted, outer)?;
                let start = outer.bytes.len() as u16;
                assert_eq!(caught.left, Some((start, 6)));
                assert_outer(&caught, &outer);
            }
        }
        Ok(())
    }

    #[test]
    fn inner_checksum_stays_left_to_the_hardware() -> Result {
        for outer in [V4_OUTER, V6_OUTER] {
            let caught = sent(crafted()?, outer, |skb| skb.leave_sum(20, 6))?;
            let start = outer.bytes.len() as u16 + 20;
            assert_eq!(caught.left, Some((start, 6)));
            assert_outer(&caught, &outer);
        }
        Ok(())
    }

    #[test]
    fn headers_that_are_none_are_refused() -> Result {
        let refused = [
            Headers {
                bytes: &[],
                ..V4_OUTER
            },
            Headers {
                bytes: &[0x45; 19],
                ..V4_OUTER
            },
            Headers {
                bytes: V6_OUTER.bytes,
                ..V4_OUTER
            },
            Headers {
                bytes: V4_OUTER.bytes,
                ..V6_OUTER
            },
            Headers {
                bytes: &[0x46; 24],
                ..V4_OUTER
            },
            Headers {
                bytes: &[0x45; 4000],
                ..V4_OUTER
            },
        ];
        for headers in refused {
            let at = (Family::V4, Point::LocalIn);
            let passed = crafted()?.pass(at, |skb, rcu| try_to_wrap(skb, &headers, rcu));
            assert!(!passed?.1);
        }
        Ok(())
    }

    #[test]
    fn room_is_made_for_what_the_device_needs_too() -> Result {
        let at = (Family::V4, Point::LocalIn);
        let passed = crafted()?.pass(at, |mut skb, rcu| {
            let made = here(Family::V4, rcu).map(|route| skb.make_room_for(2000, &route).is_ok());
            let headers = Headers {
                bytes: &[0x45; 2000],
                ..V4_OUTER
            };
            let (verdict, is_wrapped) = try_to_wrap(skb, &headers, rcu);
            (verdict, is_wrapped && made == Some(true))
        });
        assert!(passed?.1);
        Ok(())
    }
}

use super::caught::{catch, here, on, Caught, PACKET};
use crate::crafted::Crafted;
use crate::encap::{Between, Headers, Inner, Left};
use crate::inet::{Family, Point};
use crate::rcu::Reader;
use crate::skb::{Skb, Summed, Verdict};
use kernel::prelude::*;

/// IPv4 from 127.0.0.1 to itself; what output fills in is zero.
const V4_OUTER: Headers<'static> = Headers {
    bytes: &[
        0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
    ],
    family: Family::V4,
    between: Between::Nothing,
    inner: Inner::Protocol(4),
    left: Left::Inner,
};

/// IPv6 from ::1 to itself; what output fills in is zero.
const V6_OUTER: Headers<'static> = Headers {
    bytes: &[
        0x60, 0, 0, 0, 0, 0, 4, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    ],
    family: Family::V6,
    between: Between::Nothing,
    inner: Inner::Protocol(4),
    left: Left::Inner,
};

/// Makes a packet, half of it in a page.
fn crafted() -> Result<Crafted> {
    Crafted::new(PACKET, 28)
}

/// Sends a packet inside another one to this host, and catches that.
fn through(crafted: Crafted, outer: Headers<'_>) -> Result<Caught> {
    sent(crafted, outer, |_skb| true)
}

/// The same after something was done to the packet, which tells whether it could be.
fn sent(
    crafted: Crafted,
    outer: Headers<'_>,
    prepare: impl FnOnce(&mut Skb<'_>) -> bool,
) -> Result<Caught> {
    catch(|| {
        let at = (Family::V4, Point::LocalIn);
        let passed = crafted.pass(at, |mut skb, rcu| {
            let route = here(outer.family, rcu).filter(|_| prepare(&mut skb));
            let Some(route) = route else {
                return (skb.discard(), ());
            };
            match skb.wrap(&outer) {
                Ok(wrapped) => (wrapped.send(route), ()),
                Err(skb) => (skb.discard(), ()),
            }
        });
        passed.map(|_| ())
    })
}

/// Puts headers in front of a packet, and frees it; returns whether they could be put there.
fn try_to_wrap<'g>(skb: Skb<'g>, headers: &Headers<'_>, rcu: Reader<'g>) -> (Verdict, bool) {
    let other = match headers.family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    };
    let Some(route) = here(other, rcu) else {
        return (skb.discard(), false);
    };
    match skb.wrap(headers) {
        // Along a route of another family nothing goes.
        Ok(wrapped) => (wrapped.send(route), true),
        Err(skb) => (skb.discard(), false),
    }
}

/// Checks that a packet has the headers, whose lengths are filled in, and is as it was behind them.
fn assert_outer(caught: &Caught, outer: &Headers<'_>) {
    let (front, behind) = caught.bytes().split_at(outer.bytes.len());
    assert_eq!(behind, PACKET);
    let (length, filled, addresses) = match outer.family {
        Family::V4 => (front.len() + PACKET.len(), 2, 12),
        Family::V6 => (PACKET.len(), 4, 8),
    };
    assert_eq!(front[filled..filled + 2], (length as u16).to_be_bytes());
    assert_eq!(front[addresses..], outer.bytes[addresses..]);
}
