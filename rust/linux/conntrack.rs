// SPDX-License-Identifier: GPL-2.0
//! What netfilter's connection tracking knows of a packet.
//!
//! C header: `include/net/netfilter/nf_conntrack.h`

use crate::bindings;
use crate::inet::Family;
use crate::net::Net;
use crate::skb::Skb;
use core::net::IpAddr;
use core::ptr::NonNull;

/// One end of a tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The address.
    pub addr: IpAddr,
    /// The port in network order.
    pub port: [u8; 2],
}

/// A tracked connection as its first packet described it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    /// The protocol's number.
    pub protocol: u8,
    /// Where it was opened.
    pub source: End,
    /// Where it was to go.
    pub dest: End,
}

/// Which end the answers to a connection will show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// They come from here.
    From(End),
    /// They go here.
    To(End),
}

/// A tracked connection that a packet belongs to.
///
/// # Invariants
///
/// `raw` is valid for as long as the packet it was borrowed from keeps it.
struct Entry {
    raw: NonNull<bindings::nf_conn>,
    info: u32,
}

impl Entry {
    #[inline]
    fn of(skb: &Skb<'_>) -> Option<Self> {
        let mut info = 0;
        // SAFETY: The packet is valid by its type invariant; both pointers are to live values.
        let raw = unsafe { bindings::rvs_helper_nf_ct_get(skb.as_raw(), &mut info) };
        // INVARIANT: A packet holds a reference to its entry.
        Some(Self {
            raw: NonNull::new(raw)?,
            info,
        })
    }

    fn is_confirmed(&self) -> bool {
        // SAFETY: The entry is valid by the type invariant.
        unsafe { bindings::rvs_helper_nf_ct_is_confirmed(self.raw.as_ptr()) }
    }

    fn is_dying(&self) -> bool {
        // SAFETY: The entry is valid by the type invariant.
        unsafe { bindings::rvs_helper_nf_ct_is_dying(self.raw.as_ptr()) }
    }

    fn is_original(&self) -> bool {
        self.info < bindings::ip_conntrack_info_IP_CT_IS_REPLY
    }

    fn family(&self) -> Option<Family> {
        // SAFETY: The entry is valid by the type invariant.
        Family::from_number(unsafe { bindings::rvs_helper_nf_ct_l3num(self.raw.as_ptr()) })
    }
}

/// Returns whether the packet is tracked.
pub fn is_tracked(skb: &Skb<'_>) -> bool {
    Entry::of(skb).is_some()
}

/// Returns whether the packet belongs to a connection that is in the tracking table.
#[inline]
pub fn is_confirmed(skb: &Skb<'_>) -> bool {
    Entry::of(skb).is_some_and(|entry| entry.is_confirmed())
}

/// Takes the packet out of connection tracking.
#[inline(always)]
pub fn untrack(skb: &mut Skb<'_>) {
    if !is_tracked(skb) {
        return;
    }
    // SAFETY: The packet is valid and ours.
    unsafe { bindings::rvs_helper_nf_reset_ct(skb.as_raw()) };
    // SAFETY: As above; it holds no entry any more.
    unsafe { bindings::rvs_helper_nf_ct_set_untracked(skb.as_raw()) };
}

/// Puts the packet's connection into the tracking table, if it has one that is not there yet.
///
/// Returns whether the packet may go on.
pub fn confirm(skb: &mut Skb<'_>) -> bool {
    // SAFETY: The packet is valid and ours.
    unsafe { bindings::rvs_helper_nf_conntrack_confirm(skb.as_raw()) == bindings::NF_ACCEPT }
}

/// Lets the packet be tracked anew, as what it is now.
pub fn forget(skb: &mut Skb<'_>) {
    // SAFETY: The packet is valid and ours.
    unsafe { bindings::rvs_helper_nf_reset_ct(skb.as_raw()) };
}

/// Tells tracking what the answers to a new connection will look like after our translation.
///
/// Does nothing once the connection is in the table, is dying, or the packet is a reply itself: then
/// `reply` is not asked. Nor for an end of another family than the connection's.
#[inline]
pub fn expect_reply(skb: &mut Skb<'_>, reply: impl FnOnce() -> Reply) {
    let Some(entry) = Entry::of(skb) else { return };
    if !entry.is_confirmed() && !entry.is_dying() && entry.is_original() {
        alter_reply(&entry, reply());
    }
}

/// Changes what the replies to a connection with ports look like, which is not confirmed yet.
fn alter_reply(entry: &Entry, reply: Reply) {
    let (Reply::From(end) | Reply::To(end)) = reply;
    if entry.family() != Some(Family::of(&end.addr)) {
        return;
    }
    // SAFETY: The entry is valid, its tuples are plain data, and no look-up finds an unconfirmed one; the
    // clones of a frame that a bridge flooded share it, all in the softirq that flooded it.
    let mut tuple = unsafe { (*entry.raw.as_ptr()).tuplehash[1].tuple };
    match reply {
        Reply::From(end) => {
            tuple.src.u3 = address(end.addr);
            tuple.src.u.all = u16::from_ne_bytes(end.port);
        }
        Reply::To(end) => {
            tuple.dst.u3 = address(end.addr);
            tuple.dst.u.all = u16::from_ne_bytes(end.port);
        }
    }
    // SAFETY: The entry is valid and not confirmed.
    unsafe { bindings::rvs_helper_nf_conntrack_alter_reply(entry.raw.as_ptr(), &tuple) };
}

/// Returns an address as a tuple holds it: what an address does not fill is zero.
fn address(addr: IpAddr) -> bindings::nf_inet_addr {
    let all = match addr {
        IpAddr::V4(addr) => [u32::from_ne_bytes(addr.octets()), 0, 0, 0],
        // SAFETY: Both are sixteen bytes, any of which will do.
        IpAddr::V6(addr) => unsafe { core::mem::transmute::<[u8; 16], [u32; 4]>(addr.octets()) },
    };
    bindings::nf_inet_addr { all }
}

/// Removes a connection from tracking, if it is there.
///
/// # Locking
///
/// Any context in which softirqs may run.
pub fn kill(net: &Net, original: &Original) {
    // SAFETY: All zeroes are a valid tuple.
    let mut tuple: bindings::nf_conntrack_tuple = unsafe { core::mem::zeroed() };
    tuple.src.l3num = u16::from(Family::of(&original.source.addr).number());
    tuple.src.u3 = address(original.source.addr);
    tuple.src.u.all = u16::from_ne_bytes(original.source.port);
    tuple.dst.protonum = original.protocol;
    tuple.dst.u3 = address(original.dest.addr);
    tuple.dst.u.all = u16::from_ne_bytes(original.dest.port);
    // SAFETY: The namespace is alive, the tuple valid, the default zone a static.
    let found = unsafe {
        bindings::nf_conntrack_find_get(net.as_raw(), &raw const bindings::nf_ct_zone_dflt, &tuple)
    };
    if found.is_null() {
        return;
    }
    // SAFETY: A found tuple is part of an entry, of which we now hold a reference.
    let entry = unsafe { bindings::rvs_helper_nf_ct_tuplehash_to_ctrack(found) };
    // SAFETY: We hold a reference.
    unsafe { bindings::rvs_helper_nf_ct_kill(entry) };
    // SAFETY: The look-up took this reference.
    unsafe { bindings::rvs_helper_nf_ct_put(entry) };
}
