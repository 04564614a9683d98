// SPDX-License-Identifier: GPL-2.0
//! The settings of one namespace.
