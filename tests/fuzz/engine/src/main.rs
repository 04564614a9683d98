// SPDX-License-Identifier: GPL-2.0
//! One program for all targets: `RVS_FUZZ` names the one that is run.
#![no_main]

use ipvs_fuzz::Target;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("RVS_FUZZ").unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| panic!("RVS_FUZZ names no target: '{name}'"))
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
