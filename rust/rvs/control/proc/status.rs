// SPDX-License-Identifier: GPL-2.0
//! `ip_vs_status`: how full the tables are.
//!
//! The table of connections has no buckets of its own. What is shown is how its entries would
//! lie in as many buckets as `ip_vs` would have, by the same hash.

use crate::netns::Netns;
use core::ops::ControlFlow;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::str::CStr;
use linux::net::Net;
use linux::proc::Listing;
use linux::table;

/// `ip_vs_status`.
pub(super) struct Status;

impl Listing for Status {
    const NAME: &'static CStr = c"ip_vs_status";
    const MODE: u16 = 0o440;

    fn header(net: &Net, out: &SeqFile) {
        let Ok(netns) = Netns::get(net) else { return };
        let count = netns.conns.count();
        let conns = BucketCounts {
            name: "Conn",
            size: netns.conns.size(),
            factor: netns.config.conn_lfactor.get(),
        };
        seq_print!(out, "Conns:\t{count}\n");
        conns.print(out);
        if count > 0 {
            conns.print_lengths(out, conn_lengths(&netns, conns.size));
        }
        let count = netns.services.count();
        let services = BucketCounts {
            name: "Service",
            size: netns.services.buckets() as u64,
            factor: netns.config.svc_lfactor.get(),
        };
        seq_print!(out, "Services:\t{count}\n");
        services.print(out);
        if count > 0 {
            services.print_lengths(out, netns.services.lengths().map(u64::from));
        }
        // Statistics need no thread.
        seq_print!(out, "Stats thread slots:\t0 (max 0)\n");
        seq_print!(out, "Stats chain max len:\t0\nStats thread ests:\t0\n");
    }
}

/// How many buckets there are of each length; the last counts all that are longer, too.
type Lengths = [u64; 8];

/// The buckets of one table.
struct BucketCounts {
    name: &'static str,
    size: u64,
    factor: i32,
}

impl BucketCounts {
    fn print(&self, out: &SeqFile) {
        let Self { name, size, .. } = self;
        let bits = size.checked_ilog2().unwrap_or(0);
        let factor = if *size == 0 { 0 } else { self.factor };
        seq_print!(
            out,
            "{name} buckets:\t{size} ({bits} bits, lfactor {factor})\n"
        );
    }

    fn print_lengths(&self, out: &SeqFile, lengths: Lengths) {
        let [empty, lengths @ ..] = lengths;
        let share = percent(empty, self.size);
        seq_print!(out, "{} buckets empty:\t{empty} ({share}%)\n", self.name);
        let used = self.size.saturating_sub(empty);
        for (length, count) in (1_u32..).zip(lengths) {
            if count > 0 {
                let share = percent(count, used);
                seq_print!(
                    out,
                    "{} buckets len-{length}:\t{count} ({share}%)\n",
                    self.name
                );
            }
        }
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

/// Counts the buckets of a table of connections with `size` of them.
///
/// Entries come in the order of their hashes, so those of a bucket come together.
fn conn_lengths(netns: &Netns, size: u64) -> Lengths {
    let shift = 32_u32.saturating_sub(size.checked_ilog2().unwrap_or(0));
    let mut runs = Runs::default();
    netns.conns.visit(table::Cursor::START, |conn, _rcu| {
        let [order, _] = conn.cursor().words();
        runs.add(order.checked_shr(shift).unwrap_or(0));
        ControlFlow::Continue(())
    });
    runs.finish(size)
}

/// Turns bucket numbers that come in order into lengths.
#[derive(Default)]
struct Runs {
    lengths: Lengths,
    bucket: u64,
    length: usize,
}

impl Runs {
    fn add(&mut self, bucket: u64) {
        if bucket != self.bucket {
            self.close();
            self.bucket = bucket;
        }
        self.length = self.length.saturating_add(1);
    }

    fn close(&mut self) {
        let length = core::mem::take(&mut self.length);
        if length > 0 {
            self.count(length, 1);
        }
    }

    fn count(&mut self, length: usize, buckets: u64) {
        if let Some(count) = self.lengths.get_mut(length.min(7)) {
            *count = count.saturating_add(buckets);
        }
    }

    fn finish(mut self, size: u64) -> Lengths {
        self.close();
        let used = self
            .lengths
            .iter()
            .fold(0, |sum: u64, count| sum.saturating_add(*count));
        self.count(0, size.saturating_sub(used));
        self.lengths
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_status))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn runs_become_lengths() {
        assert_eq!(lengths(&[], 4), [4, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(lengths(&[0], 4), [3, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(lengths(&[0, 0, 2], 4), [2, 1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(lengths(&[3; 9], 4), [3, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn percent_of_nothing_is_nothing() {
        assert_eq!(percent(3, 0), 0);
        assert_eq!(percent(1, 3), 33);
    }

    fn lengths(buckets: &[u64], size: u64) -> Lengths {
        let mut runs = Runs::default();
        buckets.iter().for_each(|bucket| runs.add(*bucket));
        runs.finish(size)
    }
}
