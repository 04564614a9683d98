// SPDX-License-Identifier: GPL-2.0
//! `ip_vs_conn`, `ip_vs_conn_sync`: connections.

use crate::conn::Conn;
use crate::netns::Netns;
use core::ops::ControlFlow;
use ipvs::uapi::procfs::{self, Line};
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::str::CStr;
use linux::clock::Jiffies;
use linux::net::Net;
use linux::proc::{Cursor, Lines, Listing};
use linux::table;

/// `ip_vs_conn`.
pub(super) struct Conns;

impl Listing for Conns {
    const NAME: &'static CStr = c"ip_vs_conn";

    fn header(_net: &Net, out: &SeqFile) {
        header(out, "Expires PEName PEData");
    }

    fn show(net: &Net, after: Cursor, out: &mut Lines<'_>) -> Option<Cursor> {
        list(net, after, out, "")
    }
}

/// `ip_vs_conn_sync`: the same, and the origin of the connection.
pub(super) struct Origins;

impl Listing for Origins {
    const NAME: &'static CStr = c"ip_vs_conn_sync";

    fn header(_net: &Net, out: &SeqFile) {
        header(out, "Origin Expires");
    }

    fn show(net: &Net, after: Cursor, out: &mut Lines<'_>) -> Option<Cursor> {
        list(net, after, out, "LOCAL  ")
    }
}

/// Prints the names of the columns: those that both listings have, and `last`.
fn header(out: &SeqFile, last: &str) {
    seq_print!(
        out,
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       {last}\n"
    );
}

/// Shows the next connections after a place, with `origin` before the time they have left, and
/// returns the place of the last.
fn list(net: &Net, after: Cursor, out: &mut Lines<'_>, origin: &str) -> Option<Cursor> {
    let now = Jiffies::now();
    let mut line = Line::new();
    let netns = Netns::get(net).ok()?;
    let mut last = None;
    netns.conns.visit(table::Cursor::from_words(after), |conn| {
        line.clear();
        line.conn(&shown(conn, origin, now));
        if out.put(line.bytes()).is_err() {
            return ControlFlow::Break(());
        }
        last = Some(conn.cursor());
        ControlFlow::Continue(())
    });
    last.map(table::Cursor::words)
}

fn shown<'a>(conn: Conn<'_>, origin: &'a str, now: Jiffies) -> procfs::Conn<'a> {
    procfs::Conn {
        protocol: conn.protocol(),
        client: conn.client(),
        virtual_end: conn.virtual_end(),
        dest: conn.shown_dest(),
        state: conn.state_name(),
        origin,
        seconds_left: conn.time_left(now).seconds(),
    }
}
