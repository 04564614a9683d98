// SPDX-License-Identifier: GPL-2.0
//! Listed lines against general formatting of the same fields.

use ipvs::addr::{ipv4, ipv6, Addr, Endpoint, Family, Port, Protocol};
use ipvs::flags::service as flags;
use ipvs::sched::Scheduler;
use ipvs::service::{DestKey, ServiceKey, ServiceProtocol, ServiceSettings};
use ipvs::uapi::procfs::{Conn, Line, Server};
use ipvs::xmit::Method;
use proptest::prelude::*;
use std::net::IpAddr;

fn addr() -> impl Strategy<Value = Addr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(ipv4),
        any::<[u8; 16]>().prop_map(ipv6),
    ]
}

fn end() -> impl Strategy<Value = Endpoint> {
    (addr(), any::<u16>()).prop_map(|(addr, port)| Endpoint {
        addr,
        port: Port::from_host(port),
    })
}

/// Numbers of all lengths.
fn number() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32).prop_map(|(number, shift)| number >> shift)
}

fn address(addr: Addr) -> String {
    let bytes = match addr.to_ip() {
        IpAddr::V4(addr) => return format!("{:08X}", addr.to_bits()),
        IpAddr::V6(addr) => addr.octets(),
    };
    let groups = bytes
        .chunks(2)
        .map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]));
    groups.collect::<Vec<_>>().join(":")
}

fn place(addr: Addr, port: Port) -> String {
    match addr.family() {
        Family::V4 => format!("{}:{:04X}", address(addr), port.host()),
        Family::V6 => format!("[{}]:{:04X}", address(addr), port.host()),
    }
}

fn name(protocol: u16) -> Option<&'static str> {
    let known = [
        (0, "IP"),
        (1, "ICMP"),
        (6, "TCP"),
        (17, "UDP"),
        (58, "ICMPv6"),
        (132, "SCTP"),
    ];
    known
        .into_iter()
        .find(|(number, _)| *number == protocol)
        .map(|(_, name)| name)
}

fn printed(put: impl FnOnce(&mut Line)) -> String {
    let mut line = Line::new();
    put(&mut line);
    String::from_utf8(line.bytes().to_vec()).unwrap()
}

proptest! {
    #[test]
    fn connections_look_as_formatted(
        protocol in prop_oneof![Just(6_u8), Just(17), any::<u8>()],
        ends in (end(), end(), end()),
        state in prop_oneof![Just("UDP"), Just("NONE"), Just("ESTABLISHED")],
        origin in prop_oneof![Just(""), Just("LOCAL  ")],
        seconds_left in number(),
    ) {
        let (client, virtual_endpoint, dest) = ends;
        let ours = printed(|line| line.conn(&Conn {
            protocol: Protocol(protocol),
            client,
            virtual_endpoint,
            dest,
            state,
            origin,
            seconds_left,
            data: None,
        }));
        let end = |end: Endpoint| format!("{} {:04X}", address(end.addr), end.port.host());
        let wanted = format!(
            "{:<3} {} {} {} {state:<11} {origin}{seconds_left:>7}\n",
            name(u16::from(protocol)).unwrap_or("ERR!"),
            end(client),
            end(virtual_endpoint),
            end(dest),
        );
        prop_assert_eq!(ours, wanted);
    }

    #[test]
    fn services_look_as_formatted(
        mark in prop_oneof![Just(0), number()],
        protocol in prop_oneof![Just(6_u16), Just(17), any::<u16>()],
        at in end(),
        flags in prop_oneof![Just(0), Just(flags::ONE_PACKET), Just(flags::PERSISTENT), any::<u32>()],
        scheduler in (0..Scheduler::ALL.len()).prop_map(|number| Scheduler::ALL[number]),
        netmask in number(),
        timeout in (number(), any::<bool>()),
    ) {
        let key = ServiceKey { mark, protocol: ServiceProtocol(protocol), addr: at.addr, port: at.port };
        let settings = ServiceSettings { scheduler, flags, timeout_seconds: 0, netmask, engine: None };
        let timeout = if timeout.1 { timeout.0 as i32 } else { -(timeout.0.min(1 << 31) as i64) as i32 };
        let ours = printed(|line| line.service(&key, &settings, timeout));
        let ops = if settings.is_one_packet() { "ops " } else { "" };
        let scheduler = scheduler.name();
        let named = name(protocol).map_or(format!("IP_{protocol}"), str::to_string);
        let begin = match (mark, key.family()) {
            (0, Family::V4) => format!("{named}  {} {scheduler} {ops} ", place(at.addr, at.port)),
            (0, Family::V6) => format!("{named}  {} {scheduler} ", place(at.addr, at.port)),
            (mark, _) => format!("FWM  {mark:08X} {scheduler} {ops}"),
        };
        let end = if settings.is_persistent() {
            format!("persistent {timeout} {:08X}\n", u32::from_be(netmask))
        } else {
            "\n".to_string()
        };
        prop_assert_eq!(ours, begin + &end);
    }

    #[test]
    fn servers_look_as_formatted(
        at in end(),
        method in 0..8_u32,
        counts in (number(), number(), number()),
    ) {
        let key = DestKey { addr: at.addr, port: at.port };
        let (weight, active, inactive) = counts;
        let method = Method::from_number(method);
        let ours = printed(|line| line.server(&Server { key: &key, method, weight, active, inactive }));
        let method = ["Masq", "Local", "Tunnel", "Route", "Masq", "Masq", "Masq", "Masq"][method.number() as usize];
        let wanted = format!(
            "  -> {}      {method:<7} {weight:<6} {active:<10} {inactive:<10}\n",
            place(at.addr, at.port)
        );
        prop_assert_eq!(ours, wanted);
    }
}
