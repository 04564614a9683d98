// SPDX-License-Identifier: GPL-2.0
//! Route lookups and cached routes.
