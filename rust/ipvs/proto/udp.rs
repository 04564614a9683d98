// SPDX-License-Identifier: GPL-2.0
//! The single UDP state.
