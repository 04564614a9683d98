// SPDX-License-Identifier: GPL-2.0
//! What users read below `/proc/net`.

mod conns;
mod services;
mod stats;
mod status;

use crate::netns::Netns;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::str::CStr;
use linux::net::{Handle, Net};
use linux::proc::{create, Listing};

/// Makes all files of one namespace.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn create_all(handle: &Handle) -> Result {
    create::<Apps>(handle)?;
    create::<conns::Conns>(handle)?;
    create::<conns::Origins>(handle)?;
    create::<Drops>(handle)?;
    create::<services::Services>(handle)?;
    create::<stats::PerCpu>(handle)?;
    create::<stats::Totals>(handle)?;
    create::<status::Status>(handle)
}

/// `ip_vs_app`: protocol helpers, of which there are none yet.
struct Apps;

impl Listing for Apps {
    const NAME: &'static CStr = c"ip_vs_app";

    fn header(_net: &Net, out: &SeqFile) {
        seq_print!(out, "prot port    usecnt name\n");
    }
}

/// `rvs_drops`: why packets were thrown away, and how many.
struct Drops;

impl Listing for Drops {
    const NAME: &'static CStr = c"rvs_drops";

    fn header(net: &Net, out: &SeqFile) {
        let Ok(netns) = Netns::get(net) else { return };
        for (reason, count) in netns.drops.all() {
            seq_print!(out, "{:<16} {}\n", reason.name(), count);
        }
    }
}
