// SPDX-License-Identifier: GPL-2.0
//! Hashing of keys with a random seed that is an argument.
