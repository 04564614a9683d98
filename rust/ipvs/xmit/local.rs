// SPDX-License-Identifier: GPL-2.0
//! The real server is the director: the packet goes on as it is, and no byte changes.
