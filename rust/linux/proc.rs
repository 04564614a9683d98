// SPDX-License-Identifier: GPL-2.0
//! Files below /proc/net.
