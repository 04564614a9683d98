// SPDX-License-Identifier: GPL-2.0
//! Statistics of services, real servers and namespaces.
