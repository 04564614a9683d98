// SPDX-License-Identifier: GPL-2.0
//! Locks that keep softirqs off.
