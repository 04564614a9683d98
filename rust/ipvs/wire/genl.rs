// SPDX-License-Identifier: GPL-2.0
//! The IPVS generic netlink messages.
