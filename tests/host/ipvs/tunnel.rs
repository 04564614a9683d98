// SPDX-License-Identifier: GPL-2.0
//! What tunnels put in front of a packet, read again by a reader of its own.

use ipvs::addr::{ipv4, ipv6, Addr, Family, Port, Protocol};
use ipvs::packet::checksum::{pseudo_header, Sum};
use ipvs::packet::{outer, parse, parse_quoted};
use ipvs::service::TunnelSettings;
use ipvs::xmit::tunnel::{Ends, Left, Load, Outer, Partial, Tunnel, TunnelHeader, LONGEST};

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
const PORT: Port = Port::from_host(6080);
const FROM: Port = Port::from_host(33333);

/// Every kind that the settings can mean.
fn kinds(is_partial: bool) -> Vec<TunnelHeader> {
    let mut kinds = Vec::new();
    for kind in 0..4 {
        for flags in 0..4 {
            let settings = TunnelSettings {
                kind,
                port: PORT,
                flags,
            };
            kinds.push(Tunnel::new(Family::V4, settings, is_partial).kind);
        }
    }
    kinds
}

fn ends(family: Family) -> (Addr, Addr) {
    match family {
        Family::V4 => (ipv4([10, 2, 0, 1]), ipv4([10, 2, 0, 11])),
        Family::V6 => (
            ipv6([0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ipv6([0xfd; 16]),
        ),
    }
}

/// A UDP packet of a client with 21 bytes of data; its checksum is good, or still to be made.
fn packet(family: Family, tos: u8, is_partial: bool) -> Vec<u8> {
    let (source, dest) = (ends(family).1, ends(family).0);
    let mut bytes = match family {
        Family::V4 => vec![0x45, tos, 0, 49, 0, 9, 0x40, 0, 17, 17, 0, 0],
        Family::V6 => vec![0x60 | tos >> 4, tos << 4 | 3, 2, 1, 0, 29, 17, 17],
    };
    let length = if family == Family::V4 { 4 } else { 16 };
    bytes.extend(&source.octets()[..length]);
    bytes.extend(&dest.octets()[..length]);
    let start = bytes.len();
    bytes.extend([0x9c, 0x40, 0, 80, 0, 29, 0, 0]);
    bytes.extend((0..21).map(|byte: u8| byte.wrapping_mul(37)));
    let pseudo = pseudo_header(source, dest, Protocol::UDP, 29);
    let field = match is_partial {
        true => pseudo.partial(),
        false => pseudo.bytes(&bytes[start..]).checksum(),
    };
    bytes[start + 6..start + 8].copy_from_slice(&field);
    bytes
}

struct Case {
    tunnel: Tunnel,
    inner: Vec<u8>,
    partial: Option<Partial>,
    outer: Outer,
    is_gso: bool,
}

/// Every kind with every pair of families, with a checksum that is made, left, and left for segments.
fn cases(tos: u8, discovers: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (is_partial, is_gso) in [(false, false), (true, false), (true, true)] {
        for kind in kinds(is_partial) {
            for family in FAMILIES {
                for outer in FAMILIES {
                    let inner = packet(family, tos, is_partial);
                    let start = inner.len() as u16 - 29;
                    let partial = is_partial.then_some(Partial { start, field: 6 });
                    let tunnel = Tunnel { outer, kind };
                    let (source, dest) = ends(outer);
                    let ends = Ends {
                        source,
                        dest,
                        port: FROM,
                        discovers,
                    };
                    let load = Load {
                        head: &inner,
                        length: inner.len() as u32,
                        partial,
                        is_gso,
                    };
                    let outer = Outer::new(tunnel, &load, &ends).unwrap();
                    cases.push(Case {
                        tunnel,
                        inner,
                        partial,
                        outer,
                        is_gso,
                    });
                }
            }
        }
    }
    cases
}

impl Case {
    fn network(&self) -> usize {
        if self.tunnel.outer == Family::V4 {
            20
        } else {
            40
        }
    }

    fn inner_family(&self) -> Family {
        if self.inner[0] >> 4 == 4 {
            Family::V4
        } else {
            Family::V6
        }
    }

    /// What the hardware makes of a packet: the inner checksum, then that of what follows the outer
    /// network header.
    fn on_the_wire(&self) -> Vec<u8> {
        let mut bytes = self.outer.bytes().to_vec();
        let header = bytes.len();
        bytes.extend(&self.inner);
        let mut fill = |start: usize, field: usize| {
            let sum = Sum::ZERO.bytes(&bytes[start..]).checksum();
            bytes[start + field..start + field + 2].copy_from_slice(&sum);
        };
        match (self.outer.left, self.partial) {
            (Left::Inner, Some(partial)) => {
                fill(
                    header + usize::from(partial.start),
                    usize::from(partial.field),
                );
            }
            (Left::Outer(field), _) => fill(self.network(), usize::from(field)),
            (Left::Inner, None) => {}
        }
        bytes
    }
}

#[test]
fn the_network_header_is_that_of_the_inner_packet_and_the_servers() {
    for discovers in [false, true] {
        for tos in [0, 1, 2, 0x10, 0xb8, 0xfc] {
            for case in cases(tos, discovers) {
                let bytes = case.outer.bytes();
                assert!(bytes.len() <= LONGEST);
                assert_eq!(bytes.len(), usize::from(case.tunnel.overhead()));
                let packet = parse_quoted(bytes).unwrap();
                assert_eq!((packet.source, packet.dest), ends(case.tunnel.outer));
                assert_eq!(packet.hop_limit, 17);
                let inner = case.inner_family();
                let number = match case.tunnel.kind {
                    TunnelHeader::Plain if inner == Family::V4 => 4,
                    TunnelHeader::Plain => 41,
                    TunnelHeader::Gue { .. } => 17,
                    TunnelHeader::Gre { .. } => 47,
                };
                assert_eq!(packet.protocol.0, number);
                let read = match case.tunnel.outer {
                    Family::V4 => {
                        assert_eq!(packet.dont_fragment, discovers && inner == Family::V4);
                        bytes[1]
                    }
                    Family::V6 => {
                        assert_eq!([bytes[1] & 15, bytes[2], bytes[3]], [0; 3]);
                        bytes[0] << 4 | bytes[1] >> 4
                    }
                };
                assert_eq!(read, tos);
            }
        }
    }
}

#[test]
fn congestion_that_was_met_is_not_told_again() {
    for (tos, told) in [(3, 2), (0xff, 0xfe), (0xbb, 0xba)] {
        for case in cases(tos, true) {
            let bytes = case.outer.bytes();
            let read = match case.tunnel.outer {
                Family::V4 => bytes[1],
                Family::V6 => bytes[0] << 4 | bytes[1] >> 4,
            };
            assert_eq!(read, told);
        }
    }
}

#[test]
fn every_checksum_on_the_wire_is_good() {
    let mut seen = (0, 0);
    for case in cases(0, true).into_iter().filter(|case| !case.is_gso) {
        let bytes = case.on_the_wire();
        let behind = &bytes[case.network()..];
        match case.tunnel.kind {
            TunnelHeader::Plain | TunnelHeader::Gre { summed: false } => {}
            TunnelHeader::Gue { summed: false, .. } => assert_eq!(behind[6..8], [0, 0]),
            TunnelHeader::Gue { .. } => {
                let (source, dest) = ends(case.tunnel.outer);
                let length = behind.len() as u32;
                let sum = pseudo_header(source, dest, Protocol::UDP, length);
                assert_ne!(behind[6..8], [0, 0]);
                assert_eq!(sum.bytes(behind).fold(), 0xffff, "{:?}", case.tunnel);
                seen.0 += 1;
            }
            TunnelHeader::Gre { summed: true } => {
                assert_eq!(Sum::ZERO.bytes(behind).fold(), 0xffff);
                seen.1 += 1;
            }
        }
        let is_left_to_the_server =
            matches!(case.tunnel.kind, TunnelHeader::Gue { remote: true, .. });
        let inner = &bytes[case.outer.bytes().len()..];
        let transport = &inner[inner.len() - 29..];
        let (source, dest) = ends(case.inner_family());
        let sum = pseudo_header(source, dest, Protocol::UDP, 29).bytes(transport);
        assert_eq!(
            sum.fold() == 0xffff,
            !is_left_to_the_server,
            "{:?}",
            case.tunnel
        );
    }
    assert_eq!(seen, (24, 16));
}

#[test]
fn segments_begin_with_the_pseudo_header() {
    for case in cases(0, true).into_iter().filter(|case| case.is_gso) {
        let behind = &case.outer.bytes()[case.network()..];
        assert_eq!(case.outer.left, Left::Inner);
        match case.tunnel.kind {
            TunnelHeader::Gue { summed: true, .. } => {
                let (source, dest) = ends(case.tunnel.outer);
                let length = (behind.len() + case.inner.len()) as u32;
                let sum = pseudo_header(source, dest, Protocol::UDP, length);
                assert_eq!(behind[6..8], sum.partial());
            }
            TunnelHeader::Gre { summed: true } => assert_eq!(behind[4..8], [0; 4]),
            TunnelHeader::Plain | TunnelHeader::Gue { .. } | TunnelHeader::Gre { .. } => {}
        }
    }
}

#[test]
fn the_header_of_gue_says_where_the_inner_checksum_is() {
    for case in cases(0, true) {
        let TunnelHeader::Gue { remote, .. } = case.tunnel.kind else {
            continue;
        };
        let behind = &case.outer.bytes()[case.network()..];
        let number = if case.inner_family() == Family::V4 {
            4
        } else {
            41
        };
        assert_eq!(behind[..4], [&FROM.bytes()[..], &PORT.bytes()].concat());
        let length = (behind.len() + case.inner.len()) as u16;
        assert_eq!(behind[4..6], length.to_be_bytes());
        match (remote, case.partial) {
            (true, Some(partial)) => {
                let fields = [[partial.start, partial.start + 6]].concat();
                assert_eq!(behind[8..16], [2, number, 0, 1, 0x80, 0, 0, 0]);
                assert_eq!(behind[16..18], fields[0].to_be_bytes());
                assert_eq!(behind[18..20], fields[1].to_be_bytes());
            }
            (true, None) => panic!("nothing is left to do"),
            (false, _) => assert_eq!(behind[8..], [0, number, 0, 0]),
        }
    }
}

#[test]
fn a_length_that_does_not_fit_is_left_out() {
    let inner = packet(Family::V4, 0, true);
    let kind = TunnelHeader::Gue {
        port: PORT,
        summed: true,
        remote: false,
    };
    let tunnel = Tunnel {
        outer: Family::V4,
        kind,
    };
    let (source, dest) = ends(Family::V4);
    let ends = Ends {
        source,
        dest,
        port: FROM,
        discovers: true,
    };
    let partial = Some(Partial {
        start: 20,
        field: 6,
    });
    for (length, told) in [(65523, 65535_u16), (65524, 0), (200_000, 0)] {
        let load = Load {
            head: &inner,
            length,
            partial,
            is_gso: true,
        };
        let outer = Outer::new(tunnel, &load, &ends).unwrap();
        assert_eq!(outer.bytes()[24..26], told.to_be_bytes());
    }
}

#[test]
fn an_error_about_what_was_sent_leads_to_the_client() {
    for case in cases(0, true) {
        let mut error = vec![
            0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 10, 2, 0, 15, 10, 2, 0, 1,
        ];
        error.extend([3, 4, 0, 0, 0, 0, 5, 0]);
        error.extend(case.outer.bytes());
        error.extend(&case.inner);
        let length = error.len() as u16;
        error[2..4].copy_from_slice(&length.to_be_bytes());
        let read = parse(&error, error.len() as u32).unwrap();
        let found = outer::inside(&error, &read);
        if (case.tunnel.outer, case.inner_family()) != (Family::V4, Family::V4) {
            assert_eq!(found, None);
            continue;
        }
        let found = found.unwrap();
        assert_eq!(found.inner, u32::from(case.tunnel.overhead()));
        assert_eq!(found.server, ends(Family::V4).1);
        assert_eq!(found.flow.source.port.host(), 40000);
        assert_eq!(found.error.mtu(), Some(1280));
    }
}

#[test]
fn headers_that_are_cut_off_or_of_another_family_make_no_outer_packet() {
    for case in cases(0, true) {
        let (source, dest) = ends(case.tunnel.outer);
        let good = Ends {
            source,
            dest,
            port: FROM,
            discovers: true,
        };
        for length in 0..case.inner.len() {
            let head = &case.inner[..length];
            let load = Load {
                head,
                length: 100,
                partial: case.partial,
                is_gso: case.is_gso,
            };
            // Whatever comes of it, it does not go wrong.
            let made = Outer::new(case.tunnel, &load, &good);
            assert!(made.is_none() || length >= 20);
        }
        let other = match case.tunnel.outer {
            Family::V4 => ends(Family::V6),
            Family::V6 => ends(Family::V4),
        };
        let wrong = Ends {
            source: other.0,
            dest: other.1,
            ..good
        };
        let load = Load {
            head: &case.inner,
            length: 49,
            partial: case.partial,
            is_gso: false,
        };
        assert_eq!(Outer::new(case.tunnel, &load, &wrong), None);
    }
}

#[test]
fn what_a_tunnel_leaves_of_the_way() {
    let plain = |outer| Tunnel {
        outer,
        kind: TunnelHeader::Plain,
    };
    assert_eq!(plain(Family::V4).room(1500), Some(1480));
    assert_eq!(plain(Family::V6).room(1500), Some(1460));
    assert_eq!(plain(Family::V4).room(88), Some(68));
    assert_eq!(plain(Family::V4).room(87), None);
    assert_eq!(plain(Family::V6).room(1320), Some(1280));
    assert_eq!(plain(Family::V6).room(1319), None);
    assert_eq!(plain(Family::V4).room(0), None);
    assert!(!Tunnel::may_cut(Family::V4, true) && Tunnel::may_cut(Family::V4, false));
    assert!(!Tunnel::may_cut(Family::V6, true) && !Tunnel::may_cut(Family::V6, false));
}
