// SPDX-License-Identifier: GPL-2.0
//! Cooperation with connection tracking.
