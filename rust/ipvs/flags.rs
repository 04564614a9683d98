// SPDX-License-Identifier: GPL-2.0
//! The flag sets that user space sees on connections, services and destinations.
