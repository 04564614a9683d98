// SPDX-License-Identifier: GPL-2.0
//! What hooks, routes and packets have in common: the family of an address and the points of the stack.
//!
//! Addresses are those of `core::net`.
//!
//! C header: `include/linux/socket.h`, `include/uapi/linux/netfilter.h`

use crate::bindings;
use core::ffi::c_uint;
use core::net::IpAddr;

/// Which Internet protocol an address, a route, a hook or a packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Version 4.
    V4,
    /// Version 6.
    V6,
}

impl Family {
    /// Returns the family of an address.
    pub const fn of(addr: &IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Returns whether the kernel has this family: IPv6 can be left out when it boots.
    pub fn is_enabled(self) -> bool {
        match self {
            Self::V4 => true,
            // SAFETY: May be called anywhere; what it reads is decided before any module comes.
            Self::V6 => unsafe { bindings::rvs_helper_ipv6_mod_enabled() },
        }
    }

    /// Returns C's number, of sockets and netfilter alike.
    #[inline]
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::V4 => bindings::NFPROTO_IPV4 as u8,
            Self::V6 => bindings::NFPROTO_IPV6 as u8,
        }
    }

    /// Returns the family with C's number, of sockets and netfilter alike.
    #[inline]
    pub(crate) const fn from_number(number: u16) -> Option<Self> {
        match number as u32 {
            bindings::NFPROTO_IPV4 => Some(Self::V4),
            bindings::NFPROTO_IPV6 => Some(Self::V6),
            _ => None,
        }
    }
}

/// A place in the stack where packets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Packets that end at this host.
    LocalIn,
    /// Packets that go through this host.
    Forward,
    /// Packets that begin at this host.
    LocalOut,
}

impl Point {
    /// Returns the number of netfilter's hook.
    pub(crate) const fn hook(self) -> c_uint {
        match self {
            Self::LocalIn => bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
            Self::Forward => bindings::nf_inet_hooks_NF_INET_FORWARD,
            Self::LocalOut => bindings::nf_inet_hooks_NF_INET_LOCAL_OUT,
        }
    }
}
