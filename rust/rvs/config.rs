// SPDX-License-Identifier: GPL-2.0
//! The settings of one namespace.
//!
//! Read without a lock by the packet path, written by `control/sysctl.rs`, which also knows their
//! names and what may be written.

use crate::defence::Defence;
use crate::util::OutOfMemory;
use ipvs::proto;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::clock::Ticks;
use linux::memory;
use linux::net::{self, Net};
use linux::rcu::Arc;
use linux::sysctl::{CpuList, OutOfRange, Pair};

/// The most connections a namespace may ever be allowed.
#[cfg(target_pointer_width = "64")]
const CONN_LIMIT: i32 = 1 << 30;
/// The most connections a namespace may ever be allowed.
#[cfg(not(target_pointer_width = "64"))]
const CONN_LIMIT: i32 = 1 << 24;

/// A number that users set and packets read.
pub(crate) struct Setting(pub(crate) Atomic<i32>);

impl Setting {
    const fn new(value: i32) -> Self {
        Self(Atomic::new(value))
    }

    /// Returns the number.
    #[inline]
    pub(crate) fn get(&self) -> i32 {
        self.0.load(Relaxed)
    }

    /// Returns whether the number is not zero.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.get() != 0
    }
}

/// The settings of one namespace, named as in `/proc/sys/net/ipv4/vs/`.
#[pin_data]
pub(crate) struct Config {
    pub(crate) conn_max: ConnMax,
    pub(crate) conntrack: Setting,
    pub(crate) snat_reroute: Setting,
    pub(crate) sync_version: Setting,
    pub(crate) sync_ports: Setting,
    pub(crate) sync_persist_mode: Setting,
    pub(crate) sync_qlen_max: Atomic<usize>,
    pub(crate) sync_sock_size: Setting,
    pub(crate) cache_bypass: Setting,
    pub(crate) expire_nodest_conn: Setting,
    pub(crate) sloppy_tcp: Setting,
    pub(crate) sloppy_sctp: Setting,
    pub(crate) expire_quiescent_template: Setting,
    /// Threshold and period.
    pub(crate) sync_threshold: Pair,
    /// In jiffies.
    pub(crate) sync_refresh_period: Setting,
    pub(crate) sync_retries: Setting,
    pub(crate) nat_icmp_send: Setting,
    pub(crate) pmtu_disc: Setting,
    pub(crate) backup_only: Setting,
    pub(crate) conn_reuse_mode: Setting,
    pub(crate) schedule_icmp: Setting,
    pub(crate) ignore_tunneled: Setting,
    pub(crate) run_estimation: Setting,
    #[pin]
    pub(crate) est_cpulist: CpuList,
    pub(crate) est_nice: Setting,
    pub(crate) conn_lfactor: Setting,
    pub(crate) svc_lfactor: Setting,
    /// What is done against floods.
    pub(crate) defence: Defence,
    /// How long connections live without a packet.
    pub(crate) timeouts: Timeouts,
    /// How long lblc and lblcr keep an address.
    pub(crate) cache_expiry: Arc<CacheExpiry>,
}

/// How long schedulers keep which servers serve an address that is not asked for.
///
/// Counted, as the schedulers' work outlives a command.
pub(crate) struct CacheExpiry {
    /// For lblc, in jiffies.
    pub(crate) lblc: Setting,
    /// For lblcr, in jiffies.
    pub(crate) lblcr: Setting,
}

impl CacheExpiry {
    /// Makes the settings of a new namespace: a day.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(crate) fn new() -> Result<Arc<Self>, OutOfMemory> {
        let day = i32::try_from(Ticks::from_seconds(24 * 60 * 60).0).unwrap_or(i32::MAX);
        let expiry = Self {
            lblc: Setting::new(day),
            lblcr: Setting::new(day),
        };
        Ok(Arc::new(expiry, GFP_KERNEL)?)
    }
}

impl Config {
    /// Makes the settings of a new namespace, which may have as many connections as `conn_max`; as
    /// many as any if that is not given.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`].
    pub(crate) fn new(net: &Net, conn_max: Option<i32>) -> impl PinInit<Self, OutOfMemory> {
        let (conn_lfactor, svc_lfactor) = if net.is_init() { (-4, -3) } else { (-2, -2) };
        try_pin_init!(Self {
            conn_max: ConnMax::new(conn_max.unwrap_or(CONN_LIMIT)),
            conntrack: Setting::new(0),
            snat_reroute: Setting::new(1),
            sync_version: Setting::new(1),
            sync_ports: Setting::new(1),
            sync_persist_mode: Setting::new(0),
            sync_qlen_max: Atomic::new(memory::buffer_pages() / 32),
            sync_sock_size: Setting::new(0),
            cache_bypass: Setting::new(0),
            expire_nodest_conn: Setting::new(0),
            sloppy_tcp: Setting::new(0),
            sloppy_sctp: Setting::new(0),
            expire_quiescent_template: Setting::new(0),
            sync_threshold: Pair::new(3, 50),
            sync_refresh_period: Setting::new(0),
            sync_retries: Setting::new(0),
            nat_icmp_send: Setting::new(0),
            pmtu_disc: Setting::new(1),
            backup_only: Setting::new(0),
            conn_reuse_mode: Setting::new(1),
            schedule_icmp: Setting::new(0),
            ignore_tunneled: Setting::new(0),
            run_estimation: Setting::new(1),
            est_cpulist <- CpuList::new(),
            est_nice: Setting::new(0),
            conn_lfactor: Setting::new(conn_lfactor),
            svc_lfactor: Setting::new(svc_lfactor),
            defence: Defence::new(),
            timeouts: Timeouts::new(proto::Timeouts::DEFAULT),
            cache_expiry: CacheExpiry::new()?,
        }? OutOfMemory)
    }
}

impl Config {
    /// Returns how wary state machines are.
    #[inline]
    pub(crate) fn guard(&self) -> proto::Guard {
        match self.defence.secure_tcp.is_active() {
            true => proto::Guard::Secure,
            false => proto::Guard::Normal,
        }
    }

    /// Returns which first packets may create a connection.
    pub(crate) fn creation(&self) -> proto::Creation {
        proto::Creation {
            sloppy_tcp: self.sloppy_tcp.is_on(),
            sloppy_sctp: self.sloppy_sctp.is_on(),
        }
    }
}

/// How many connections there may be: what users see, and how far a namespace's own root may go.
pub(crate) struct ConnMax {
    soft: Setting,
    hard: Setting,
}

impl ConnMax {
    const fn new(value: i32) -> Self {
        Self {
            soft: Setting::new(value),
            hard: Setting::new(value),
        }
    }

    /// Returns how many there may be.
    #[inline]
    pub(crate) fn get(&self) -> i32 {
        self.soft.get()
    }

    /// Returns the same as a count.
    #[inline]
    pub(crate) fn limit(&self) -> u64 {
        // Never negative: see `set`.
        u64::from(self.get().unsigned_abs())
    }

    /// Changes how many there may be; the machine's administrator moves the upper end as well.
    ///
    /// # Errors
    ///
    /// It is below zero, or above what the calling task may set.
    pub(crate) fn set(&self, value: i32) -> Result<(), OutOfRange> {
        let admin = net::is_machine_admin();
        let limit = if admin { CONN_LIMIT } else { self.hard.get() };
        if !(0..=limit).contains(&value) {
            return Err(OutOfRange);
        }
        if admin {
            self.hard.0.store(value, Relaxed);
        }
        self.soft.0.store(value, Relaxed);
        Ok(())
    }
}

/// The time-outs that users may change, in seconds; they are settings of the netlink family.
pub(crate) struct Timeouts {
    tcp: Atomic<u32>,
    tcp_fin: Atomic<u32>,
    udp: Atomic<u32>,
}

impl Timeouts {
    fn new(values: proto::Timeouts) -> Self {
        Self {
            tcp: Atomic::new(values.tcp),
            tcp_fin: Atomic::new(values.tcp_fin),
            udp: Atomic::new(values.udp),
        }
    }

    /// Returns all of them, each as it is now.
    #[inline]
    pub(crate) fn get(&self) -> proto::Timeouts {
        proto::Timeouts {
            tcp: self.tcp.load(Relaxed),
            tcp_fin: self.tcp_fin.load(Relaxed),
            udp: self.udp.load(Relaxed),
        }
    }

    /// Changes all of them, for packets from now on.
    pub(crate) fn set(&self, values: proto::Timeouts) {
        self.tcp.store(values.tcp, Relaxed);
        self.tcp_fin.store(values.tcp_fin, Relaxed);
        self.udp.store(values.udp, Relaxed);
    }
}
