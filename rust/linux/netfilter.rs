// SPDX-License-Identifier: GPL-2.0
//! Netfilter hook registration.
