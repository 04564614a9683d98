// SPDX-License-Identifier: GPL-2.0
//! What options to read answer: values become the bytes of C structs, whose gaps are zero or the
//! question's.

use super::size;
use crate::addr::{Addr, Port};
use crate::flags::conn as dest_flags;
use crate::proto::Timeouts;
use crate::uapi::procfs::Line;
use crate::wire::genl::{low, Dest, Service, Statistics, VERSION};
use crate::xmit::Method;

/// The length of the version as a text is at most this, with the NUL behind it.
pub const VERSION_LEN: usize = size::VERSION;

/// The bytes of a struct.
struct Struct<const N: usize>([u8; N]);

impl<const N: usize> Struct<N> {
    const fn new() -> Self {
        Self([0; N])
    }

    fn put<const M: usize>(mut self, offset: usize, bytes: [u8; M]) -> Self {
        let rest = self.0.get_mut(offset..);
        if let Some(place) = rest.and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
        }
        self
    }

    fn number(self, offset: usize, number: u32) -> Self {
        self.put(offset, number.to_ne_bytes())
    }

    fn place(self, offset: usize, addr: Addr, port: Port) -> Self {
        let [a, b, c, d, ..] = addr.octets();
        let with_addr = self.put(offset, [a, b, c, d]);
        with_addr.put(offset.wrapping_add(4), port.bytes())
    }

    /// Puts a text and a NUL behind it into so much room, which is more than it needs.
    fn text(mut self, offset: usize, room: usize, text: &[u8]) -> Self {
        let places = self.0.iter_mut().skip(offset).take(room);
        for (place, byte) in places.zip(text.iter().chain(&[0])) {
            *place = *byte;
        }
        self
    }

    fn statistics(self, offset: usize, shown: &Statistics) -> Self {
        let numbers = [
            (0, shown.conns),
            (4, shown.in_packets),
            (8, shown.out_packets),
            (32, shown.conn_rate),
            (36, shown.in_packet_rate),
            (40, shown.out_packet_rate),
            (44, shown.in_byte_rate),
            (48, shown.out_byte_rate),
        ];
        let at = |place: usize| offset.wrapping_add(place);
        let wide = self
            .put(at(16), shown.in_bytes.to_ne_bytes())
            .put(at(24), shown.out_bytes.to_ne_bytes());
        numbers.into_iter().fold(wide, |filled, (place, number)| {
            filled.number(at(place), low(number))
        })
    }
}

/// Returns where entry `index` of the list of services is.
pub const fn service_place(index: u32) -> usize {
    place(size::SERVICES, size::SERVICE_ENTRY, index)
}

/// Returns where entry `index` of the list of real servers is.
pub const fn dest_place(index: u32) -> usize {
    place(size::DESTS, size::DEST_ENTRY, index)
}

const fn place(head: usize, entry: usize, index: u32) -> usize {
    entry.saturating_mul(index as usize).saturating_add(head)
}

/// Returns a service with `dests` real servers, for a list.
pub fn service_entry(service: &Service, dests: u32) -> [u8; size::SERVICE_ENTRY] {
    service_over([0; size::SERVICE_ENTRY], service, dests)
}

/// Returns the same in answer to a question, whose bytes stay where the struct has gaps.
pub fn service_over(
    question: [u8; size::SERVICE_ENTRY],
    service: &Service,
    dests: u32,
) -> [u8; size::SERVICE_ENTRY] {
    let (key, settings) = (&service.key, service.settings.hashed());
    Struct(question)
        .put(0, key.protocol.0.to_ne_bytes())
        .place(4, key.addr, key.port)
        .number(12, key.mark)
        .text(16, 16, settings.scheduler.name().as_bytes())
        .number(32, settings.flags)
        .number(36, settings.timeout_seconds)
        .number(40, settings.netmask)
        .number(44, dests)
        .statistics(48, &service.statistics)
        .0
}

/// Returns a real server.
pub fn dest_entry(dest: &Dest) -> [u8; size::DEST_ENTRY] {
    let settings = &dest.settings;
    let output = match settings.method {
        Method::Nat => 0,
        Method::Local
        | Method::Tunnel
        | Method::Direct
        | Method::Bypass
        | Method::Unknown5
        | Method::Unknown6
        | Method::Unknown7 => dest_flags::NO_OUTPUT,
    };
    let flags = settings.method.number() | settings.inherited | output | dest_flags::INACTIVE;
    Struct::new()
        .place(0, dest.key.addr, dest.key.port)
        .number(8, flags)
        .number(12, settings.weight)
        .number(16, settings.upper)
        .number(20, settings.lower)
        .number(24, dest.active)
        .number(28, dest.inactive)
        .number(32, dest.persistent)
        .statistics(40, &dest.statistics)
        .0
}

/// Returns the version, the size of the table of connections and the number of services.
pub fn info(table_size: u32, services: u32) -> [u8; size::INFO] {
    Struct::new()
        .number(0, VERSION)
        .number(4, table_size)
        .number(8, services)
        .0
}

/// Returns the version as a text, and how long that is with the NUL behind it.
pub fn version(table_size: u32) -> ([u8; VERSION_LEN], usize) {
    let mut line = Line::new();
    line.version(table_size);
    let text = line.bytes();
    let len = text.len().saturating_add(1).min(VERSION_LEN);
    (Struct::new().text(0, VERSION_LEN, text).0, len)
}

/// Returns the time-outs.
pub fn timeouts(timeouts: &Timeouts) -> [u8; size::TIMEOUTS] {
    Struct::new()
        .number(0, timeouts.tcp)
        .number(4, timeouts.tcp_fin)
        .number(8, timeouts.udp)
        .0
}

/// Returns the sync daemons, of which there are none yet.
pub const fn daemons() -> [u8; size::DAEMONS] {
    [0; size::DAEMONS]
}

#[cfg_attr(
    CONFIG_KUNIT = "y",
    kernel::prelude::kunit_tests(rvs_uapi_sockopt_reply)
)]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::service::DestSettings;
    use crate::wire::genl::fixture::{DEST, SERVICE};

    #[test]
    fn version_has_its_end() {
        let (text, len) = version(4096);
        assert_eq!(
            text.get(..len),
            Some(b"IP Virtual Server version 1.2.1 (size=4096)\0".as_slice())
        );
        let (_, longest) = version(u32::MAX);
        assert!(longest < VERSION_LEN);
    }

    #[test]
    fn service_is_in_its_places() {
        let bytes = service_entry(&MANY, 7);
        assert_eq!(at(&bytes, 0), 6_u16.to_ne_bytes());
        assert_eq!(at(&bytes, 4), [10, 0, 0, 1, 0, 80, 0, 0]);
        assert_eq!(at(&bytes, 16), *b"wrr\0");
        assert_eq!(at(&bytes, 32), 0x0a_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 36), 360_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 40), [0xff; 4]);
        assert_eq!(at(&bytes, 44), 7_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 48), 0xffff_fff0_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 64), 4_u64.to_ne_bytes());
        assert_eq!(at(&bytes, 96), 10_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 100), [0; 4]);
    }

    #[test]
    fn question_stays_in_the_gaps() {
        let bytes = service_over([0xaa; 104], &SERVICE, 7);
        assert_eq!(at(&bytes, 2), [0xaa; 2]);
        assert_eq!(at(&bytes, 10), [0xaa; 2]);
        assert_eq!(at(&bytes, 16), *b"wrr\0\xaa");
        assert_eq!(at(&bytes, 60), [0xaa; 4]);
        assert_eq!(at(&bytes, 100), [0xaa; 4]);
    }

    #[test]
    fn server_is_in_its_places() {
        let bytes = dest_entry(&DEST);
        assert_eq!(at(&bytes, 0), [10, 0, 0, 2, 0x1f, 0x90, 0, 0]);
        assert_eq!(at(&bytes, 8), 0x182_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 12), 3_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 24), 4_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 32), 6_u32.to_ne_bytes());
        assert_eq!(at(&bytes, 40), 1_u32.to_ne_bytes());
        let settings = DestSettings {
            method: Method::Nat,
            inherited: dest_flags::ONE_PACKET,
            ..DEST.settings
        };
        let bytes = dest_entry(&Dest { settings, ..DEST });
        assert_eq!(at(&bytes, 8), 0x2100_u32.to_ne_bytes());
    }

    #[test]
    fn lists_have_a_head() {
        assert_eq!((service_place(0), service_place(2)), (8, 216));
        assert_eq!((dest_place(0), dest_place(2)), (24, 216));
    }

    fn at<const N: usize, const M: usize>(bytes: &[u8; N], offset: usize) -> [u8; M] {
        let rest = bytes.get(offset..).and_then(|rest| rest.first_chunk());
        rest.copied().unwrap_or([0xee; M])
    }

    /// More connections than 32 bits count.
    const MANY: Service = Service {
        statistics: Statistics {
            conns: 0x1_ffff_fff0,
            ..SERVICE.statistics
        },
        ..SERVICE
    };
}
