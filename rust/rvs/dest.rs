// SPDX-License-Identifier: GPL-2.0
//! Real servers, their counters and the trash.
