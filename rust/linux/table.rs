// SPDX-License-Identifier: GPL-2.0
//! A split-ordered hash list whose readers take no lock.
