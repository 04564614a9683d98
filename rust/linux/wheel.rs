// SPDX-License-Identifier: GPL-2.0
//! An expiry wheel drained in process context.
