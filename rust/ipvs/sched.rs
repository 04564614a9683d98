// SPDX-License-Identifier: GPL-2.0
//! Schedulers: which real server gets a new connection.
