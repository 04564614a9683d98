// SPDX-License-Identifier: GPL-2.0
//! The settings of one namespace.
//!
//! Read without a lock by the packet path, written through the files of a directory, whose table is
//! here; `control/sysctl.rs` carries out what a change brings about.

use crate::defence::{Dropping, Measure};
use crate::util::OutOfMemory;
use ipvs::defence::{Memory, Mode};
use ipvs::proto;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::clock::Ticks;
use linux::memory;
use linux::net;
use linux::rcu::Arc;
use linux::sysctl::{Content, CpuList, File, OutOfRange, Pair, Writers};

/// The most connections a namespace may ever be allowed.
const CONN_LIMIT: i32 = 1 << 30;

/// A day, in jiffies.
pub(crate) const DAY: i32 = Ticks::from_seconds(24 * 60 * 60).int();

/// How far a load factor may go either way.
const LOAD_FACTORS: core::ops::RangeInclusive<i32> = -8..=8;

/// A number that users set and packets read.
pub(crate) struct Setting(pub(crate) Atomic<i32>);

impl Setting {
    /// Makes one.
    pub(crate) const fn new(value: i32) -> Self {
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

    fn set_load_factor(&self, factor: i32) -> Result<(), OutOfRange> {
        if !LOAD_FACTORS.contains(&factor) {
            return Err(OutOfRange);
        }
        self.0.store(factor, Relaxed);
        Ok(())
    }
}

/// Makes [`Config`] from the files of `/proc/sys/net/ipv4/vs/`, in the order of the documents.
///
/// A row says what the value is made of and what it is at first, which users may write it, and how
/// it is read and written.
macro_rules! settings {
    ($start:ident: $(
        $(#[$meaning:meta])*
        $name:ident: $type:ty = $default:expr, $writers:ident, $content:expr;
    )*) => {
        /// The settings of one namespace.
        pub(crate) struct Config {
            $($(#[$meaning])* pub(crate) $name: $type,)*
            /// How many packets `drop_packet` drops.
            pub(crate) dropping: Dropping,
            /// How long connections live without a packet; users change it by netlink.
            pub(crate) timeouts: Timeouts,
        }

        impl Config {
            /// The files in which users see and change them.
            pub(crate) const FILES: &'static [File<Self, Effect>] = &[$(File {
                name: kernel::c_str!(stringify!($name)),
                writers: Writers::$writers,
                content: $content,
            },)*];

            /// Makes the settings of a new namespace.
            ///
            /// # Errors
            ///
            /// [`OutOfMemory`].
            pub(crate) fn new($start: &Start) -> Result<Self, OutOfMemory> {
                Ok(Self {
                    $($name: $default,)*
                    dropping: Dropping::new(),
                    timeouts: Timeouts::new(proto::Timeouts::DEFAULT),
                })
            }
        }
    };
}

settings! {
    start:
    /// How much memory there should be, in pages.
    amemthresh: Setting = Setting::new(1024), Owner, int(|c| &c.amemthresh.0, any);
    /// Of how many packets `drop_packet` drops one when it is always taken.
    am_droprate: Setting = Setting::new(10), Owner, int(|c| &c.am_droprate.0, any);
    conn_max: ConnMax = ConnMax::new(start.conn_max.unwrap_or(CONN_LIMIT)), Owner,
        command(|c| c.conn_max.get(), |c, value| c.conn_max.set(value).map(|()| Effect::Nothing));
    drop_entry: Measure = Measure::new(), Owner,
        command(|c| c.drop_entry.mode().number(), |c, mode| c.set_measure(&c.drop_entry, mode));
    drop_packet: Measure = Measure::new(), Owner,
        command(|c| c.drop_packet.mode().number(), |c, mode| c.set_measure(&c.drop_packet, mode));
    conntrack: Setting = Setting::new(0), Owner, int(|c| &c.conntrack.0, any);
    secure_tcp: Measure = Measure::new(), Owner,
        command(|c| c.secure_tcp.mode().number(), |c, mode| c.set_measure(&c.secure_tcp, mode));
    snat_reroute: Setting = Setting::new(1), Owner, int(|c| &c.snat_reroute.0, any);
    sync_version: Setting = Setting::new(1), Owner,
        int(|c| &c.sync_version.0, |value| (0..=1).contains(&value));
    sync_ports: Setting = Setting::new(1), Owner, int(|c| &c.sync_ports.0, is_power_of_two);
    sync_persist_mode: Setting = Setting::new(0), Owner, int(|c| &c.sync_persist_mode.0, any);
    sync_qlen_max: Atomic<usize> = Atomic::new(memory::buffer_pages() / 32), Machine,
        Content::Long(|c| &c.sync_qlen_max);
    sync_sock_size: Setting = Setting::new(0), Machine, int(|c| &c.sync_sock_size.0, any);
    cache_bypass: Setting = Setting::new(0), Owner, int(|c| &c.cache_bypass.0, any);
    expire_nodest_conn: Setting = Setting::new(0), Owner, int(|c| &c.expire_nodest_conn.0, any);
    sloppy_tcp: Setting = Setting::new(0), Owner, int(|c| &c.sloppy_tcp.0, any);
    sloppy_sctp: Setting = Setting::new(0), Owner, int(|c| &c.sloppy_sctp.0, any);
    expire_quiescent_template: Setting = Setting::new(0), Owner,
        int(|c| &c.expire_quiescent_template.0, any);
    /// Threshold and period.
    sync_threshold: Pair = Pair::new(3, 50), Owner,
        Content::Pair { place: |c| &c.sync_threshold, accepts: is_threshold };
    /// In jiffies.
    sync_refresh_period: Setting = Setting::new(0), Owner,
        Content::Seconds(|c| &c.sync_refresh_period.0);
    sync_retries: Setting = Setting::new(0), Owner,
        int(|c| &c.sync_retries.0, |value| (0..=3).contains(&value));
    nat_icmp_send: Setting = Setting::new(0), Owner, int(|c| &c.nat_icmp_send.0, any);
    pmtu_disc: Setting = Setting::new(1), Owner, int(|c| &c.pmtu_disc.0, any);
    backup_only: Setting = Setting::new(0), Owner, int(|c| &c.backup_only.0, any);
    conn_reuse_mode: Setting = Setting::new(1), Owner, int(|c| &c.conn_reuse_mode.0, any);
    schedule_icmp: Setting = Setting::new(0), Owner, int(|c| &c.schedule_icmp.0, any);
    ignore_tunneled: Setting = Setting::new(0), Owner, int(|c| &c.ignore_tunneled.0, any);
    run_estimation: Setting = Setting::new(1), Machine, int(|c| &c.run_estimation.0, any);
    est_cpulist: CpuList = CpuList::new()?, Machine, Content::Cpus(|c| &c.est_cpulist);
    est_nice: Setting = Setting::new(0), Machine,
        int(|c| &c.est_nice.0, |value| (-20..=19).contains(&value));
    conn_lfactor: Setting = Setting::new(if start.is_initial { -4 } else { -2 }), Machine,
        command(|c| c.conn_lfactor.get(), |c, factor| {
            c.conn_lfactor.set_load_factor(factor).map(|()| Effect::ConnTable)
        });
    svc_lfactor: Setting = Setting::new(if start.is_initial { -3 } else { -2 }), Machine,
        command(|c| c.svc_lfactor.get(), |c, factor| {
            c.svc_lfactor.set_load_factor(factor).map(|()| Effect::ServiceTable)
        });
    /// How long lblc keeps an address, in jiffies.
    lblc_expiration: Arc<Setting> = Arc::new(Setting::new(DAY), GFP_KERNEL)?, MachineAlone,
        Content::Seconds(|c| &c.lblc_expiration.0);
    /// How long lblcr keeps an address, in jiffies.
    lblcr_expiration: Arc<Setting> = Arc::new(Setting::new(DAY), GFP_KERNEL)?, MachineAlone,
        Content::Seconds(|c| &c.lblcr_expiration.0);
}

/// What the settings of a new namespace depend on.
pub(crate) struct Start {
    /// How many connections it may have; as many as any without it.
    pub(crate) conn_max: Option<i32>,
    /// It is the machine's own.
    pub(crate) is_initial: bool,
}

/// What has to be done for a change to take effect, beyond storing it.
#[derive(Clone, Copy)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// The memory is looked at from now on.
    Watch,
    /// The table of connections gets another size.
    ConnTable,
    /// The table of services gets another size.
    ServiceTable,
}

const fn int(
    place: fn(&Config) -> &Atomic<i32>,
    accepts: fn(i32) -> bool,
) -> Content<Config, Effect> {
    Content::Int { place, accepts }
}

/// A setting whose change is carried out.
const fn command(
    load: fn(&Config) -> i32,
    store: fn(&Config, i32) -> Result<Effect, OutOfRange>,
) -> Content<Config, Effect> {
    Content::Command { load, store }
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

/// How long schedulers keep which servers serve an address that is not asked for.
///
/// Counted, as the schedulers' work outlives a command.
#[derive(Clone)]
pub(crate) struct CacheExpiry {
    /// For lblc, in jiffies.
    pub(crate) lblc: Arc<Setting>,
    /// For lblcr, in jiffies.
    pub(crate) lblcr: Arc<Setting>,
}

impl Config {
    /// Returns how long schedulers keep addresses, now and later.
    pub(crate) fn cache_expiry(&self) -> CacheExpiry {
        CacheExpiry {
            lblc: self.lblc_expiration.clone(),
            lblcr: self.lblcr_expiration.clone(),
        }
    }

    /// Changes when a measure against floods is taken, and looks at the memory at once.
    ///
    /// # Errors
    ///
    /// There is no such mode.
    ///
    /// # Locking
    ///
    /// Process context.
    pub(crate) fn set_measure(&self, measure: &Measure, mode: i32) -> Result<Effect, OutOfRange> {
        if measure.set(mode)? {
            self.evaluate_measures();
        }
        Ok(Effect::Watch)
    }

    /// Looks at the memory and decides which measures are taken.
    ///
    /// # Locking
    ///
    /// Process context.
    pub(crate) fn evaluate_measures(&self) {
        let memory = Memory {
            free: memory::free_pages(),
            wanted: self.amemthresh.get(),
        };
        self.drop_entry.evaluate(memory);
        self.secure_tcp.evaluate(memory);
        let mode = self.drop_packet.evaluate(memory);
        self.dropping.set(mode, memory, self.am_droprate.get());
    }

    /// Returns whether some measure is taken, or would be if memory were short.
    pub(crate) fn has_measures(&self) -> bool {
        let measures = [&self.drop_entry, &self.drop_packet, &self.secure_tcp];
        measures
            .into_iter()
            .any(|measure| measure.mode() != Mode::Off)
    }
}

impl Config {
    /// Returns how wary state machines are.
    #[inline]
    pub(crate) fn guard(&self) -> proto::Guard {
        match self.secure_tcp.is_active() {
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
