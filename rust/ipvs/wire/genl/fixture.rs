// SPDX-License-Identifier: GPL-2.0
//! A service and its server as replies of both front ends show them, for tests.

use super::{Dest, Service, Statistics};
use crate::addr::{ipv4, Port, Protocol};
use crate::sched::Scheduler;
use crate::service::{DestKey, DestSettings, ServiceKey, ServiceSettings, TunnelSettings};
use crate::xmit::Method;

/// What was counted: each counter another number.
pub(crate) const STATISTICS: Statistics = Statistics {
    conns: 1,
    in_packets: 2,
    out_packets: 3,
    in_bytes: 4,
    out_bytes: 5,
    conn_rate: 6,
    in_packet_rate: 7,
    out_packet_rate: 8,
    in_byte_rate: 9,
    out_byte_rate: 10,
};

/// A service.
pub(crate) const SERVICE: Service = Service {
    key: ServiceKey::of_address(Protocol::TCP, ipv4([10, 0, 0, 1]), Port::from_host(80)),
    settings: ServiceSettings {
        scheduler: Scheduler::Wrr,
        flags: 0x08,
        timeout_seconds: 360,
        netmask: u32::MAX,
        engine: None,
    },
    statistics: STATISTICS,
};

/// One of its servers.
pub(crate) const DEST: Dest = Dest {
    key: DestKey {
        addr: ipv4([10, 0, 0, 2]),
        port: Port::from_host(8080),
    },
    settings: DestSettings {
        method: Method::Tunnel,
        inherited: 0,
        weight: 3,
        upper: 20,
        lower: 10,
        tunnel: TunnelSettings {
            kind: TunnelSettings::GUE,
            port: Port::from_host(6080),
            flags: 1,
        },
    },
    active: 4,
    inactive: 5,
    persistent: 6,
    statistics: STATISTICS,
};
