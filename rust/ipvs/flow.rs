// SPDX-License-Identifier: GPL-2.0
//! The key of a connection: its two directions, equality, hashing input.
