// SPDX-License-Identifier: GPL-2.0
//! A packet that goes into another one, which this host sends.
//!
//! C header: `include/net/ip_tunnels.h`, `include/net/ip.h`, `include/net/ipv6.h`

use crate::bindings;
use crate::inet::Family;
use crate::route::Route;
use crate::skb::{NoMemory, Skb, Summed, Verdict};

/// What is between the outer network header and the packet, as those have to know that cut it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Nothing.
    Nothing,
    /// UDP and what else there is.
    Udp {
        /// It has a checksum.
        summed: bool,
        /// The other end makes the inner checksum.
        remote: bool,
    },
    /// GRE.
    Gre {
        /// It has a checksum.
        summed: bool,
    },
}

/// What the packet is to what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// The payload of IP with this protocol number.
    Protocol(u8),
    /// What a frame of this type would hold.
    FrameType(u16),
}

/// Headers that come in front of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// All their bytes, the network header without options first.
    pub bytes: &'a [u8],
    /// The family of the network header.
    pub family: Family,
    /// What is behind it.
    pub between: Between,
    /// What the packet is.
    pub inner: Inner,
    /// Which checksum is left to the hardware.
    pub left: Left,
}

/// The checksum that is left to the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// That of the packet, if it was before.
    Inner,
    /// That of all behind the outer network header, in a field so many bytes behind it.
    Outer(u16),
}

impl Headers<'_> {
    /// Returns the length of the network header, if the bytes begin with a whole one of the family.
    fn network(&self) -> Option<u16> {
        let (length, first) = match self.family {
            Family::V4 => (20, 0x45..=0x45),
            Family::V6 => (40, 0x60..=0x6f),
        };
        let is_whole = self.bytes.len() >= usize::from(length);
        (is_whole && first.contains(self.bytes.first()?)).then_some(length)
    }

    fn gso_types(&self) -> i32 {
        let outer = match self.family {
            Family::V4 => bindings::SKB_GSO_IPXIP4,
            Family::V6 => bindings::SKB_GSO_IPXIP6,
        };
        outer
            | match self.between {
                Between::Nothing => 0,
                Between::Udp { summed, remote } => {
                    let remote = match remote {
                        true => bindings::SKB_GSO_TUNNEL_REMCSUM,
                        false => 0,
                    };
                    match summed {
                        true => remote | bindings::SKB_GSO_UDP_TUNNEL_CSUM,
                        false => remote | bindings::SKB_GSO_UDP_TUNNEL,
                    }
                }
                Between::Gre { summed: true } => bindings::SKB_GSO_GRE_CSUM,
                Between::Gre { summed: false } => bindings::SKB_GSO_GRE,
            }
    }
}

/// A packet that is in another one, which has no route yet.
pub struct Wrapped<'a> {
    skb: Skb<'a>,
    family: Family,
}

impl<'a> Skb<'a> {
    /// Makes room in front for `len` bytes and for what the device of `route` needs in front of them.
    ///
    /// # Errors
    ///
    /// [`NoMemory`].
    pub fn make_room_for(&mut self, len: u16, route: &Route<'_>) -> Result<(), NoMemory> {
        let room = route.reserved_space().saturating_add(u32::from(len));
        // SAFETY: The packet is valid and ours, no slice of its bytes is alive.
        match unsafe { bindings::rvs_helper_skb_cow_head(self.as_raw(), room) } {
            0 => Ok(()),
            _ => Err(NoMemory),
        }
    }

    /// Returns where the bytes begin that the transport checksum is of, from the network header on, and
    /// where its field is after that; `None` if it is not left to the hardware.
    pub fn left_checksum(&self) -> Option<(u16, u16)> {
        if self.summed() != Summed::Partial {
            return None;
        }
        // SAFETY: The packet is valid by its type invariant, and its checksum is left to the hardware.
        let start = unsafe { bindings::rvs_helper_skb_checksum_start_offset(self.as_raw()) };
        // SAFETY: The packet is valid, and where its checksum is to be is known as it is left to do.
        let field = unsafe { bindings::rvs_helper_skb_csum_offset(self.as_raw()) };
        Some((u16::try_from(start).ok()?, field))
    }

    /// Returns the UDP port from which this host sends packets of the flow that the packet belongs to,
    /// in network order.
    pub fn flow_port(&mut self) -> [u8; 2] {
        // SAFETY: The packet is valid and ours, its namespace alive.
        unsafe { bindings::rvs_helper_udp_flow_src_port(self.net(), self.as_raw()) }.to_ne_bytes()
    }

    /// Tells the socket on this host that sent the packet, if one did, how many bytes fit.
    pub fn notify_sender(&mut self, mtu: u32) {
        // SAFETY: The packet is valid by its type invariant.
        let socket = unsafe { (*self.as_raw()).sk };
        if self.has_device() || socket.is_null() {
            return;
        }
        // SAFETY: A packet's socket lives as long as the packet.
        if !unsafe { bindings::rvs_helper_sk_fullsock(socket) } {
            return;
        }
        let Some(route) = self.route() else { return };
        // SAFETY: Route and socket are valid as long as the packet has them.
        unsafe { bindings::rvs_helper_dst_update_pmtu(route.as_raw(), socket, mtu) };
    }

    /// Puts headers in front of the packet.
    ///
    /// # Errors
    ///
    /// The packet, of no use any more, when there is no room or no memory, when the headers do not begin
    /// as one of their family does, or when they take the checksums of segments away.
    pub fn wrap(mut self, headers: &Headers<'_>) -> Result<Wrapped<'a>, Self> {
        let Some(network) = headers.network() else {
            return Err(self);
        };
        // SAFETY: The packet is valid by its type invariant.
        let room = unsafe { bindings::rvs_helper_skb_headroom(self.as_raw()) };
        let is_cut = self.is_gso() && headers.left != Left::Inner;
        let fits = headers.bytes.len() <= room as usize;
        if is_cut || !fits || !self.prepare_offloads(headers) {
            return Err(self);
        }
        self.describe_inner(headers.inner);
        self.push(headers, network);
        if !self.leave(headers.left, network) {
            return Err(self);
        }
        self.clear_control(headers.family);
        Ok(Wrapped {
            skb: self,
            family: headers.family,
        })
    }

    /// Has the offsets of the headers kept as those of the inner packet; returns whether there was memory.
    fn prepare_offloads(&mut self, headers: &Headers<'_>) -> bool {
        let types = headers.gso_types();
        // SAFETY: The packet is valid and ours; no slice of its bytes is alive.
        unsafe { bindings::iptunnel_handle_offloads(self.as_raw(), types) == 0 }
    }

    fn describe_inner(&mut self, inner: Inner) {
        // SAFETY: The packet is valid and ours.
        unsafe { bindings::rvs_helper_skb_set_inner_mac_header(self.as_raw()) };
        match inner {
            // SAFETY: The packet is valid and ours.
            Inner::Protocol(number) => unsafe {
                bindings::rvs_helper_skb_set_inner_ipproto(self.as_raw(), number)
            },
            // SAFETY: The packet is valid and ours.
            Inner::FrameType(number) => unsafe {
                bindings::rvs_helper_skb_set_inner_protocol(self.as_raw(), number.to_be())
            },
        }
    }

    /// Puts the bytes in front; there is room for them.
    fn push(&mut self, headers: &Headers<'_>, network: u16) {
        // SAFETY: The packet is valid and ours, its first bytes no clone reads, and there is as much room,
        // which is less than 64 KiB.
        let at = unsafe { bindings::skb_push(self.as_raw(), headers.bytes.len() as u32) };
        let (from, len) = (headers.bytes.as_ptr(), headers.bytes.len());
        // SAFETY: `at` begins as many bytes, which are ours and new.
        unsafe { core::ptr::copy_nonoverlapping(from, at.cast::<u8>(), len) };
        // SAFETY: The packet is valid and ours, and begins with its network header.
        unsafe { bindings::rvs_helper_skb_reset_network_header(self.as_raw()) };
        // SAFETY: The packet is valid and ours, and has more bytes than that.
        unsafe { bindings::rvs_helper_skb_set_transport_header(self.as_raw(), i32::from(network)) };
    }

    /// Says which checksum is left to the hardware; returns whether that can be.
    fn leave(&mut self, left: Left, network: u16) -> bool {
        match left {
            Left::Inner => true,
            Left::Outer(field) => {
                self.forget_partial();
                self.leave_sum(network, field)
            }
        }
    }

    /// Has no checksum left to the hardware, and with that no inner headers to care for.
    fn forget_partial(&mut self) {
        self.set_summed(bindings::CHECKSUM_NONE);
        // SAFETY: The packet is valid and ours.
        unsafe { bindings::rvs_helper_skb_set_encapsulation(self.as_raw(), false) };
    }

    /// Forgets what a hook of the packet's family has noted about the packet's own header.
    fn clear_control(&mut self, outer: Family) {
        if self.family() == outer {
            // SAFETY: The packet is valid and ours, and in a hook of IP, which owns what is cleared here.
            unsafe { bindings::rvs_helper_ipcb_clear_options(self.as_raw()) };
        } else {
            // SAFETY: The packet is valid and ours, and in a hook: the other family owns this from now on.
            unsafe { bindings::rvs_helper_skb_clear_cb(self.as_raw()) };
        }
    }
}

impl<'a> Wrapped<'a> {
    /// Sends the outer packet along `route`, through the hooks of what leaves this host.
    ///
    /// It is marked as handled. A route of another family frees it.
    ///
    /// # Locking
    ///
    /// Runs hooks, ours among them: hold no lock.
    pub fn send(self, route: Route<'a>) -> Verdict {
        let Self { mut skb, family } = self;
        if route.family() != family {
            return skb.free();
        }
        let net = skb.net();
        if skb.has_device() {
            skb.clear_timestamp();
        }
        if family == Family::V4 {
            // SAFETY: The packet is ours and begins with a header of IPv4.
            unsafe { bindings::rvs_helper_ip_select_ident(net, skb.as_raw()) };
        }
        skb.allow_fragmenting();
        skb.set_route(route);
        skb.set_handled();
        // SAFETY: The packet is ours until it is sent, so its fields can be read.
        let socket = unsafe { (*skb.as_raw()).sk };
        match family {
            // SAFETY: The packet is ours, begins with a header of IPv4, has a route, and is not used after
            // this. A hook runs inside an RCU section.
            Family::V4 => unsafe { bindings::ip_local_out(net, socket, skb.as_raw()) },
            // SAFETY: The same with IPv6.
            Family::V6 => unsafe { bindings::ip6_local_out(net, socket, skb.as_raw()) },
        };
        Verdict::stolen()
    }
}
