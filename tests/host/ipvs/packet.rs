// SPDX-License-Identifier: GPL-2.0
//! The parser on arbitrary bytes, and its answers against headers built field by field.

use ipvs::addr::{ipv4, Family, Port, Protocol};
use ipvs::packet::{parse, parse_quoted, Fragment, Header, Malformed, Packet};
use proptest::prelude::*;

/// What a packet is built from.
#[derive(Clone, Debug)]
pub struct Built {
    pub protocol: Protocol,
    pub source: ([u8; 4], u16),
    pub dest: ([u8; 4], u16),
    /// Bytes of options, a multiple of four.
    pub options: Vec<u8>,
    pub ttl: u8,
    pub flags: u8,
    pub payload: Vec<u8>,
}

impl Built {
    /// Returns the bytes of the packet; both checksums are zero.
    pub fn bytes(&self) -> Vec<u8> {
        let header = 20 + self.options.len();
        let transport = match self.protocol {
            Protocol::TCP => 20,
            _ => 8,
        };
        let total = u16::try_from(header + transport + self.payload.len()).unwrap();
        let mut bytes = vec![0x40 | u8::try_from(header / 4).unwrap(), 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend([0x12, 0x34, 0x40, 0, self.ttl, self.protocol.0, 0, 0]);
        bytes.extend(self.source.0);
        bytes.extend(self.dest.0);
        bytes.extend(&self.options);
        bytes.extend(self.source.1.to_be_bytes());
        bytes.extend(self.dest.1.to_be_bytes());
        match self.protocol {
            Protocol::TCP => {
                bytes.extend([1, 2, 3, 4, 5, 6, 7, 8, 0x50, self.flags, 9, 9, 0, 0, 0, 0])
            }
            _ => {
                bytes.extend((8 + self.payload.len() as u16).to_be_bytes());
                bytes.extend([0, 0]);
            }
        }
        bytes.extend(&self.payload);
        bytes
    }
}

/// Packets of TCP and UDP with and without options.
pub fn built() -> impl Strategy<Value = Built> {
    let protocol = prop_oneof![Just(Protocol::TCP), Just(Protocol::UDP)];
    let options =
        (0..=10_usize).prop_flat_map(|words| prop::collection::vec(any::<u8>(), words * 4));
    let payload = prop::collection::vec(any::<u8>(), 0..64);
    let ends = (any::<([u8; 4], u16)>(), any::<([u8; 4], u16)>());
    (protocol, ends, options, any::<(u8, u8)>(), payload).prop_map(
        |(protocol, (source, dest), options, (ttl, flags), payload)| Built {
            protocol,
            source,
            dest,
            options,
            ttl,
            flags,
            payload,
        },
    )
}

/// Bytes that often get as far as the transport header.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![Just(0x45), Just(0x46), Just(0x4f), Just(0x60), any::<u8>()];
    let next = prop_oneof![
        Just(0),
        Just(43),
        Just(44),
        Just(60),
        Just(6),
        Just(17),
        Just(132),
        any::<u8>()
    ];
    (first, next, prop::collection::vec(any::<u8>(), 0..200)).prop_map(
        |(first, next, mut bytes)| {
            if let Some(byte) = bytes.get_mut(0) {
                *byte = first;
            }
            for place in [6, 9, 40, 48] {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = next;
                }
            }
            bytes
        },
    )
}

/// Returns how many leading bytes an answer is allowed to depend on.
fn read_so_far(packet: &Packet) -> usize {
    let transport = match packet.protocol {
        _ if packet.fragment == Fragment::Later => 8,
        Protocol::TCP => 20,
        // The chunk behind a cookie has a say, wherever it begins.
        Protocol::SCTP => 1 << 17,
        _ => 8,
    };
    usize::from(packet.transport_offset) + transport
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_was_built_is_read(built in built()) {
        let bytes = built.bytes();
        let packet = parse(&bytes, bytes.len() as u32).unwrap();
        prop_assert_eq!(packet.family(), Family::V4);
        prop_assert_eq!(packet.protocol, built.protocol);
        prop_assert_eq!(packet.source, ipv4(built.source.0));
        prop_assert_eq!(packet.dest, ipv4(built.dest.0));
        prop_assert_eq!(usize::from(packet.transport_offset), 20 + built.options.len());
        prop_assert_eq!(packet.hop_limit, built.ttl);
        prop_assert!(packet.dont_fragment);
        prop_assert_eq!(packet.fragment, Fragment::Whole);
        let ports = (Port::from_host(built.source.1), Port::from_host(built.dest.1));
        prop_assert_eq!(packet.ports, Some(ports));
        match packet.header {
            Header::Tcp(flags) => prop_assert_eq!(flags.0, built.flags),
            header => prop_assert_eq!(header, Header::Udp { summed: false }),
        }
        let flow = packet.flow().unwrap();
        prop_assert_eq!((flow.source.port, flow.dest.port), ports);
        prop_assert_eq!((flow.source.addr, flow.dest.addr), (packet.source, packet.dest));
    }

    /// A head that ends early is noticed, or the answer is the same but for what is missing.
    #[test]
    fn a_shorter_head_never_changes_what_is_read(built in built(), cut in any::<prop::sample::Index>()) {
        let bytes = built.bytes();
        let length = bytes.len() as u32;
        let whole = parse(&bytes, length).unwrap();
        let end = cut.index(bytes.len());
        match parse(&bytes[..end], length) {
            Ok(part) => {
                prop_assert!(end >= usize::from(whole.transport_offset));
                let ports = (end >= usize::from(whole.transport_offset) + 4).then_some(whole.ports).flatten();
                let header = match end >= read_so_far(&whole) {
                    true => whole.header,
                    false => Header::Missing,
                };
                prop_assert_eq!(part, Packet { ports, header, ..whole });
            }
            Err(error) => {
                prop_assert_eq!(error, Malformed::Truncated);
                prop_assert!(end < usize::from(whole.transport_offset));
            }
        }
    }

    /// Neither panics nor promises bytes that the network header does not have.
    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in plausible(), length in any::<u32>()) {
        for packet in [parse(&bytes, length), parse_quoted(&bytes)].into_iter().flatten() {
            prop_assert!(usize::from(packet.transport_offset) <= bytes.len());
            let header = match packet.family() { Family::V4 => 20, Family::V6 => 40 };
            prop_assert!(packet.transport_offset >= header);
            prop_assert_eq!(packet.flow().is_some(), packet.ports.is_some());
            if packet.fragment == Fragment::Later {
                prop_assert_eq!((packet.ports, packet.header), (None, Header::Missing));
            }
        }
        if let Ok(packet) = parse(&bytes, length) {
            prop_assert!(packet.length <= length);
            prop_assert!(u32::from(packet.transport_offset) <= packet.length);
        }
    }

    /// Bytes behind the transport header are not looked at.
    #[test]
    fn bytes_behind_the_headers_do_not_matter(bytes in plausible(), noise in any::<u8>()) {
        if let Ok(packet) = parse_quoted(&bytes) {
            let mut other = bytes.clone();
            for byte in other.iter_mut().skip(read_so_far(&packet)) {
                *byte ^= noise;
            }
            prop_assert_eq!(parse_quoted(&other), Ok(packet));
        }
    }
}
