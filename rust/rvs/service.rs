// SPDX-License-Identifier: GPL-2.0
//! Virtual services and their lookup.
