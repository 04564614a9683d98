// SPDX-License-Identifier: GPL-2.0
//! Addresses, ports, protocols and endpoints in network order.
