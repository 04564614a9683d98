// SPDX-License-Identifier: GPL-2.0
//! What users read below `/proc/net`.

mod conns;
mod services;
mod stats;
mod status;
mod text;

use crate::drops::Drop;
use crate::netns::Netns;
use kernel::prelude::*;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::str::CStr;
use linux::net::Net;
use linux::proc::{Cursor, File, Listing};

/// All files of one namespace.
pub(crate) struct Files {
    _app: File<Apps>,
    _conns: File<conns::Conns>,
    _drops: File<Drops>,
    _origins: File<conns::Origins>,
    _per_cpu: File<stats::PerCpu>,
    _services: File<services::Services>,
    _status: File<status::Status>,
    _totals: File<stats::Totals>,
}

impl Files {
    /// Makes the files.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(net: &Net) -> Result<Self> {
        Ok(Self {
            _app: File::new(net)?,
            _conns: File::new(net)?,
            _drops: File::new(net)?,
            _origins: File::new(net)?,
            _per_cpu: File::new(net)?,
            _services: File::new(net)?,
            _status: File::new(net)?,
            _totals: File::new(net)?,
        })
    }
}

/// `ip_vs_app`: protocol helpers, of which there are none yet.
struct Apps;

impl Listing for Apps {
    const NAME: &'static CStr = c"ip_vs_app";

    fn header(_net: &Net, out: &SeqFile) {
        seq_print!(out, "prot port    usecnt name\n");
    }

    fn show(_net: &Net, _after: Cursor, _out: &SeqFile) -> Option<Cursor> {
        None
    }
}

/// `rvs_drops`: why packets were thrown away, and how many.
struct Drops;

impl Listing for Drops {
    const NAME: &'static CStr = c"rvs_drops";

    fn header(net: &Net, out: &SeqFile) {
        let Ok(netns) = Netns::get(net) else { return };
        for reason in Drop::ALL {
            seq_print!(out, "{:<16} {}\n", reason.name(), netns.drops.get(reason));
        }
    }

    fn show(_net: &Net, _after: Cursor, _out: &SeqFile) -> Option<Cursor> {
        None
    }
}
