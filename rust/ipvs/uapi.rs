// SPDX-License-Identifier: GPL-2.0
//! What user space reads, as bytes.

pub mod procfs;
