// SPDX-License-Identifier: GPL-2.0
//! Readers, published pointers and deferred release.
