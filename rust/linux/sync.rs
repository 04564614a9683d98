// SPDX-License-Identifier: GPL-2.0
//! Atomics under short names: the one swap point for loom.
