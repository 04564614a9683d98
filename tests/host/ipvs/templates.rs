// SPDX-License-Identifier: GPL-2.0
//! The keys of templates over random clients, masks and services, against the rules read literally; and how long entries live.

use ipvs::addr::{ipv4, ipv6, Addr, Endpoint, Family, Port, Protocol};
use ipvs::conn::overtime::overtime;
use ipvs::conn::template::{connection_port, TemplateKey};
use ipvs::flow::Flow;
use ipvs::proto::Transport;
use ipvs::service::ServiceKey;
use proptest::prelude::*;

/// A client and a virtual address of one family, and a mask of that family.
#[derive(Clone, Copy, Debug)]
struct Ends {
    client: Addr,
    vip: Addr,
    mask: u32,
}

fn ends() -> impl Strategy<Value = Ends> {
    let four = any::<([u8; 4], [u8; 4], u32)>();
    let six = (any::<[u8; 16]>(), any::<[u8; 16]>(), 1..=128_u32);
    prop_oneof![
        four.prop_map(|(client, vip, mask)| Ends {
            client: ipv4(client),
            vip: ipv4(vip),
            mask
        }),
        six.prop_map(|(client, vip, mask)| Ends {
            client: ipv6(client),
            vip: ipv6(vip),
            mask
        }),
    ]
}

/// Ports that rules are about, and others.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(20), Just(21), Just(80), any::<u16>()]
}

fn flow(ends: Ends, client_port: u16, port: u16) -> Flow {
    let end = |addr, port| Endpoint {
        addr,
        port: Port::from_host(port),
    };
    Flow {
        transport: Transport::Tcp,
        source: end(ends.client, client_port),
        dest: end(ends.vip, port),
    }
}

fn service(ends: Ends, port: u16) -> ServiceKey {
    ServiceKey::of_address(Protocol::TCP, ends.vip, Port::from_host(port))
}

/// The bytes of an address that its family has.
fn bytes(addr: Addr) -> Vec<u8> {
    let len = match addr.family() {
        Family::V4 => 4,
        Family::V6 => 16,
    };
    addr.octets()[..len].to_vec()
}

/// Whether a mask shows a bit of an address; bits are counted from the first of the wire.
fn shows(family: Family, mask: u32, bit: usize) -> bool {
    match family {
        Family::V4 => mask.to_ne_bytes()[bit / 8] & (0x80 >> (bit % 8)) != 0,
        Family::V6 => bit < mask as usize,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn network_has_the_bits_that_the_mask_shows(ends in ends(), at in port()) {
        let key = TemplateKey::of(&service(ends, at), ends.mask, &flow(ends, 40000, at));
        let (whole, network) = (bytes(ends.client), bytes(key.flow.source.addr));
        prop_assert_eq!(key.flow.family(), ends.client.family());
        for bit in 0..whole.len() * 8 {
            let of = |bytes: &[u8]| bytes[bit / 8] & (0x80 >> (bit % 8)) != 0;
            let wanted = of(&whole) && shows(ends.client.family(), ends.mask, bit);
            prop_assert_eq!(of(&network), wanted, "bit {}", bit);
        }
    }

    /// Two clients share a template exactly if the mask shows no bit in which they differ.
    #[test]
    fn clients_share_what_the_mask_hides(ends in ends(), flips in prop::collection::vec(0..128_usize, 0..4), ports in any::<(u16, u16)>()) {
        let mut other = ends.client.octets();
        let len = bytes(ends.client).len();
        let flips: Vec<usize> = flips.into_iter().map(|bit| bit % (len * 8)).collect();
        flips.iter().for_each(|bit| other[bit / 8] ^= 0x80 >> (bit % 8));
        let family = ends.client.family();
        let differs = |bit: usize| (other[bit / 8] ^ ends.client.octets()[bit / 8]) & (0x80 >> (bit % 8)) != 0;
        let hidden = flips.iter().all(|bit| !differs(*bit) || !shows(family, ends.mask, *bit));
        let moved = Ends { client: family.read(&other[..len]).unwrap(), ..ends };
        let key = |ends, client_port| TemplateKey::of(&service(ends, 80), ends.mask, &flow(ends, client_port, 80));
        prop_assert_eq!(key(ends, ports.0) == key(moved, ports.1), hidden);
    }

    /// A template is for one port exactly if that is the service's and not that of FTP's commands.
    #[test]
    fn template_has_a_port_or_is_for_all(ends in ends(), at in port(), to in port(), server in port()) {
        let key = TemplateKey::of(&service(ends, at), ends.mask, &flow(ends, 40000, to));
        let own = to == at && at != 21;
        prop_assert_eq!(key.flow.dest.port.host(), if own { to } else { 0 });
        prop_assert_eq!(key.dest_port(Port::from_host(server)).host(), if own { server } else { 0 });
        prop_assert_eq!((key.flow.source.port, key.is_of_mark), (Port::ANY, false));
        let there = connection_port(&service(ends, at), Port::from_host(server), &flow(ends, 40000, to)).host();
        prop_assert_eq!(there, if to == at && server != 0 { server } else { to });
    }

    /// What a mark groups is told apart by the mark, the network and the family, and by nothing else.
    #[test]
    fn mark_groups_all_ports_and_protocols(ends in ends(), mark in 1..=u32::MAX, other in 1..=u32::MAX, to in 1..=u16::MAX, udp in any::<bool>()) {
        let family = ends.client.family();
        let key = |mark, flow: &Flow| TemplateKey::of(&ServiceKey::of_mark(family, mark), ends.mask, flow);
        let packet = Flow { transport: if udp { Transport::Udp } else { Transport::Tcp }, ..flow(ends, 40000, to) };
        let first = key(mark, &flow(ends, 1, 80));
        prop_assert!(first.is_of_mark);
        prop_assert_eq!(key(mark, &packet), first);
        prop_assert_eq!(key(other, &packet) == first, other == mark);
    }

    /// A longer time-out is over later, overtime included, and none is shortened.
    #[test]
    fn longer_times_end_later(seconds in 0..0x00ff_ffff_u32, more in 1..1000_u32) {
        let end = |seconds: u32| seconds + overtime(seconds);
        prop_assert!(end(seconds) < end(seconds + more));
        prop_assert!((seconds..=seconds + 8).contains(&end(seconds)));
    }
}
