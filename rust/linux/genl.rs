// SPDX-License-Identifier: GPL-2.0
//! A generic netlink family with operations.
