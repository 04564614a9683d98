// SPDX-License-Identifier: GPL-2.0
//! Everything one network namespace owns, in one struct.
