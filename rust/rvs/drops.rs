// SPDX-License-Identifier: GPL-2.0
//! Named and counted reasons for dropping a packet.
