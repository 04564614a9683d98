// SPDX-License-Identifier: GPL-2.0
//! Netlink attributes: whatever comes in is read without harm, whatever goes out can be read.

use ipvs::addr::{ipv4, ipv6, Addr, Family, Port, Protocol};
use ipvs::pe::Engine;
use ipvs::refusal::Refusal;
use ipvs::sched::Scheduler;
use ipvs::service::{
    DestKey, DestSettings, ServiceKey, ServiceProtocol, ServiceSettings, TunnelSettings,
};
use ipvs::wire::genl::{self, Dest, Service, Statistics, TopLevel, MESSAGE_MAX};
use ipvs::wire::{Attribute, Attributes, Full, Writer};
use ipvs::xmit::Method;
use proptest::prelude::*;

/// Attributes as a careless or hostile sender writes them: lengths that lie now and then.
fn attributes(depth: u32) -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop::collection::vec(any::<u8>(), 0..24);
    let inner = leaf.prop_recursive(depth, 64, 8, |inner| {
        let one = (
            0..20_u16,
            prop_oneof![9 => Just(0_i16), 1 => -6..6_i16],
            inner,
        );
        prop::collection::vec(one, 0..8).prop_map(|all| {
            let mut bytes = Vec::new();
            for (kind, lie, payload) in all {
                let len = (payload.len() as i16).wrapping_add(4).wrapping_add(lie);
                bytes.extend(len.to_ne_bytes());
                bytes.extend(kind.to_ne_bytes());
                bytes.extend(&payload);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        })
    });
    inner.boxed()
}

fn addr() -> impl Strategy<Value = Addr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(ipv4),
        any::<[u8; 16]>().prop_map(ipv6),
    ]
}

fn service_key() -> impl Strategy<Value = ServiceKey> {
    prop_oneof![
        (addr(), 1..=u32::MAX).prop_map(|(addr, mark)| ServiceKey::of_mark(Family::of(addr), mark)),
        (addr(), any::<u16>(), any::<u16>()).prop_map(|(addr, protocol, port)| {
            ServiceKey {
                protocol: ServiceProtocol(protocol),
                ..ServiceKey::of_address(Protocol::NONE, addr, Port::from_host(port))
            }
        }),
    ]
}

prop_compose! {
    fn service()(
        key in service_key(),
        scheduler in prop::sample::select(Scheduler::ALL.to_vec()),
        flags in any::<u32>(),
        timeout_seconds in any::<u32>(),
        netmask in any::<u32>(),
        engine in prop::option::of(prop::sample::select(Engine::ALL.to_vec())),
        conns in any::<u64>(),
    ) -> Service {
        let settings = ServiceSettings { scheduler, flags, timeout_seconds, netmask, engine };
        let statistics = Statistics { conns, ..Statistics::default() };
        Service { key, settings: settings.hashed(), statistics }
    }
}

prop_compose! {
    fn dest()(
        addr in addr(),
        ports in any::<[u16; 2]>(),
        method in any::<u32>(),
        numbers in any::<[u32; 6]>(),
        kind in any::<u8>(),
        flags in any::<u16>(),
    ) -> Dest {
        let [weight, upper, lower, active, inactive, persistent] = numbers;
        let [port, tunnel_port] = ports.map(Port::from_host);
        let tunnel = TunnelSettings { kind, port: tunnel_port, flags };
        let settings = DestSettings { method: Method::from_number(method), inherited: 0, weight, upper, lower, tunnel };
        let statistics = Statistics::default();
        Dest { key: DestKey { addr, port }, settings, active, inactive, persistent, statistics }
    }
}

fn written(fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
    let mut buffer = [0xff; MESSAGE_MAX];
    let mut out = Writer::new(&mut buffer);
    fill(&mut out).expect("MESSAGE_MAX is enough for every message");
    out.written().to_vec()
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop_oneof![attributes(3), prop::collection::vec(any::<u8>(), 0..200)]) {
        for family in [Family::V4, Family::V6] {
            let _ = genl::parse_service(Some(&bytes));
            let _ = genl::parse_service_key(Some(&bytes));
            let _ = genl::parse_dest(Some(&bytes), family);
            let _ = genl::parse_dest_key(Some(&bytes), family);
        }
        if let Ok(top) = TopLevel::parse(&bytes) {
            let _ = genl::parse_service(top.service);
            let _ = genl::parse_dest(top.dest, Family::V4);
        }
    }

    #[test]
    fn walk_never_reads_more_than_there_is(bytes in attributes(2)) {
        let total: usize = Attributes::of(&bytes).map(|item| item.payload.len() + 4).sum();
        prop_assert!(total <= bytes.len());
    }

    #[test]
    fn what_can_be_set_says_which_service(bytes in attributes(1)) {
        if let Ok(request) = genl::parse_service(Some(&bytes)) {
            prop_assert_eq!(genl::parse_service_key(Some(&bytes)), Ok(request.key));
            prop_assert!(request.scheduler.len() <= 15 && !request.scheduler.contains(&0));
            prop_assert!(request.engine.len() <= 16 && !request.engine.contains(&0));
        }
    }

    #[test]
    fn services_come_back_as_they_were_shown(shown in service()) {
        let bytes = written(|out| genl::service(out, &shown));
        let top = TopLevel::parse(&bytes).expect("our own form");
        let request = genl::parse_service(top.service).expect("our own form");
        prop_assert_eq!(request.key, shown.key);
        prop_assert_eq!(request.scheduler, shown.settings.scheduler.name().as_bytes());
        prop_assert_eq!(request.flags(!shown.settings.flags), shown.settings.flags);
        prop_assert_eq!(request.timeout, shown.settings.timeout_seconds);
        prop_assert_eq!(request.netmask, shown.settings.netmask);
        let engine = shown.settings.engine.map_or("", Engine::name);
        prop_assert_eq!(request.engine, engine.as_bytes());
    }

    #[test]
    fn servers_come_back_as_they_were_shown(shown in dest(), service in addr()) {
        let bytes = written(|out| genl::dest(out, &shown));
        let top = TopLevel::parse(&bytes).expect("our own form");
        let request = genl::parse_dest(top.dest, Family::of(service)).expect("our own form");
        prop_assert_eq!(request.key, shown.key);
        prop_assert_eq!(request.settings, shown.settings);
    }

    #[test]
    fn mark_beside_an_address_wins(shown in service(), mark in any::<u32>()) {
        let bytes = written(|out| genl::service(out, &shown));
        let mut inner = TopLevel::parse(&bytes).expect("our own form").service.unwrap_or(&[]).to_vec();
        let mut buffer = [0; 8];
        let mut more = Writer::new(&mut buffer);
        prop_assert_eq!(more.put(5, &mark.to_ne_bytes()), Ok(()));
        inner.extend(more.written());
        let key = ServiceKey::of_mark(shown.key.family(), mark);
        prop_assert_eq!(genl::parse_service_key(Some(&inner)), Ok(key));
    }

    #[test]
    fn strings_follow_the_rules_of_the_kernel(payload in prop::collection::vec(prop_oneof![Just(0), Just(b'a')], 0..12), max in 1..8_usize) {
        let read = Attribute { kind: 1, payload: &payload }.string(max);
        // Spelled as lib/nlattr.c checks it.
        let head = payload.len().min(max + 1);
        let ends = payload[..head].contains(&0);
        let trimmed = payload.len() - usize::from(payload.last() == Some(&0));
        prop_assert_eq!(read.is_ok(), ends && trimmed <= max);
        if let Ok(text) = read {
            let end = payload.iter().position(|byte| *byte == 0);
            prop_assert_eq!(Some(text.len()), end);
        }
    }

    #[test]
    fn writer_writes_all_or_nothing(room in 0..32_usize, payload in any::<[u8; 16]>()) {
        check_put::<0>(room, payload)?;
        check_put::<1>(room, payload)?;
        check_put::<2>(room, payload)?;
        check_put::<4>(room, payload)?;
        check_put::<5>(room, payload)?;
        check_put::<8>(room, payload)?;
        check_put::<16>(room, payload)?;
    }
}

/// Writes `N` bytes where there is room for `room`, and reads them again.
fn check_put<const N: usize>(room: usize, payload: [u8; 16]) -> Result<(), TestCaseError> {
    let payload = payload.first_chunk::<N>().expect("at most 16");
    let mut buffer = vec![0xA5; room];
    let mut out = Writer::new(&mut buffer);
    let fits = (N + 4).next_multiple_of(4) <= room;
    prop_assert_eq!(out.put(7, payload).is_ok(), fits);
    let written = out.written();
    prop_assert_eq!(
        written.len(),
        if fits { (N + 4).next_multiple_of(4) } else { 0 }
    );
    prop_assert!(written.iter().skip(N + 4).all(|byte| *byte == 0));
    let read: Vec<_> = Attributes::of(written).collect();
    prop_assert_eq!(read.len(), usize::from(fits));
    prop_assert!(read
        .iter()
        .all(|item| item.kind == 7 && item.payload == payload));
    Ok(())
}

#[test]
fn every_refusal_that_waits_for_an_implementation_says_so() {
    for refusal in Refusal::ALL {
        let sentence = refusal.sentence().to_str().expect("plain text");
        let says = sentence.ends_with(" not supported yet.");
        assert_eq!(
            says,
            format!("{refusal:?}").ends_with("NotYet"),
            "{sentence}"
        );
    }
}

#[test]
fn sentences_of_what_is_not_there_yet_are_documented() {
    let document = include_str!("../../../docs/not-yet.md");
    for refusal in Refusal::ALL {
        let sentence = refusal.sentence().to_str().expect("plain text");
        let listed = document.contains(&format!("| {sentence} |"));
        assert_eq!(listed, sentence.ends_with("yet."), "{sentence}");
    }
}
