// SPDX-License-Identifier: GPL-2.0
//! Packets that no device brought, for the KUnit suites: made of bytes, and given to a hook that no
//! packet passed.
//!
//! C header: `include/linux/skbuff.h`

use crate::bindings;
use crate::inet::{Family, Point};
use crate::net::Net;
use crate::rcu::{self, Reader};
use crate::skb::{Call, Skb, Verdict};
use core::mem::{forget, zeroed};
use core::ptr::NonNull;
use kernel::prelude::*;

/// A packet of the first namespace, which came over loopback.
///
/// # Invariants
///
/// The packet is valid, belongs to this value alone and begins with its network header.
pub struct Crafted(NonNull<bindings::sk_buff>);

impl Crafted {
    /// Makes a packet of bytes, of which the first `linear` ones are in front and the others in a page.
    ///
    /// # Errors
    ///
    /// `EINVAL` without a byte in front or with more than 4096 behind, and `ENOMEM`.
    pub fn new(bytes: &[u8], linear: usize) -> Result<Self> {
        let (front, behind) = bytes.split_at_checked(linear).ok_or(EINVAL)?;
        if front.is_empty() || front.len() > 4096 || behind.len() > 4096 {
            return Err(EINVAL);
        }
        let (linear, paged) = (front.len() as u32, behind.len() as u32);
        // SAFETY: The bytes are `linear` and `paged` ones, at least one of them, and no more behind than
        // fit a page.
        let raw = unsafe { bindings::rvs_helper_kunit_skb(bytes.as_ptr(), linear, paged) };
        // INVARIANT: It was just made.
        NonNull::new(raw).map(Self).ok_or(ENOMEM)
    }

    /// Says that the hardware found `sum` to be that of the whole packet.
    pub fn with_complete_sum(self, sum: u32) -> Self {
        // SAFETY: The packet is valid and ours by the type invariant.
        unsafe { bindings::rvs_helper_kunit_skb_set_csum(self.0.as_ptr(), sum) };
        self
    }

    /// Gives the packet to a hook; returns it if it may go on, and what the hook returned besides the
    /// verdict.
    ///
    /// # Errors
    ///
    /// `EINVAL` if hooks do not take it.
    pub fn pass<R>(
        self,
        (family, point): (Family, Point),
        hook: impl for<'g> FnOnce(Skb<'g>, Reader<'g>) -> (Verdict, R),
    ) -> Result<(Option<Self>, R)> {
        // SAFETY: All zeroes are a valid `struct nf_hook_state`.
        let zero: bindings::nf_hook_state = unsafe { zeroed() };
        let state = bindings::nf_hook_state {
            hook: point.hook() as u8,
            pf: family.number(),
            net: Net::init().as_raw(),
            ..zero
        };
        let call = Call {
            state: &state,
            function: None,
        };
        let traded = rcu::read(|rcu| {
            // SAFETY: The packet is valid and ours, and the section is open; what it is traded for is
            // looked at below.
            let skb = unsafe { Skb::from_hook(self.0, &call) };
            skb.map(|skb| hook(skb, rcu))
        });
        let (verdict, result) = traded.ok_or(EINVAL)?;
        match verdict.into_raw() {
            bindings::NF_ACCEPT => Ok((Some(self), result)),
            bindings::NF_DROP => Ok((None, result)),
            _ => {
                // It is ours no more.
                forget(self);
                Ok((None, result))
            }
        }
    }
}

impl Drop for Crafted {
    fn drop(&mut self) {
        // SAFETY: The packet is valid and ours by the type invariant, and is not used after this.
        unsafe { bindings::rvs_helper_kfree_skb(self.0.as_ptr()) };
    }
}
