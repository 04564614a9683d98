// SPDX-License-Identifier: GPL-2.0
//! The files below /proc/net.
