// SPDX-License-Identifier: GPL-2.0
//! Commands common to all front ends: add, edit, delete, list.
mod genl;
pub(crate) mod proc;
mod sysctl;
