// SPDX-License-Identifier: GPL-2.0
//! The life of a connection: create, find, refresh, expire.
