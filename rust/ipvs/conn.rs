// SPDX-License-Identifier: GPL-2.0
//! What is decided about connections.

pub mod overtime;
pub mod reuse;
pub mod state;
pub mod template;
