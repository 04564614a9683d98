// SPDX-License-Identifier: GPL-2.0
//! Schedulers against plain models that walk a list as the specification says, and their laws.

mod fixture;
mod lives;
mod locality;
mod models;
mod server;
mod tables;
mod vectors;
