// SPDX-License-Identifier: GPL-2.0
//! The identity and the settings of a virtual service and of a real server.
