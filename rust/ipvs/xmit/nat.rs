// SPDX-License-Identifier: GPL-2.0
//! What the nat method does to the bytes of a packet.
