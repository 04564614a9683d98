// SPDX-License-Identifier: GPL-2.0
//! Virtual services and their real servers.
//!
//! The packet path takes no lock: it reads the snapshots that commands have published. Commands run
//! one after the other, which they prove by an [`Exclusive`].
#![deny(clippy::wildcard_enum_match_arm)]

mod buckets;
mod by_address;
mod index;
mod lblc;
mod scheduling;
mod server_list;
mod snapshot;
mod table;
mod view;
mod virtual_service;

pub(crate) use table::{Listed, ServiceTable};
pub(crate) use virtual_service::{Exclusive, Service};
