// SPDX-License-Identifier: GPL-2.0
//! `ip_vs_stats`, `ip_vs_stats_percpu`: what a namespace counted.

use crate::netns::Netns;
use ipvs::rate::{Counter, Samples};
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::str::CStr;
use linux::net::Net;
use linux::percpu::cpus;
use linux::proc::Listing;

/// `ip_vs_stats`.
pub(super) struct Totals;

impl Listing for Totals {
    const NAME: &'static CStr = c"ip_vs_stats";

    fn header(net: &Net, out: &SeqFile) {
        let Ok(netns) = Netns::get(net) else { return };
        let samples = netns.stats.shown();
        seq_print!(
            out,
            "   Total Incoming Outgoing         Incoming         Outgoing\n"
        );
        seq_print!(
            out,
            "   Conns  Packets  Packets            Bytes            Bytes\n"
        );
        row(out, counted(&samples));
        seq_print!(
            out,
            "\n Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
        );
        row(out, rates(&samples));
    }
}

/// `ip_vs_stats_percpu`.
pub(super) struct PerCpu;

impl Listing for PerCpu {
    const NAME: &'static CStr = c"ip_vs_stats_percpu";

    fn header(net: &Net, out: &SeqFile) {
        let Ok(netns) = Netns::get(net) else { return };
        seq_print!(
            out,
            "       Total Incoming Outgoing         Incoming         Outgoing\n"
        );
        seq_print!(
            out,
            "CPU    Conns  Packets  Packets            Bytes            Bytes\n"
        );
        for cpu in cpus() {
            seq_print!(out, "{:>3X} ", cpu.number());
            row(out, netns.stats.on_cpu(cpu));
        }
        let samples = netns.stats.shown();
        seq_print!(out, "  ~ ");
        row(out, counted(&samples));
        seq_print!(
            out,
            "\n     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n    "
        );
        row(out, rates(&samples));
    }
}

fn counted(samples: &Samples) -> [u64; Counter::COUNT] {
    Counter::ALL.map(|counter| samples.total(counter))
}

fn rates(samples: &Samples) -> [u64; Counter::COUNT] {
    Counter::ALL.map(|counter| samples.per_second(counter))
}

/// Prints one value of each counter.
fn row(out: &SeqFile, values: [u64; Counter::COUNT]) {
    let [conns, in_packets, out_packets, in_bytes, out_bytes] = values;
    seq_print!(
        out,
        "{conns:>8X} {in_packets:>8X} {out_packets:>8X} {in_bytes:>16X} {out_bytes:>16X}\n"
    );
}
