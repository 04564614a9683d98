// SPDX-License-Identifier: GPL-2.0
//! A socket buffer borrowed by a netfilter hook.
