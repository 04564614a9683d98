// SPDX-License-Identifier: GPL-2.0
//! A sysctl directory per network namespace.
