// SPDX-License-Identifier: GPL-2.0
//! Work items that can be cancelled.
