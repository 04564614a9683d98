// SPDX-License-Identifier: GPL-2.0
//! Carries out a transmit plan: route, headroom, output.
