// SPDX-License-Identifier: GPL-2.0
//! The way of a packet from top to bottom.
