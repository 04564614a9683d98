// SPDX-License-Identifier: GPL-2.0
//! The directory net/ipv4/vs.
