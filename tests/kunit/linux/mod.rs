// SPDX-License-Identifier: GPL-2.0
//! What only a live kernel can show about crate `linux`; one file for each of its files.

mod caught;
mod clock;
mod encap;
mod net;
mod percpu;
mod rcu;
mod route;
mod skb;
mod table;
mod wheel;
mod work;
