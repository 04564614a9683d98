// SPDX-License-Identifier: GPL-2.0
//! What the local method does to the bytes of a packet.
