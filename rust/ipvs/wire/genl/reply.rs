// SPDX-License-Identifier: GPL-2.0
//! What replies say: values become attributes, in the order of C's.

use super::{attribute, dest_attribute, info_attribute, service_attribute};
use crate::addr::Family;
use crate::proto::Timeouts;
use crate::rate::{Counter, Samples};
use crate::service::{DestKey, DestSettings, ServiceKey, ServiceSettings};
use crate::wire::{Full, Writer};

/// No message is longer, in bytes: names at their longest, both kinds of statistics.
pub const MESSAGE_MAX: usize = 512;

/// The version of IPVS that this is: 1.2.1.
pub const VERSION: u32 = 0x01_02_01;

/// The empty attribute among statistics, for alignment.
const PAD: u16 = 11;

/// What users read about traffic: since the last zeroing, and per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Connections scheduled.
    pub conns: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// Bytes from clients.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
    /// Connections per second.
    pub conn_rate: u64,
    /// Packets from clients per second.
    pub in_packet_rate: u64,
    /// Packets to clients per second.
    pub out_packet_rate: u64,
    /// Bytes from clients per second.
    pub in_byte_rate: u64,
    /// Bytes to clients per second.
    pub out_byte_rate: u64,
}

impl From<&Samples> for Statistics {
    fn from(samples: &Samples) -> Statistics {
        Statistics {
            conns: samples.total(Counter::Conns),
            in_packets: samples.total(Counter::InPackets),
            out_packets: samples.total(Counter::OutPackets),
            in_bytes: samples.total(Counter::InBytes),
            out_bytes: samples.total(Counter::OutBytes),
            conn_rate: samples.per_second(Counter::Conns),
            in_packet_rate: samples.per_second(Counter::InPackets),
            out_packet_rate: samples.per_second(Counter::OutPackets),
            in_byte_rate: samples.per_second(Counter::InBytes),
            out_byte_rate: samples.per_second(Counter::OutBytes),
        }
    }
}

/// How wide a number of the old statistics is.
#[derive(Clone, Copy)]
enum Width {
    /// Four bytes: the number may be cut.
    Four,
    /// Eight bytes.
    Eight,
}

impl Statistics {
    /// Returns all numbers in the order of their attributes, which begin with 1.
    const fn numbers(&self) -> [(u64, Width); 10] {
        [
            (self.conns, Width::Four),
            (self.in_packets, Width::Four),
            (self.out_packets, Width::Four),
            (self.in_bytes, Width::Eight),
            (self.out_bytes, Width::Eight),
            (self.conn_rate, Width::Four),
            (self.in_packet_rate, Width::Four),
            (self.out_packet_rate, Width::Four),
            (self.in_byte_rate, Width::Four),
            (self.out_byte_rate, Width::Four),
        ]
    }

    /// Writes the old attributes.
    fn write(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        for (kind, (number, width)) in (1..).zip(self.numbers()) {
            match width {
                Width::Four => out.put(kind, &low(number).to_ne_bytes())?,
                Width::Eight => out.put_wide(kind, PAD, number)?,
            }
        }
        Ok(())
    }

    /// Writes the attributes of which all are eight bytes wide.
    fn write_wide(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        for (kind, (number, _)) in (1..).zip(self.numbers()) {
            out.put_wide(kind, PAD, number)?;
        }
        Ok(())
    }
}

/// Returns the low half: counters that have grown beyond it start again from 0.
pub(crate) fn low(number: u64) -> u32 {
    let [.., a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// A service as a reply shows it.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Which one.
    pub key: ServiceKey,
    /// What it is.
    pub settings: ServiceSettings,
    /// Its traffic.
    pub statistics: Statistics,
}

/// Writes a service.
///
/// # Errors
///
/// [`Full`].
pub fn service(out: &mut Writer<'_>, service: &Service) -> Result<(), Full> {
    out.nest(attribute::SERVICE, |out| {
        service_key(out, &service.key)?;
        let settings = service.settings.hashed();
        out.put_string(service_attribute::SCHEDULER, settings.scheduler.name())?;
        if let Some(engine) = settings.engine {
            out.put_string(service_attribute::ENGINE, engine.name())?;
        }
        let [a, b, c, d] = settings.flags.to_ne_bytes();
        let flags = [a, b, c, d, 0xff, 0xff, 0xff, 0xff];
        out.put(service_attribute::FLAGS, &flags)?;
        let timeout = settings.timeout_seconds.to_ne_bytes();
        out.put(service_attribute::TIMEOUT, &timeout)?;
        out.put(service_attribute::NETMASK, &settings.netmask.to_ne_bytes())?;
        let statistics = service.statistics;
        out.nest(service_attribute::STATS, |out| statistics.write(out))?;
        out.nest(service_attribute::STATS64, |out| statistics.write_wide(out))
    })
}

fn service_key(out: &mut Writer<'_>, key: &ServiceKey) -> Result<(), Full> {
    out.put(
        service_attribute::FAMILY,
        &key.family().number().to_ne_bytes(),
    )?;
    if key.is_mark() {
        return out.put(service_attribute::MARK, &key.mark.to_ne_bytes());
    }
    out.put(service_attribute::PROTOCOL, &key.protocol.0.to_ne_bytes())?;
    out.put(service_attribute::ADDR, &key.addr.octets())?;
    out.put(service_attribute::PORT, &key.port.bytes())
}

/// A real server as a reply shows it.
#[derive(Clone, Copy, Debug)]
pub struct Dest {
    /// Which one.
    pub key: DestKey,
    /// What it is.
    pub settings: DestSettings,
    /// How many connections are active.
    pub active: u32,
    /// How many are not.
    pub inactive: u32,
    /// How many templates it has.
    pub persistent: u32,
    /// Its traffic.
    pub statistics: Statistics,
}

/// Writes a real server.
///
/// # Errors
///
/// [`Full`].
pub fn dest(out: &mut Writer<'_>, dest: &Dest) -> Result<(), Full> {
    let settings = &dest.settings;
    let tunnel = &settings.tunnel;
    out.nest(attribute::DEST, |out| {
        out.put(dest_attribute::ADDR, &dest.key.addr.octets())?;
        out.put(dest_attribute::PORT, &dest.key.port.bytes())?;
        out.put(
            dest_attribute::METHOD,
            &settings.method.number().to_ne_bytes(),
        )?;
        out.put(dest_attribute::WEIGHT, &settings.weight.to_ne_bytes())?;
        out.put(dest_attribute::TUNNEL_KIND, &[tunnel.kind])?;
        out.put(dest_attribute::TUNNEL_PORT, &tunnel.port.bytes())?;
        out.put(dest_attribute::TUNNEL_FLAGS, &tunnel.flags.to_ne_bytes())?;
        out.put(dest_attribute::UPPER, &settings.upper.to_ne_bytes())?;
        out.put(dest_attribute::LOWER, &settings.lower.to_ne_bytes())?;
        out.put(dest_attribute::ACTIVE, &dest.active.to_ne_bytes())?;
        out.put(dest_attribute::INACTIVE, &dest.inactive.to_ne_bytes())?;
        out.put(dest_attribute::PERSISTENT, &dest.persistent.to_ne_bytes())?;
        let family = Family::of(dest.key.addr).number();
        out.put(dest_attribute::FAMILY, &family.to_ne_bytes())?;
        out.nest(dest_attribute::STATS, |out| dest.statistics.write(out))?;
        out.nest(dest_attribute::STATS64, |out| {
            dest.statistics.write_wide(out)
        })
    })
}

/// Writes the time-outs.
///
/// # Errors
///
/// [`Full`].
pub fn config(out: &mut Writer<'_>, timeouts: &Timeouts) -> Result<(), Full> {
    out.put(attribute::TIMEOUT_TCP, &timeouts.tcp.to_ne_bytes())?;
    out.put(attribute::TIMEOUT_TCP_FIN, &timeouts.tcp_fin.to_ne_bytes())?;
    out.put(attribute::TIMEOUT_UDP, &timeouts.udp.to_ne_bytes())
}

/// Writes the version and the size of the connection table.
///
/// # Errors
///
/// [`Full`].
pub fn info(out: &mut Writer<'_>, table_size: u32) -> Result<(), Full> {
    out.put(info_attribute::VERSION, &VERSION.to_ne_bytes())?;
    out.put(info_attribute::TABLE_SIZE, &table_size.to_ne_bytes())
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_wire_genl_reply))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::super::fixture::{DEST, SERVICE, STATISTICS};
    use super::*;
    use crate::pe::Engine;
    use crate::wire::genl::{parse_dest, parse_service, TopLevel};
    use crate::wire::Attributes;

    #[test]
    fn service_shows_its_attributes_in_the_order_of_c() {
        let mut buffer = [0; MESSAGE_MAX];
        let mut out = Writer::new(&mut buffer);
        assert_eq!(service(&mut out, &SERVICE), Ok(()));
        let inner = only(out.written());
        assert!(has_kinds(inner, &[1, 2, 3, 4, 6, 7, 8, 9, 10, 12]));
    }

    #[test]
    fn engine_comes_behind_the_scheduler() {
        let mut buffer = [0; MESSAGE_MAX];
        let mut out = Writer::new(&mut buffer);
        let settings = ServiceSettings {
            engine: Some(Engine::Sip),
            ..SERVICE.settings
        };
        let shown = Service {
            settings,
            ..SERVICE
        };
        assert_eq!(service(&mut out, &shown), Ok(()));
        let inner = only(out.written());
        assert!(has_kinds(inner, &[1, 2, 3, 4, 6, 11, 7, 8, 9, 10, 12]));
        assert_eq!(payload(inner, 11), Some(&b"sip\0"[..]));
    }

    #[test]
    fn service_of_a_mark_shows_the_mark_instead_of_the_address() {
        let mut buffer = [0; MESSAGE_MAX];
        let mut out = Writer::new(&mut buffer);
        let key = ServiceKey::of_mark(Family::V4, 7);
        assert_eq!(service(&mut out, &Service { key, ..SERVICE }), Ok(()));
        let inner = only(out.written());
        assert!(has_kinds(inner, &[1, 5, 6, 7, 8, 9, 10, 12]));
    }

    #[test]
    fn server_shows_its_attributes_in_the_order_of_c() {
        let mut buffer = [0; MESSAGE_MAX];
        let mut out = Writer::new(&mut buffer);
        assert_eq!(dest(&mut out, &DEST), Ok(()));
        let kinds = [1, 2, 3, 4, 13, 14, 15, 5, 6, 7, 8, 9, 11, 10, 12];
        assert!(has_kinds(only(out.written()), &kinds));
    }

    #[test]
    fn service_shown_can_be_asked_for() {
        let mut buffer = [0; MESSAGE_MAX];
        let mut out = Writer::new(&mut buffer);
        assert_eq!(service(&mut out, &SERVICE), Ok(()));
        let read = TopLevel::parse(out.written()).ok();
        let read = parse_service(read.and_then(|read| read.service));
        assert_eq!(read.map(|read| read.key), Ok(SERVICE.key));
        assert_eq!(read.map(|read| read.scheduler), Ok(b"wrr".as_slice()));
        assert_eq!(read.map(|read| read.flags), Ok(0x0a));
        assert_eq!(read.map(|read| read.mask), Ok(u32::MAX));
        assert_eq!(read.map(|read| read.timeout), Ok(360));
    }

    #[test]
    fn server_shown_can_be_asked_for() {
        let mut buffer = [0; MESSAGE_MAX];
        let mut out = Writer::new(&mut buffer);
        assert_eq!(dest(&mut out, &DEST), Ok(()));
        let read = TopLevel::parse(out.written()).ok();
        let read = parse_dest(read.and_then(|read| read.dest), Family::V4);
        assert_eq!(read.map(|read| read.key), Ok(DEST.key));
        assert_eq!(read.map(|read| read.settings), Ok(DEST.settings));
    }

    #[test]
    fn old_statistics_are_cut_to_four_bytes() {
        let mut buffer = [0; 128];
        let mut out = Writer::new(&mut buffer);
        let statistics = Statistics {
            conns: 0x1_0000_0005,
            in_bytes: 0x1_0000_0006,
            ..Statistics::default()
        };
        assert_eq!(statistics.write(&mut out), Ok(()));
        assert_eq!(
            payload(out.written(), 1),
            Some(5u32.to_ne_bytes().as_slice())
        );
        let bytes = 0x1_0000_0006_u64.to_ne_bytes();
        assert_eq!(payload(out.written(), 4), Some(bytes.as_slice()));
    }

    #[test]
    fn statistics_keep_their_order() {
        let mut buffer = [0; 128];
        let mut out = Writer::new(&mut buffer);
        assert_eq!(STATISTICS.write_wide(&mut out), Ok(()));
        let numbers = Attributes::of(out.written()).map(|item| item.payload);
        assert!(numbers.eq((1..=10_u64).map(u64::to_ne_bytes)));
    }

    #[test]
    fn longest_messages_fit() {
        let mut buffer = [0; MESSAGE_MAX];
        let mut out = Writer::new(&mut buffer);
        assert_eq!(dest(&mut out, &DEST), Ok(()));
        let mut out = Writer::new(&mut buffer);
        assert_eq!(service(&mut out, &SERVICE), Ok(()));
        assert!(out.written().len() < 448);
    }

    #[test]
    fn longest_messages_fit_where_numbers_are_aligned() {
        for place in [16, 20] {
            let mut buffer = [0; MESSAGE_MAX];
            let mut out = Writer::at(Some(place), &mut buffer);
            assert_eq!(dest(&mut out, &DEST), Ok(()));
            let mut out = Writer::at(Some(place), &mut buffer);
            assert_eq!(service(&mut out, &SERVICE), Ok(()));
            assert!(out.written().len() < MESSAGE_MAX);
        }
    }

    #[test]
    fn info_tells_the_version() {
        let mut buffer = [0; 16];
        let mut out = Writer::new(&mut buffer);
        assert_eq!(info(&mut out, 256), Ok(()));
        let version = 0x10201_u32.to_ne_bytes();
        assert_eq!(payload(out.written(), 1), Some(version.as_slice()));
        let size = 256_u32.to_ne_bytes();
        assert_eq!(payload(out.written(), 2), Some(size.as_slice()));
    }

    fn only(bytes: &[u8]) -> &[u8] {
        Attributes::of(bytes)
            .next()
            .map_or(&[], |item| item.payload)
    }

    fn has_kinds(bytes: &[u8], kinds: &[u16]) -> bool {
        Attributes::of(bytes)
            .map(|item| item.kind)
            .eq(kinds.iter().copied())
    }

    fn payload(bytes: &[u8], kind: u16) -> Option<&[u8]> {
        Attributes::of(bytes)
            .find(|item| item.kind == kind)
            .map(|item| item.payload)
    }
}
