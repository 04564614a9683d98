// SPDX-License-Identifier: GPL-2.0
//! `/proc/sys/net/ipv4/vs/`: names, and what may be written.

use super::Session;
use crate::defence::{self, Measure};
use crate::netns::Netns;
use kernel::prelude::*;
use kernel::str::CStr;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::net::Net;
use linux::rcu::Arc;
use linux::sysctl::{Content, Directory, File, OutOfRange, Writers};

/// How far a load factor may go either way.
const LOAD_FACTORS: core::ops::RangeInclusive<i32> = -8..=8;

impl Directory for Netns {
    type Handle = Arc<Self>;

    const PATH: &'static CStr = c"net/ipv4/vs";

    const FILES: &'static [File<Self>] = &[
        int(c"amemthresh", |n| &n.config.defence.amemthresh, any),
        int(c"am_droprate", |n| &n.config.defence.am_droprate, any),
        command(
            c"conn_max",
            |n| n.config.conn_max.get(),
            |n, _, value| n.config.conn_max.set(value),
        ),
        command(
            c"drop_entry",
            |n| n.config.defence.drop_entry.mode().number(),
            |n, _, mode| set_measure(n, &n.config.defence.drop_entry, mode),
        ),
        command(
            c"drop_packet",
            |n| n.config.defence.drop_packet.mode().number(),
            |n, _, mode| set_measure(n, &n.config.defence.drop_packet, mode),
        ),
        int(c"conntrack", |n| &n.config.conntrack.0, any),
        command(
            c"secure_tcp",
            |n| n.config.defence.secure_tcp.mode().number(),
            |n, _, mode| set_measure(n, &n.config.defence.secure_tcp, mode),
        ),
        int(c"snat_reroute", |n| &n.config.snat_reroute.0, any),
        int(
            c"sync_version",
            |n| &n.config.sync_version.0,
            |v| (0..=1).contains(&v),
        ),
        int(c"sync_ports", |n| &n.config.sync_ports.0, is_power_of_two),
        int(c"sync_persist_mode", |n| &n.config.sync_persist_mode.0, any),
        File {
            name: c"sync_qlen_max",
            writers: Writers::Machine,
            content: Content::Long(|netns| &netns.config.sync_qlen_max),
        },
        machine(int(c"sync_sock_size", |n| &n.config.sync_sock_size.0, any)),
        int(c"cache_bypass", |n| &n.config.cache_bypass.0, any),
        int(
            c"expire_nodest_conn",
            |n| &n.config.expire_nodest_conn.0,
            any,
        ),
        int(c"sloppy_tcp", |n| &n.config.sloppy_tcp.0, any),
        int(c"sloppy_sctp", |n| &n.config.sloppy_sctp.0, any),
        int(
            c"expire_quiescent_template",
            |n| &n.config.expire_quiescent_template.0,
            any,
        ),
        File {
            name: c"sync_threshold",
            writers: Writers::Owner,
            content: Content::Pair {
                place: |netns| &netns.config.sync_threshold,
                accepts: is_threshold,
            },
        },
        File {
            name: c"sync_refresh_period",
            writers: Writers::Owner,
            content: Content::Seconds(|netns| &netns.config.sync_refresh_period.0),
        },
        int(
            c"sync_retries",
            |n| &n.config.sync_retries.0,
            |v| (0..=3).contains(&v),
        ),
        int(c"nat_icmp_send", |n| &n.config.nat_icmp_send.0, any),
        int(c"pmtu_disc", |n| &n.config.pmtu_disc.0, any),
        int(c"backup_only", |n| &n.config.backup_only.0, any),
        int(c"conn_reuse_mode", |n| &n.config.conn_reuse_mode.0, any),
        int(c"schedule_icmp", |n| &n.config.schedule_icmp.0, any),
        int(c"ignore_tunneled", |n| &n.config.ignore_tunneled.0, any),
        machine(int(c"run_estimation", |n| &n.config.run_estimation.0, any)),
        File {
            name: c"est_cpulist",
            writers: Writers::Machine,
            content: Content::Cpus(|netns| &netns.config.est_cpulist),
        },
        machine(int(
            c"est_nice",
            |n| &n.config.est_nice.0,
            |v| (-20..=19).contains(&v),
        )),
        machine(command(
            c"conn_lfactor",
            |n| n.config.conn_lfactor.get(),
            |n, _, factor| {
                if !LOAD_FACTORS.contains(&factor) {
                    return Err(OutOfRange);
                }
                n.config.conn_lfactor.0.store(factor, Relaxed);
                n.conns.set_load_factor(factor);
                Ok(())
            },
        )),
        machine(command(
            c"svc_lfactor",
            |n| n.config.svc_lfactor.get(),
            |n, net, factor| {
                if !LOAD_FACTORS.contains(&factor) {
                    return Err(OutOfRange);
                }
                n.config.svc_lfactor.0.store(factor, Relaxed);
                Session::begin(net, n).set_service_load_factor(factor);
                Ok(())
            },
        )),
        File {
            name: c"lblc_expiration",
            writers: Writers::MachineAlone,
            content: Content::Seconds(|netns| &netns.config.cache_expiry.lblc.0),
        },
        File {
            name: c"lblcr_expiration",
            writers: Writers::MachineAlone,
            content: Content::Seconds(|netns| &netns.config.cache_expiry.lblcr.0),
        },
    ];

    fn of(net: &Net) -> Result<Arc<Self>> {
        Self::get(net)
    }
}

/// A setting that the namespace's root may change.
const fn int(
    name: &'static CStr,
    place: fn(&Netns) -> &Atomic<i32>,
    accepts: fn(i32) -> bool,
) -> File<Netns> {
    File {
        name,
        writers: Writers::Owner,
        content: Content::Int { place, accepts },
    }
}

/// A setting whose change is carried out.
const fn command(
    name: &'static CStr,
    load: fn(&Netns) -> i32,
    store: fn(&Netns, &Net, i32) -> Result<(), OutOfRange>,
) -> File<Netns> {
    File {
        name,
        writers: Writers::Owner,
        content: Content::Command { load, store },
    }
}

/// Changes when a measure against floods is taken, and has the memory looked at from now on.
fn set_measure(netns: &Netns, measure: &Measure, mode: i32) -> Result<(), OutOfRange> {
    netns.config.defence.set(measure, mode)?;
    netns.watch.schedule_once(defence::LOOK);
    Ok(())
}

/// Leaves a setting to the initial user namespace.
const fn machine(file: File<Netns>) -> File<Netns> {
    File {
        name: file.name,
        writers: Writers::Machine,
        content: file.content,
    }
}

fn any(_value: i32) -> bool {
    true
}

fn is_power_of_two(value: i32) -> bool {
    u32::try_from(value).is_ok_and(u32::is_power_of_two)
}

/// A period of zero means no period; otherwise the threshold lies inside.
fn is_threshold(threshold: i32, period: i32) -> bool {
    threshold >= 0 && period >= 0 && (threshold < period || period == 0)
}
