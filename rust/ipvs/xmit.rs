// SPDX-License-Identifier: GPL-2.0
//! Forwarding methods: what is to happen with a packet, as a value.
