// SPDX-License-Identifier: GPL-2.0
//! One's-complement sums and their incremental updates (RFC 1624).
