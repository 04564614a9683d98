// SPDX-License-Identifier: GPL-2.0
//! What user space reads and writes, as bytes.

pub mod procfs;
pub mod sockopt;

/// The version of IPVS that users see.
pub const VERSION: &str = "1.2.1";
