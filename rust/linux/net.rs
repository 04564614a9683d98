// SPDX-License-Identifier: GPL-2.0
//! Network namespaces and what this module keeps in each.
