// SPDX-License-Identifier: GPL-2.0
//! Properties of crate `ipvs` that need a model, a stored table or many random cases.

mod checksum;
mod docs;
mod fuzz;
mod ipv6;
mod nat;
mod packet;
mod pe;
mod procfs;
mod proto;
mod rate;
mod sched;
mod sctp;
mod service;
mod snapshot;
mod templates;
mod tunnel;
mod wire;
