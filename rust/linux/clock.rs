// SPDX-License-Identifier: GPL-2.0
//! Jiffies and seconds.
