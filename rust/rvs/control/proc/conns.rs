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
        seq_print!(
            out,
            "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires "
        );
        seq_print!(out, "PEName PEData\n");
    }

    fn show(net: &Net, after: Cursor, out: &SeqFile) -> Option<Cursor> {
        list(net, after, |conn, now| {
            print_start(conn, out);
            seq_print!(out, " {:>7}\n", conn.time_left(now).seconds());
        })
    }
}

/// `ip_vs_conn_sync`: the same, and who made the connection.
pub(super) struct Origins;

impl Listing for Origins {
    const NAME: &'static CStr = c"ip_vs_conn_sync";

    fn header(_net: &Net, out: &SeqFile) {
        seq_print!(
            out,
            "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin "
        );
        seq_print!(out, "Expires\n");
    }

    fn show(net: &Net, after: Cursor, out: &SeqFile) -> Option<Cursor> {
        list(net, after, |conn, now| {
            print_start(conn, out);
            seq_print!(out, " LOCAL  {:>7}\n", conn.time_left(now).seconds());
        })
    }
}

/// Shows the next few connections after a place and returns that of the last.
fn list(net: &Net, after: Cursor, print: impl Fn(Conn<'_>, Jiffies)) -> Option<Cursor> {
    let now = Jiffies::now();
    rcu::read(|rcu| {
        let netns = Netns::of(net, rcu)?.get();
        let conns = netns.conns.after(table::Cursor::from_words(after), rcu);
        let mut last = None;
        for conn in conns.take(BATCH) {
            print(conn, now);
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
