// SPDX-License-Identifier: GPL-2.0
//! Netdevice and module notifiers.
