// SPDX-License-Identifier: GPL-2.0
//! `ip_vs_conn`, `ip_vs_conn_sync`: connections.

use super::text;
use crate::conn::Conn;
use crate::netns::Netns;
use ipvs::addr::{Endpoint, Family};
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::str::CStr;
use linux::clock::Jiffies;
use linux::net::Net;
use linux::proc::{Cursor, Listing};
use linux::{rcu, table};

/// So many connections are printed at a time, that is in one read section.
const BATCH: usize = 32;

/// `ip_vs_conn`.
pub(super) struct Conns;

impl Listing for Conns {
    const NAME: &'static CStr = c"ip_vs_conn";

    fn header(_net: &Net, out: &SeqFile) {
        header(out, "Expires PEName PEData");
    }

    fn show(net: &Net, after: Cursor, out: &SeqFile) -> Option<Cursor> {
        list(net, after, out, "")
    }
}

/// `ip_vs_conn_sync`: the same, and who made the connection.
pub(super) struct Origins;

impl Listing for Origins {
    const NAME: &'static CStr = c"ip_vs_conn_sync";

    fn header(_net: &Net, out: &SeqFile) {
        header(out, "Origin Expires");
    }

    fn show(net: &Net, after: Cursor, out: &SeqFile) -> Option<Cursor> {
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

/// Shows the next few connections after a place, with `origin` before the time they have left, and
/// returns the place of the last.
fn list(net: &Net, after: Cursor, out: &SeqFile, origin: &str) -> Option<Cursor> {
    let now = Jiffies::now();
    rcu::read(|rcu| {
        let netns = Netns::of(net, rcu)?.get();
        let conns = netns.conns.after(table::Cursor::from_words(after), rcu);
        let mut last = None;
        for conn in conns.take(BATCH) {
            print_start(conn, out);
            let left = conn.time_left(now).seconds();
            seq_print!(out, " {origin}{left:>7}\n");
            last = Some(conn.cursor().words());
        }
        last
    })
}

/// Prints what both listings begin with.
fn print_start(conn: Conn<'_>, out: &SeqFile) {
    let name = text::protocol(u16::from(conn.protocol().0));
    seq_print!(out, "{:<3}", name.unwrap_or("ERR!"));
    print_end(out, conn.family(), conn.client());
    print_end(out, conn.family(), conn.virtual_end());
    print_end(out, conn.dest_family(), conn.dest());
    seq_print!(out, " {:<11}", conn.state_name());
}

fn print_end(out: &SeqFile, family: Family, end: Endpoint) {
    seq_print!(out, " ");
    text::address(out, family, end.addr);
    seq_print!(out, " {:04X}", end.port.host());
}
