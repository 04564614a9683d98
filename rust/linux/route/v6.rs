// SPDX-License-Identifier: GPL-2.0
//! Routes of IPv6.
//!
//! C header: `include/net/ip6_fib.h`

use crate::bindings;
use core::ptr::NonNull;

/// Returns whether a route ends at this host.
///
/// # Safety
///
/// `dst` is a valid route of IPv6.
#[inline]
pub(super) unsafe fn is_local(dst: NonNull<bindings::dst_entry>) -> bool {
    // SAFETY: By the caller's promise.
    let flags = unsafe { bindings::rvs_helper_rt6_flags(dst.as_ptr()) };
    flags & bindings::RTF_LOCAL != 0
}

/// Returns what tells a route that is remembered from what the routing tables say later.
///
/// # Safety
///
/// `dst` is a valid route of IPv6.
pub(super) unsafe fn cookie(dst: NonNull<bindings::dst_entry>) -> u32 {
    // SAFETY: By the caller's promise.
    unsafe { bindings::rvs_helper_rt6_get_cookie(dst.as_ptr()) }
}
