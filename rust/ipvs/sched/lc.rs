// SPDX-License-Identifier: GPL-2.0
//! The lc scheduler.
