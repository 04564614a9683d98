// SPDX-License-Identifier: GPL-2.0
//! Commands common to all front ends: add, edit, delete, list.
mod genl;
mod proc;
mod sysctl;
