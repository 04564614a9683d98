// SPDX-License-Identifier: GPL-2.0
//! Reads IPv4, IPv6 and transport headers from bytes, checking every length.
