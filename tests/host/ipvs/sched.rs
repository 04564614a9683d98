// SPDX-License-Identifier: GPL-2.0
//! Schedulers against plain models that walk a list as the specification says, and their laws.

mod chance;
mod cpus;
mod effort;
mod fixture;
mod laws;
mod lives;
mod locality;
mod mh;

mod models;
mod server;
mod tables;
mod vectors;
