// SPDX-License-Identifier: GPL-2.0
//! The table of targets.

mod genl;
mod icmp;
mod parse;
mod pe;
mod plan;
mod proto;
mod quoted;
mod rewrite;
mod tunnel;

/// One question that is asked about any bytes.
pub struct Target {
    /// What it is called, and the folder of its inputs.
    pub name: &'static str,
    /// Asks it; panics when the answer is wrong.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "parse",
        run: parse::run,
    },
    Target {
        name: "rewrite",
        run: rewrite::run,
    },
    Target {
        name: "tunnel",
        run: tunnel::run,
    },
    Target {
        name: "icmp",
        run: icmp::run,
    },
    Target {
        name: "plan",
        run: plan::run,
    },
    Target {
        name: "proto",
        run: proto::run,
    },
    Target {
        name: "genl",
        run: genl::run,
    },
    Target {
        name: "pe",
        run: pe::run,
    },
];

impl Target {
    /// Returns the target with a name.
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }
}
