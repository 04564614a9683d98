// SPDX-License-Identifier: GPL-2.0
//! Finds the packet inside an ICMP error and rewrites it.
