// SPDX-License-Identifier: GPL-2.0
//! Schedulers against plain models that walk a list as the specification says, and their properties.

mod chance;
mod complexity;
mod cpus;
mod fixture;
mod lblc;
mod mh;

mod models;
mod properties;
mod server;
mod tables;
mod traces;
mod vectors;
