// SPDX-License-Identifier: GPL-2.0
//! What only a live kernel can show about crate `linux`; one file for each of its files.

mod percpu;
