// SPDX-License-Identifier: GPL-2.0
//! What belongs into lines of the kernel log, and how many there may be.
//!
//! C header: `include/linux/net.h`, `include/generated/utsrelease.h`

use crate::bindings;
use core::ffi::CStr;

/// The release of the kernel that this module was built for.
pub const RELEASE: &str = match CStr::from_bytes_until_nul(bindings::UTS_RELEASE) {
    Ok(release) => match release.to_str() {
        Ok(release) => release,
        Err(_) => "",
    },
    Err(_) => "",
};

/// Returns whether one more line may be written that users can cause: as many as the network's limit
/// (`net.core.message_cost`) allows.
pub fn may_say() -> bool {
    // SAFETY: May be called anywhere.
    unsafe { bindings::net_ratelimit() != 0 }
}
