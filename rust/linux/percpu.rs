// SPDX-License-Identifier: GPL-2.0
//! Per-CPU counters.
