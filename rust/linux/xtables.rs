// SPDX-License-Identifier: GPL-2.0
//! Matches: conditions of rules of iptables, by their name.
//!
//! A match only looks at packets. Rules hold a reference on the module for as long as they are
//! there, so that its code and the static memory of its [`Definition`] outlive them.
//!
//! C header: `include/linux/netfilter/x_tables.h`

use crate::bindings;
use crate::inet::Family;
use crate::namesake::Use;
use crate::net::Net;
use crate::rcu::Reader;
use crate::skb::PEEK;
use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;
use kernel::error::to_result;
use kernel::ffi::{c_char, c_int};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full};

/// A condition that rules of IPv4 and of IPv6 may have, in any table and any chain.
pub trait Match: Sized + 'static {
    /// The name by which rules ask for it, at most 28 bytes.
    const NAME: &'static CStr;
    /// Which of the layouts of its parameters it understands.
    const REVISION: u8;
    /// The length of its parameters in bytes, a multiple of eight.
    const SIZE: usize;
    /// The place of a name that its rules keep in use: see [`Use`].
    const PLACE: usize;

    /// Returns whether a packet has what a rule asks for in its `params`, [`Match::SIZE`] bytes as
    /// user space wrote them.
    ///
    /// # Locking
    ///
    /// As for a hook: with softirqs off, or in process context with them on.
    fn matches<'g>(params: &[u8], packet: &PacketView<'g>, rcu: Reader<'g>) -> bool;
}

/// Which way a packet of a tracked connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the packet that began it.
    Original,
    /// The other way.
    Reply,
}

/// A packet that a rule looks at.
///
/// # Invariants
///
/// `skb` is a valid packet that nothing changes for as long as this is there, and `state` that of
/// the hook it is in, inside an RCU read section that lasts for `'g`.
pub struct PacketView<'g> {
    skb: NonNull<bindings::sk_buff>,
    state: &'g bindings::nf_hook_state,
}

impl<'g> PacketView<'g> {
    /// Returns the namespace that the packet passes.
    pub fn net(&self) -> &'g Net {
        // SAFETY: The namespace that a packet passes outlives the hook.
        unsafe { Net::from_raw(self.state.net) }
    }

    /// Returns whether a virtual server has handled the packet.
    #[inline]
    pub fn is_handled(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { bindings::rvs_helper_skb_ipvs_property(self.skb.as_ptr()) }
    }

    /// Returns the number of bytes from the network header on.
    pub fn len(&self) -> u32 {
        // SAFETY: The packet is valid by the type invariant.
        let all = unsafe { self.skb.as_ref() }.len;
        u32::try_from(self.network_offset()).map_or(0, |offset| all.saturating_sub(offset))
    }

    /// Returns whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the headers: the linear part when it holds [`PEEK`] bytes or all, else a copy; none
    /// if they cannot be read.
    ///
    /// Longer headers are linear in a packet that a hook of this module has read before.
    pub fn read<'b>(&'b self, buffer: &'b mut [u8; PEEK]) -> &'b [u8] {
        let head = self.head();
        let len = PEEK.min(self.len() as usize);
        if head.len() >= len {
            return head;
        }
        let Some(wanted) = buffer.get_mut(..len) else {
            return &[];
        };
        // SAFETY: The packet is valid by the type invariant, and `wanted` has room for `len` bytes;
        // the function checks the range against the packet.
        let error = unsafe {
            bindings::skb_copy_bits(
                self.skb.as_ptr(),
                self.network_offset(),
                wanted.as_mut_ptr().cast(),
                len as c_int,
            )
        };
        match error {
            0 => wanted,
            _ => &[],
        }
    }

    /// Returns the linear part from the network header on.
    fn head(&self) -> &[u8] {
        // SAFETY: The packet is valid by the type invariant.
        let data = unsafe { self.skb.as_ref() }.data;
        // SAFETY: The packet is valid by the type invariant.
        let len = unsafe { bindings::rvs_helper_skb_headlen(self.skb.as_ptr()) };
        // SAFETY: `data` begins `headlen` bytes of linear buffer, which by the type invariant stay
        // as they are for as long as this is borrowed.
        let linear = unsafe { slice::from_raw_parts(data, len as usize) };
        let offset = usize::try_from(self.network_offset()).ok();
        offset
            .and_then(|offset| linear.get(offset..))
            .unwrap_or(&[])
    }

    /// Returns which way the packet goes, if it is tracked.
    pub fn way(&self) -> Option<Way> {
        let mut info = 0;
        // SAFETY: The packet is valid by the type invariant; `info` is a place of our own.
        let entry = unsafe { bindings::rvs_helper_nf_ct_get(self.skb.as_ptr(), &mut info) };
        match info < bindings::ip_conntrack_info_IP_CT_IS_REPLY {
            _ if entry.is_null() => None,
            true => Some(Way::Original),
            false => Some(Way::Reply),
        }
    }

    /// Returns where the network header begins, in bytes after the data's beginning.
    fn network_offset(&self) -> c_int {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { bindings::rvs_helper_skb_network_offset(self.skb.as_ptr()) }
    }
}

/// The static memory of a match, which C links into its list.
///
/// # Invariants
///
/// Once `taken` is set, `raw` is used by its one setter until C knows it, and then by C.
pub struct Definition<M: Match> {
    taken: Atomic<u32>,
    raw: UnsafeCell<bindings::xt_match>,
    of: PhantomData<fn() -> M>,
}

// SAFETY: By the type invariant the cell has one user at a time; C has a lock of its own.
unsafe impl<M: Match> Sync for Definition<M> {}

#[expect(clippy::new_without_default, reason = "it lives in a static")]
impl<M: Match> Definition<M> {
    /// Makes a match that is not registered.
    pub const fn new() -> Self {
        const { assert!(M::SIZE % 8 == 0 && M::NAME.count_bytes() < NAME_MAX) };
        // SAFETY: All zeroes are a valid `struct xt_match`.
        let zero: bindings::xt_match = unsafe { core::mem::zeroed() };
        Self {
            taken: Atomic::new(0),
            raw: UnsafeCell::new(bindings::xt_match {
                name: name(M::NAME),
                revision: M::REVISION,
                match_: Some(trampoline::<M>),
                checkentry: Some(check::<M>),
                destroy: Some(destroy::<M>),
                matchsize: M::SIZE as u32,
                family: bindings::NFPROTO_UNSPEC as u16,
                ..zero
            }),
            of: PhantomData,
        }
    }

    /// Lets rules ask for the match.
    ///
    /// Let this be the last step of loading that can fail: a rule may hold on to the module from
    /// then on.
    ///
    /// # Errors
    ///
    /// `EBUSY` if it was registered before; others if the kernel refuses, which it never does.
    ///
    /// # Locking
    ///
    /// Process context; sleeps. The same goes for the drop of what is returned.
    pub fn register(&'static self, module: &'static ThisModule) -> Result<Registration<M>> {
        self.taken.cmpxchg(0, 1, Full).map_err(|_| EBUSY)?;
        let raw = self.raw.get();
        // SAFETY: The exchange succeeded once, here, and C does not know the match yet.
        unsafe { (*raw).me = module.as_ptr().cast() };
        // SAFETY: The match is whole, in static memory, and `module`, which rules keep loaded, has
        // its code.
        to_result(unsafe { bindings::xt_register_match(raw) })?;
        // INVARIANT: It was just registered.
        Ok(Registration(self))
    }
}

/// A match that rules can ask for; dropping it keeps new rules from doing so.
///
/// Rules that are there keep it: the memory of the definition stays, and their references keep the
/// module.
///
/// # Invariants
///
/// The match is registered.
pub struct Registration<M: Match>(&'static Definition<M>);

impl<M: Match> Drop for Registration<M> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is in C's list.
        unsafe { bindings::xt_unregister_match(self.0.raw.get()) };
    }
}

/// The room for a name, with the zero behind it.
const NAME_MAX: usize = bindings::XT_EXTENSION_MAXNAMELEN as usize;

/// Returns a name as C keeps it, cut off where there is no more room.
const fn name(text: &CStr) -> [c_char; NAME_MAX] {
    let mut name = [0; NAME_MAX];
    let mut rest = text.to_bytes();
    let mut place = 0;
    while let ([byte, more @ ..], true) = (rest, place + 1 < NAME_MAX) {
        name[place] = *byte;
        place += 1;
        rest = more;
    }
    name
}

/// Refuses a rule of another family; any other keeps the name in use.
///
/// # Safety
///
/// Called by C only, with valid parameters, in process context.
unsafe extern "C" fn check<M: Match>(par: *const bindings::xt_mtchk_param) -> c_int {
    // SAFETY: C passes valid parameters for the time of the call.
    let family = unsafe { (*par).family };
    if Family::from_number(u16::from(family)).is_none() {
        return EINVAL.to_errno();
    }
    Use::of(M::PLACE).keep();
    0
}

/// A rule ends, and keeps the name in use no more.
///
/// # Safety
///
/// Called by C only, in process context: once for each rule that [`check`] let in.
unsafe extern "C" fn destroy<M: Match>(_par: *const bindings::xt_mtdtor_param) {
    // SAFETY: `check` kept a use for the rule that ends.
    drop(unsafe { Use::kept(M::PLACE) });
}

/// Asks a match about a packet.
///
/// # Safety
///
/// Called by C only: for a rule that [`check`] let in, with a valid packet that is in a hook and
/// valid parameters, in the RCU read section of the hook.
unsafe extern "C" fn trampoline<M: Match>(
    skb: *const bindings::sk_buff,
    par: *mut bindings::xt_action_param,
) -> bool {
    let Some(skb) = NonNull::new(skb.cast_mut()) else {
        return false;
    };
    // SAFETY: C passes valid parameters, which it does not change during the call.
    let par = unsafe { &*par };
    // SAFETY: For a match this part of the union is the rule's parameters.
    let params = unsafe { par.__bindgen_anon_2.matchinfo };
    // SAFETY: C checked that a rule has as many bytes as the match wants, and leaves them alone
    // while packets are in a hook.
    let params = unsafe { slice::from_raw_parts(params.cast::<u8>(), M::SIZE) };
    // SAFETY: The state is that of the hook, which outlives the call.
    let state = unsafe { &*par.state };
    // SAFETY: Netfilter runs its hooks, and they their rules, inside an RCU read section.
    let rcu = unsafe { Reader::assume() };
    // INVARIANT: The packet is in the hook of `state`, and a match only reads it.
    let packet = PacketView { skb, state };
    M::matches(params, &packet, rcu)
}
