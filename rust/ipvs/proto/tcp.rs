// SPDX-License-Identifier: GPL-2.0
//! The TCP state machine of a balancer that sees one or both directions.
