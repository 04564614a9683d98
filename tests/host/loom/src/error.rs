// SPDX-License-Identifier: GPL-2.0
//! The kernel crate's `Result`.

/// An errno.
#[derive(Debug)]
pub struct Error;

pub type Result<T = (), E = Error> = core::result::Result<T, E>;
