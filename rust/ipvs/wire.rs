// SPDX-License-Identifier: GPL-2.0
//! Reads and writes user space formats; errors of malformed input.
