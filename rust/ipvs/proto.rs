// SPDX-License-Identifier: GPL-2.0
//! What each transport protocol needs: ports, states, time-outs.
