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
        let columns = Columns {
            origin: "",
            has_data: true,
        };
        list(net, after, out, &columns)
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
        let columns = Columns {
            origin: "LOCAL  ",
            has_data: false,
        };
        list(net, after, out, &columns)
    }
}

/// Prints the names of the columns: those that both listings have, and `last`.
fn header(out: &SeqFile, last: &str) {
    seq_print!(
        out,
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       {last}\n"
    );
}

/// The columns that the listings do not share.
struct Columns {
    /// The origin, which is shown before the time that a connection has left.
    origin: &'static str,
    /// Whether the listing shows what engines took from packets.
    has_data: bool,
}

/// Shows the next connections after a place, and returns the place of the last.
fn list(net: &Net, after: Cursor, out: &mut Lines<'_>, columns: &Columns) -> Option<Cursor> {
    let now = Jiffies::now();
    let mut line = Line::new();
    let netns = Netns::get(net).ok()?;
    let mut last = None;
    let from = table::Cursor::from_words(after);
    netns.conns.visit(from, |conn, rcu| {
        line.clear();
        let data = conn.engine_data(rcu).filter(|_| columns.has_data);
        line.conn(&procfs::Conn {
            origin: columns.origin,
            data: data.map(|data| (data.engine(), data.bytes())),
            ..shown(conn, now)
        });
        if out.put(line.bytes()).is_err() {
            return ControlFlow::Break(());
        }
        last = Some(conn.cursor());
        ControlFlow::Continue(())
    });
    last.map(table::Cursor::words)
}

fn shown(conn: Conn<'_>, now: Jiffies) -> procfs::Conn<'static> {
    procfs::Conn {
        protocol: conn.protocol(),
        client: conn.client(),
        virtual_endpoint: conn.virtual_endpoint(),
        dest: conn.shown_dest(),
        state: conn.state_name(),
        origin: "",
        seconds_left: conn.time_left(now).seconds(),
        data: None,
    }
}
