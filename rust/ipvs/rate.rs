// SPDX-License-Identifier: GPL-2.0
//! Decaying averages of the estimator.
