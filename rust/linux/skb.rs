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
use crate::netfilter::{self, Family, PacketHook, Point};
use crate::route::Route;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;
use kernel::types::NotThreadSafe;

/// The most bytes that are copied when a header is not in the linear part.
///
/// Longest IPv4 header, ICMP, and again IPv4 with the eight bytes that an error quotes at least:
/// 60 + 8 + 60 + 8.
pub const PEEK: usize = 136;

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
}

/// A packet in a hook.
///
/// # Invariants
///
/// `raw` is a valid packet whose data begins with its network header, and `state` the state of the
/// hook that was called for it; nobody else uses the packet until this value is consumed.
pub struct Skb<'a> {
    raw: NonNull<bindings::sk_buff>,
    state: &'a bindings::nf_hook_state,
    _hook: PhantomData<&'a mut bindings::sk_buff>,
}

impl<'a> Skb<'a> {
    /// Makes the packet of a running hook; `None` when its data begins elsewhere than with the
    /// network header, so that all offsets here and in C's functions mean the same.
    ///
    /// # Safety
    ///
    /// `raw` is the packet a netfilter hook was called for, `state` that hook's state, and the
    /// caller returns to netfilter what this value is traded for.
    #[inline]
    pub(crate) unsafe fn from_hook(
        raw: NonNull<bindings::sk_buff>,
        state: &'a bindings::nf_hook_state,
    ) -> Option<Self> {
        // SAFETY: The packet is valid by the caller's promise.
        if unsafe { bindings::rvs_helper_skb_network_offset(raw.as_ptr()) } != 0 {
            return None;
        }
        // INVARIANT: By the caller's promise and the check.
        Some(Self {
            raw,
            state,
            _hook: PhantomData,
        })
    }

    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::sk_buff {
        self.raw.as_ptr()
    }

    /// The namespace that the packet passes, which outlives the hook.
    ///
    /// What is done with a packet happens there: no caller can name another namespace.
    fn net(&self) -> *mut bindings::net {
        self.state.net
    }

    /// Returns the hook point the packet is at.
    #[inline]
    pub fn point(&self) -> Point {
        match u32::from(self.state.hook) {
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

    fn device(&self) -> Option<*mut bindings::net_device> {
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
        !self.route().is_null()
    }

    fn route(&self) -> *mut bindings::dst_entry {
        // SAFETY: The packet is valid, and a hook runs inside an RCU section.
        unsafe { bindings::rvs_helper_skb_dst(self.as_raw()) }
    }

    /// Returns whether the packet's own IPv4 route ends at this host.
    #[inline]
    pub fn has_local_route(&self) -> bool {
        let Some(route) = self.route_v4() else {
            return false;
        };
        // SAFETY: The route belongs to the packet and is one of IPv4.
        unsafe { bindings::rvs_helper_rt_flags(route) & bindings::RTCF_LOCAL != 0 }
    }

    /// Returns whether the packet's own IPv4 route was found for a packet that arrived.
    #[inline]
    pub fn has_input_route(&self) -> bool {
        let Some(route) = self.route_v4() else {
            return false;
        };
        // SAFETY: The route belongs to the packet and is one of IPv4.
        unsafe { bindings::rvs_helper_rt_is_input_route(route) }
    }

    /// The packet's route, if it is one of IPv4: so in IPv4's hooks, where there is one.
    fn route_v4(&self) -> Option<*mut bindings::dst_entry> {
        let route = self.route();
        (self.family() == Family::V4 && !route.is_null()).then_some(route)
    }

    /// Returns whether the packet stands for many on the wire.
    #[inline]
    pub fn is_gso(&self) -> bool {
        // SAFETY: The packet is valid by the type invariant.
        unsafe { bindings::rvs_helper_skb_is_gso(self.as_raw()) }
    }

    /// Returns whether the packet, or each segment of it, fits `mtu`.
    #[inline]
    pub fn fits(&self, mtu: u32) -> bool {
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
        // others who hold a clone only read.
        unsafe { slice::from_raw_parts(data, len as usize) }
    }

    /// Returns the headers: the linear part when it holds [`PEEK`] bytes or all, else a copy.
    ///
    /// Paged data may change underneath, so it is never looked at in place.
    #[inline]
    pub fn peek<'b>(&'b self, buffer: &'b mut [u8; PEEK]) -> &'b [u8] {
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

    /// Copies bytes from `offset` after the network header on; tells whether they were there.
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

    /// Forgets the hardware's sum of the whole packet, which no longer holds.
    #[inline]
    pub fn forget_sum(&mut self) {
        if self.summed() == Summed::Complete {
            self.set_summed(bindings::CHECKSUM_NONE);
        }
    }

    fn set_summed(&mut self, summed: u32) {
        // SAFETY: The packet is valid and ours; the value is one of the four. Its other data is
        // not used by the two that are set here.
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

    /// Returns whether the transport checksum is good as far as anybody needs to know.
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
    /// It is `H` that sends it, and has handled it: where there are other hooks, `H` sees it again
    /// among them.
    ///
    /// # Locking
    ///
    /// Runs hooks, ours among them: hold no lock.
    #[inline]
    pub fn send<H: PacketHook>(mut self, route: Route<'a>) -> Verdict {
        if self.family() == Family::V6 {
            // Routes of IPv6 are not made yet.
            return self.free();
        }
        let family = self.state.pf;
        // SAFETY: The packet is ours by the type invariant.
        unsafe { bindings::rvs_helper_skb_forward_csum(self.as_raw()) };
        if self.has_device() {
            // SAFETY: The packet is ours by the type invariant.
            unsafe { bindings::rvs_helper_skb_clear_tstamp(self.as_raw()) };
        }
        route.attach(&self);
        // After the route, whose helper reads the same bytes at once: see `ipvs::addr::Addr`.
        self.set_handled();
        let own = netfilter::function::<H>();
        // SAFETY: The packet is ours, has a route, and is not used after this. A hook runs inside an
        // RCU section.
        unsafe { bindings::rvs_helper_nf_hook_local_out(family, self.net(), self.as_raw(), own) };
        Verdict::new(bindings::NF_STOLEN)
    }

    /// Puts the packet together with the other fragments of the datagram it is part of.
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

    /// Finds an IPv4 packet a new route, as if it had been made here.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] when there is no route, or no memory for what its device needs in front.
    pub fn reroute(&mut self) -> Result<(), NoMemory> {
        if self.route_v4().is_none() {
            return Ok(());
        }
        // SAFETY: The packet is valid by the type invariant.
        let socket = unsafe { (*self.as_raw()).sk };
        // SAFETY: The packet is one of IPv4, ours and has a route; no slice of its bytes is alive.
        let error = unsafe {
            bindings::ip_route_me_harder(self.net(), socket, self.as_raw(), bindings::RTN_LOCAL)
        };
        if error == 0 {
            Ok(())
        } else {
            Err(NoMemory)
        }
    }

    /// Returns the family of the hook.
    #[inline]
    pub fn family(&self) -> Family {
        if u32::from(self.state.pf) == bindings::NFPROTO_IPV6 {
            Family::V6
        } else {
            Family::V4
        }
    }
}
