// SPDX-License-Identifier: GPL-2.0
//! A packet borrowed from a netfilter hook, and the verdict it is traded for.
//!
//! A hook gets one [`Skb`] and owes one [`Verdict`]. There is no other way to a verdict than to
//! give the packet away, so a packet that was sent or freed cannot also be accepted.
//!
//! Slices of packet bytes borrow the packet: whatever may move the buffer needs `&mut`, and no
//! slice from before survives it.
//!
//! C header: `include/linux/skbuff.h`

use crate::bindings;
use crate::inet::{Family, Point};
use crate::rcu::Reader;
use crate::route::Route;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;
use kernel::types::NotThreadSafe;

/// The most bytes that are copied when a header of IPv4 is not in the linear part.
///
/// Longest IPv4 header, ICMP, and again IPv4 with the eight bytes that an error quotes at least:
/// 60 + 8 + 60 + 8.
pub const PEEK: usize = 136;

/// The most bytes that are made linear when a header of IPv6 is not.
///
/// As many extension headers as the kernel skips, each of the greatest length there is, and the longest
/// transport header. What an error quotes has its headers among as many bytes.
const PULL: u32 = 40 + 12 * 2048 + 60;
/// The same where memory is scarce: enough for hundreds of the usual extension headers.
const PULL_LESS: u32 = 2048;

/// No memory was left to make a packet's header ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// What is known about the checksum of the transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summed {
    /// Nothing: the field holds what the sender wrote.
    None,
    /// The hardware found it good.
    Unnecessary,
    /// The hardware summed the whole packet.
    Complete,
    /// The field holds the sum of the pseudo header only; the rest is added on output.
    Partial,
}

/// What becomes of a packet after a hook.
pub struct Verdict(u32, NotThreadSafe);

impl Verdict {
    pub(crate) fn into_raw(self) -> u32 {
        self.0
    }

    const fn new(raw: u32) -> Self {
        Self(raw, NotThreadSafe)
    }

    /// Netfilter hears no more of the packet.
    pub(crate) const fn stolen() -> Self {
        Self::new(bindings::NF_STOLEN)
    }
}

/// One call of a hook.
pub(crate) struct Call<'a> {
    /// What netfilter says about it.
    pub(crate) state: &'a bindings::nf_hook_state,
    /// The function of this module that was called.
    pub(crate) function: bindings::nf_hookfn,
}

/// A packet in a hook.
///
/// # Invariants
///
/// `raw` is a valid packet whose data begins with its network header, and `call` the call of the
/// hook that it is in, inside an RCU read section; the packet is used through this value alone until
/// it is consumed.
pub struct Skb<'a> {
    raw: NonNull<bindings::sk_buff>,
    call: &'a Call<'a>,
    _hook: PhantomData<&'a mut bindings::sk_buff>,
}

/// A packet that may have lost its route, so that it must not go on.
pub struct Unrouted<'a>(Skb<'a>);

impl Unrouted<'_> {
    /// Has netfilter throw the packet away.
    pub fn discard(self) -> Verdict {
        self.0.discard()
    }

    /// Frees the packet: netfilter hears no more of it.
    pub fn free(self) -> Verdict {
        self.0.free()
    }
}

impl<'a> Skb<'a> {
    /// Makes the packet of a running hook; `None` when its data begins elsewhere than with the
    /// network header, so that all offsets here and in C's functions mean the same.
    ///
    /// # Safety
    ///
    /// `raw` is the packet that `call` of a netfilter hook is about, and the caller returns to
    /// netfilter what this value is traded for.
    #[inline]
    pub(crate) unsafe fn from_hook(
        raw: NonNull<bindings::sk_buff>,
        call: &'a Call<'a>,
    ) -> Option<Self> {
        // SAFETY: The packet is valid by the caller's promise.
        if unsafe { bindings::rvs_helper_skb_network_offset(raw.as_ptr()) } != 0 {
            return None;
        }
        // INVARIANT: By the caller's promise and the check.
        Some(Self {
            raw,
            call,
            _hook: PhantomData,
        })
    }

    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::sk_buff {
        self.raw.as_ptr()
    }

    /// The namespace that the packet passes, which outlives the hook.
    ///
    /// What this file does with a packet happens there.
    pub(crate) fn net(&self) -> *mut bindings::net {
        self.call.state.net
    }

    /// Returns the hook point the packet is at.
    #[inline]
    pub fn point(&self) -> Point {
        match u32::from(self.call.state.hook) {
            bindings::nf_inet_hooks_NF_INET_LOCAL_IN => Point::LocalIn,
            bindings::nf_inet_hooks_NF_INET_FORWARD => Point::Forward,
            _ => Point::LocalOut,
        }
    }

    /// Returns the number of bytes from the network header on, paged ones included.
    #[inline]
    pub fn len(&self) -> u32 {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { (*self.as_raw()).len }
    }

    /// Returns whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the packet's mark.
    #[inline]
    pub fn mark(&self) -> u32 {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { bindings::rvs_helper_skb_mark(self.as_raw()) }
    }

    /// Returns whether a virtual server has handled the packet before.
    #[inline]
    pub fn is_handled(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { bindings::rvs_helper_skb_ipvs_property(self.as_raw()) }
    }

    /// Notes that a virtual server handled the packet: no hook looks at it again.
    #[inline]
    pub fn set_handled(&mut self) {
        // SAFETY: The packet is valid and ours by the type invariant.
        unsafe { bindings::rvs_helper_skb_set_ipvs_property(self.as_raw()) };
    }

    /// Returns whether the frame was addressed to this host.
    #[inline]
    pub fn is_to_host(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { bindings::rvs_helper_skb_pkt_type_is_host(self.as_raw()) }
    }

    /// Returns whether the packet has a device, which it got on its way in.
    #[inline]
    pub fn has_device(&self) -> bool {
        self.device().is_some()
    }

    /// Returns whether the packet comes from this host: over loopback or over no device at all.
    #[inline]
    pub fn is_from_here(&self) -> bool {
        self.device().is_none_or(|device| {
            // SAFETY: The device of a packet in a hook lives as long as the hook.
            unsafe { bindings::rvs_helper_dev_is_loopback(device) }
        })
    }

    pub(crate) fn device(&self) -> Option<*mut bindings::net_device> {
        // SAFETY: The packet is valid by the type invariant.
        let skb = unsafe { &*self.as_raw() };
        // SAFETY: The other use of this place is for packets in a queue, which this one is not.
        let place = unsafe { &skb.__bindgen_anon_1.__bindgen_anon_1.__bindgen_anon_1 };
        // SAFETY: As a packet in a hook it has a device here, or null.
        let device = unsafe { place.dev };
        (!device.is_null()).then_some(device)
    }

    /// Returns whether the sending socket asked for its fragments to be left alone.
    #[inline]
    pub fn is_nodefrag(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        let socket = unsafe { (*self.as_raw()).sk };
        // SAFETY: A packet's socket lives as long as the packet.
        !socket.is_null() && unsafe { bindings::rvs_helper_inet_nodefrag(socket) }
    }

    /// Returns whether the packet has a route.
    #[inline]
    pub fn has_route(&self) -> bool {
        self.dst().is_some()
    }

    #[inline]
    fn dst(&self) -> Option<NonNull<bindings::dst_entry>> {
        // SAFETY: The packet is valid, and in a hook, which runs inside an RCU section.
        NonNull::new(unsafe { bindings::rvs_helper_skb_dst(self.as_raw()) })
    }

    /// Returns the route that the packet has itself.
    #[inline]
    pub fn route(&self) -> Option<Route<'_>> {
        let dst = self.dst()?;
        // SAFETY: By the type invariant the packet is in a hook, whose section lasts longer.
        let rcu = unsafe { Reader::assume() };
        // SAFETY: The packet keeps its route, by a reference or in the section, until something that
        // takes `&mut self` or `self` replaces it.
        unsafe { Route::borrow(dst, rcu) }
    }

    /// Returns whether the packet's own route ends at this host.
    #[inline]
    pub fn has_local_route(&self) -> bool {
        self.route().is_some_and(|route| route.is_local())
    }

    /// Returns whether the packet arrived with the route that it has.
    #[inline]
    pub fn has_input_route(&self) -> bool {
        self.route()
            .is_some_and(|route| route.is_input().unwrap_or_else(|| !self.is_from_here()))
    }

    /// Gives the packet the device of its own route, if it has one.
    pub(crate) fn take_device_of_route(&mut self) {
        let Some(device) = self.route().map(|route| route.device()) else {
            return;
        };
        // SAFETY: The packet is valid and ours by the type invariant, and in no queue, so that this
        // part of the union is the device; it is there as long as the packet is in the hook.
        unsafe { bindings::rvs_helper_skb_set_dev(self.as_raw(), device.as_ptr()) };
    }

    /// Gives the packet the loopback device.
    pub(crate) fn take_loopback(&mut self) {
        // SAFETY: The namespace that a packet passes is alive, and its loopback device goes with it.
        let device = unsafe { (*self.net()).loopback_dev };
        // SAFETY: As in `take_device_of_route`.
        unsafe { bindings::rvs_helper_skb_set_dev(self.as_raw(), device) };
    }

    /// Makes `route` the packet's own: a reference is handed over; without one it is lent to the
    /// packet, which must be sent inside the same read section.
    #[inline(always)]
    pub(crate) fn set_route(&mut self, route: Route<'_>) {
        let (dst, counted) = route.into_raw();
        // SAFETY: The packet is valid and ours.
        unsafe { bindings::rvs_helper_skb_dst_drop(self.as_raw()) };
        if counted {
            // SAFETY: The reference becomes the packet's.
            unsafe { bindings::rvs_helper_skb_dst_set(self.as_raw(), dst.as_ptr()) };
        } else {
            // SAFETY: The route is valid to the end of the read section; what keeps the packet longer
            // takes a reference then.
            unsafe { bindings::rvs_helper_skb_dst_set_noref(self.as_raw(), dst.as_ptr()) };
        }
    }

    /// Returns whether the packet becomes many on the wire.
    #[inline]
    pub fn is_gso(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { bindings::rvs_helper_skb_is_gso(self.as_raw()) }
    }

    /// Returns the length of the largest fragment that the packet was put together from, if it was
    /// and its family remembers.
    #[inline]
    pub fn largest_fragment(&self) -> Option<u32> {
        match self.family() {
            // Where a router may fragment again, it does not matter.
            Family::V4 => None,
            Family::V6 => {
                // SAFETY: The packet is valid, and in a hook of IPv6, which owns what is read here.
                let largest = unsafe { bindings::rvs_helper_ip6cb_frag_max_size(self.as_raw()) };
                (largest != 0).then_some(largest)
            }
        }
    }

    /// Returns whether the packet, or each segment or fragment of it, fits `mtu`.
    #[inline]
    pub fn fits(&self, mtu: u32) -> bool {
        if let Some(largest) = self.largest_fragment() {
            return largest <= mtu;
        }
        if self.len() <= mtu {
            return true;
        }
        // SAFETY: The packet is valid by the type invariant, and is one of segments.
        self.is_gso() && unsafe { bindings::skb_gso_validate_network_len(self.as_raw(), mtu) }
    }

    /// Lets the packet be fragmented on output whatever its header says.
    #[inline]
    pub fn allow_fragmenting(&mut self) {
        // SAFETY: The packet is valid and ours by the type invariant.
        unsafe { bindings::rvs_helper_skb_set_ignore_df(self.as_raw()) };
    }

    /// Forgets when the packet came.
    #[inline(always)]
    pub(crate) fn clear_timestamp(&mut self) {
        // SAFETY: The packet is valid and ours by the type invariant.
        unsafe { bindings::rvs_helper_skb_clear_tstamp(self.as_raw()) };
    }

    /// Lets go of the socket that was found for the packet on its way in.
    ///
    /// The socket of a packet that was sent here is kept: it is charged for the packet.
    #[inline]
    pub fn drop_early_socket(&mut self) {
        if self.has_device() {
            // SAFETY: The packet is valid and ours by the type invariant.
            unsafe { bindings::rvs_helper_skb_orphan(self.as_raw()) };
        }
    }
}

/// Bytes.
impl Skb<'_> {
    /// Returns the linear part from the network header on.
    #[inline]
    pub fn head(&self) -> &[u8] {
        // SAFETY: The packet is valid by the type invariant.
        let data = unsafe { (*self.as_raw()).data };
        // SAFETY: The packet is valid by the type invariant.
        let len = unsafe { bindings::rvs_helper_skb_headlen(self.as_raw()) };
        // SAFETY: `data` begins `headlen` bytes of linear buffer, by the type invariant with the
        // network header, and stays in place until something that takes `&mut self` moves it;
        // holders of a clone only read.
        unsafe { slice::from_raw_parts(data, len as usize) }
    }

    /// Returns the headers: the linear part when it holds [`PEEK`] bytes or all, else a copy.
    ///
    /// Headers of IPv6 may be too long to be copied, so these are made linear instead.
    ///
    /// Paged data may change underneath, so it is never looked at in place.
    #[inline]
    pub fn peek<'b>(&'b mut self, buffer: &'b mut [u8; PEEK]) -> &'b [u8] {
        match self.family() {
            Family::V4 => self.peek_short(buffer),
            Family::V6 => {
                self.pull();
                self.head()
            }
        }
    }

    /// Returns the first bytes: the linear part when it holds [`PEEK`] bytes or all, else a copy.
    #[inline]
    pub fn peek_short<'b>(&'b self, buffer: &'b mut [u8; PEEK]) -> &'b [u8] {
        let head = self.head();
        let len = self.len() as usize;
        if head.len() >= PEEK.min(len) {
            return head;
        }
        let Some(wanted) = buffer.get_mut(..PEEK.min(len)) else {
            return head;
        };
        if self.copy(0, wanted) {
            wanted
        } else {
            head
        }
    }

    /// Makes headers linear, as far as memory is left: as many as there may be, else the usual ones.
    fn pull(&mut self) {
        let _ = self.pull_to(PULL) || self.pull_to(PULL_LESS);
    }

    fn pull_to(&mut self, len: u32) -> bool {
        let wanted = len.min(self.len());
        // SAFETY: The packet is valid and ours; every slice of its bytes ended, as they borrow it.
        // What could not be done changed nothing.
        unsafe { bindings::rvs_helper_pskb_may_pull(self.as_raw(), wanted) }
    }

    /// Copies bytes from `offset` after the network header on; returns whether they were there.
    pub fn copy(&self, offset: u32, to: &mut [u8]) -> bool {
        let (Ok(offset), Ok(len)) = (i32::try_from(offset), i32::try_from(to.len())) else {
            return false;
        };
        // SAFETY: The packet is valid, and `to` has room for `len` bytes; the function checks the
        // range against the packet.
        unsafe { bindings::skb_copy_bits(self.as_raw(), offset, to.as_mut_ptr().cast(), len) == 0 }
    }

    /// Makes the first `len` bytes linear and ours alone to read and write, and returns them.
    ///
    /// # Errors
    ///
    /// [`NoMemory`], also when the packet is shorter.
    #[inline]
    pub fn writable(&mut self, len: usize) -> Result<&mut [u8], NoMemory> {
        let Ok(wanted) = u32::try_from(len) else {
            return Err(NoMemory);
        };
        if wanted > self.len() {
            return Err(NoMemory);
        }
        // SAFETY: The packet is valid and ours; every slice of its bytes ended, as they borrow it.
        if unsafe { bindings::rvs_helper_skb_ensure_writable(self.as_raw(), wanted) } != 0 {
            return Err(NoMemory);
        }
        // SAFETY: The packet is valid by the type invariant.
        let data = unsafe { (*self.as_raw()).data };
        // SAFETY: The helper made `len` linear bytes at `data` that no clone reads: what is left are
        // clones without headers, as TCP keeps of what it sent. They stay in place while `self` is
        // borrowed.
        Ok(unsafe { slice::from_raw_parts_mut(data, len) })
    }

    /// Makes room in front for the link header of `route`'s device.
    ///
    /// # Errors
    ///
    /// [`NoMemory`].
    #[inline]
    pub fn make_room(&mut self, route: &Route<'_>) -> Result<(), NoMemory> {
        // SAFETY: The packet is valid and ours, no slice of its bytes is alive.
        match unsafe { bindings::rvs_helper_skb_cow_head(self.as_raw(), route.link_header()) } {
            0 => Ok(()),
            _ => Err(NoMemory),
        }
    }
}

/// Checksums.
impl Skb<'_> {
    /// Returns what is known about the transport checksum.
    #[inline]
    pub fn summed(&self) -> Summed {
        // SAFETY: The packet is valid by the type invariant.
        match unsafe { bindings::rvs_helper_skb_ip_summed(self.as_raw()) } {
            bindings::CHECKSUM_PARTIAL => Summed::Partial,
            bindings::CHECKSUM_COMPLETE => Summed::Complete,
            bindings::CHECKSUM_UNNECESSARY => Summed::Unnecessary,
            _ => Summed::None,
        }
    }

    /// Notes that the transport checksum was made here and is good.
    pub fn set_sum_good(&mut self) {
        self.set_summed(bindings::CHECKSUM_UNNECESSARY);
    }

    /// Leaves the transport checksum to the hardware: it is of all bytes from `start` on, which holds
    /// the sum of what it covers besides in its field, `field` bytes behind `start`.
    ///
    /// Returns whether that can be; nothing changed if not.
    pub fn leave_sum(&mut self, start: u16, field: u16) -> bool {
        // SAFETY: The packet is valid and ours; the function checks the place against the linear part.
        unsafe { bindings::skb_partial_csum_set(self.as_raw(), start, field) }
    }

    /// Forgets the hardware's sum of the whole packet, which no longer holds.
    #[inline]
    pub fn forget_sum(&mut self) {
        if self.summed() == Summed::Complete {
            self.set_summed(bindings::CHECKSUM_NONE);
        }
    }

    pub(crate) fn set_summed(&mut self, summed: u32) {
        // SAFETY: The packet is valid and ours; the value is one of the four. Its other data is
        // not used by those that are set here.
        unsafe { bindings::rvs_helper_skb_set_ip_summed(self.as_raw(), summed as u8) };
    }

    /// Returns the unfolded sum of all bytes from `offset` to the end, added to `seed`.
    ///
    /// The sum is that of native 16-bit words.
    pub fn sum(&self, offset: u32, seed: u32) -> u32 {
        let Some(rest) = self.len().checked_sub(offset) else {
            return seed;
        };
        let (Ok(offset), Ok(rest)) = (i32::try_from(offset), i32::try_from(rest)) else {
            return seed;
        };
        // SAFETY: The range lies inside the valid packet.
        unsafe { bindings::skb_checksum(self.as_raw(), offset, rest, seed) }
    }

    /// Returns the CRC32c of all bytes from `offset` to the end.
    ///
    /// `None` where there are none, or this kernel does not have the function.
    pub fn crc32c(&self, offset: u32) -> Option<u32> {
        let rest = i32::try_from(self.len().checked_sub(offset)?).ok()?;
        let (offset, mut crc) = (i32::try_from(offset).ok()?, 0);
        // SAFETY: The range lies inside the valid packet, and `crc` is alive.
        unsafe { bindings::rvs_helper_skb_crc32c(self.as_raw(), offset, rest, &mut crc) }
            .then_some(crc)
    }

    /// Returns whether the device of the packet's own route makes checksums by CRC32c.
    pub fn route_makes_crc32c(&self) -> bool {
        self.route().is_some_and(|route| route.makes_crc32c())
    }

    /// Returns whether the transport checksum is good as far as it needs to be known.
    ///
    /// A packet that never crossed a device is trusted.
    pub fn is_sum_known_good(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        !self.has_device() || unsafe { bindings::rvs_helper_skb_csum_unnecessary(self.as_raw()) }
    }
}

/// Ends of a packet's way through a hook.
impl<'a> Skb<'a> {
    /// Lets the packet go on where it was going.
    #[inline]
    pub fn accept(self) -> Verdict {
        Verdict::new(bindings::NF_ACCEPT)
    }

    /// Has netfilter throw the packet away.
    pub fn discard(self) -> Verdict {
        Verdict::new(bindings::NF_DROP)
    }

    /// Frees the packet: netfilter hears no more of it.
    pub fn free(self) -> Verdict {
        // SAFETY: The packet is ours by the type invariant, and is not used after this.
        unsafe { bindings::rvs_helper_kfree_skb(self.as_raw()) };
        Verdict::new(bindings::NF_STOLEN)
    }

    /// Sends the packet along `route`, through the hooks of what leaves this host.
    ///
    /// It is marked as handled: where there are other hooks, the hook that it is in sees it again
    /// among them.
    ///
    /// # Errors
    ///
    /// The verdict for a packet that is not of the route's family, which was freed.
    ///
    /// # Locking
    ///
    /// Runs hooks, ours among them: hold no lock.
    #[inline(always)]
    pub fn send(mut self, route: Route<'a>) -> Result<Verdict, Verdict> {
        let family = route.family();
        if self.family() != family {
            return Err(self.free());
        }
        // SAFETY: The packet is ours by the type invariant.
        unsafe { bindings::rvs_helper_skb_forward_csum(self.as_raw()) };
        if self.has_device() {
            self.clear_timestamp();
        }
        self.set_route(route);
        // After the route, whose helper reads the word that this mark is in: a processor waits where
        // it reads at once what it has just written in parts.
        self.set_handled();
        let (pf, own) = (family.number(), self.call.function);
        // SAFETY: The packet is ours, has a route, and is not used after this. A hook runs inside an
        // RCU section.
        unsafe { bindings::rvs_helper_nf_hook_local_out(pf, self.net(), self.as_raw(), own) };
        Ok(Verdict::new(bindings::NF_STOLEN))
    }

    /// Puts a packet of IPv4 together with the other fragments of the datagram it is part of.
    ///
    /// One of IPv6 is returned as it is: its fragments are put together before they come here, see
    /// [`crate::netfilter::Registration::defragmenting`].
    ///
    /// # Errors
    ///
    /// The verdict for a fragment that now waits for the others.
    pub fn reassemble(self) -> Result<Self, Verdict> {
        if self.family() == Family::V6 {
            return Ok(self);
        }
        let user = match self.point() {
            Point::LocalIn => bindings::ip_defrag_users_IP_DEFRAG_VS_IN,
            Point::LocalOut => bindings::ip_defrag_users_IP_DEFRAG_VS_OUT,
            Point::Forward => bindings::ip_defrag_users_IP_DEFRAG_VS_FWD,
        };
        // SAFETY: The packet is one of IPv4 and ours; if the function keeps or frees it, it is not
        // used after this.
        if unsafe { bindings::rvs_helper_ip_defrag(self.net(), self.as_raw(), user) } != 0 {
            return Err(Verdict::new(bindings::NF_STOLEN));
        }
        // SAFETY: The packet is valid by the type invariant.
        let header = unsafe { bindings::rvs_helper_ip_hdr(self.as_raw()) };
        // INVARIANT: What was put together begins with the first fragment's header again.
        // SAFETY: The packet is whole and ours, and begins with the IPv4 header that was made.
        unsafe { bindings::ip_send_check(header) };
        Ok(self)
    }

    /// Finds a packet a new route, as if it had been made here.
    ///
    /// # Errors
    ///
    /// The packet without a route: there is none, or no memory for what its device needs in front.
    pub fn reroute(self) -> Result<Self, Unrouted<'a>> {
        let Some(found) = self.route().map(|route| route.family()) else {
            return Ok(self);
        };
        // SAFETY: The packet is valid by the type invariant.
        let socket = unsafe { (*self.as_raw()).sk };
        let error = match (self.family(), found) {
            // SAFETY: The packet is one of IPv4, ours and has a route; no slice of its bytes is alive.
            (Family::V4, Family::V4) => unsafe {
                bindings::ip_route_me_harder(self.net(), socket, self.as_raw(), bindings::RTN_LOCAL)
            },
            (Family::V4, Family::V6) => return Ok(self),
            // The route is of IPv4 where a bridge lent the packet one; C takes no more than the
            // device from it.
            // SAFETY: The packet is one of IPv6, ours and has a route; no slice of its bytes is alive.
            (Family::V6, Family::V4 | Family::V6) => unsafe {
                bindings::ip6_route_me_harder(self.net(), socket, self.as_raw())
            },
        };
        if error == 0 {
            Ok(self)
        } else {
            Err(Unrouted(self))
        }
    }

    /// Returns the family of the hook.
    #[inline]
    pub fn family(&self) -> Family {
        if u32::from(self.call.state.pf) == bindings::NFPROTO_IPV6 {
            Family::V6
        } else {
            Family::V4
        }
    }
}
