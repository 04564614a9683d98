// SPDX-License-Identifier: GPL-2.0
//! Persistence templates of the first namespace at the limit of what may depend on one.

#[kernel::prelude::kunit_tests(rvs_packet_persist)]
mod tests {
    use super::*;

    #[test]
    fn full_template_drops_its_packet_and_no_second_one_is_made() -> Result {
        let netns = Netns::get(Net::init())?;
        let session = Session::begin(Net::init(), &netns);
        netns.conns.open()?;
        drop(session);
        let fixture = Fixture::new()?;
        let settings = ServiceSettings {
            flags: flags::service::PERSISTENT,
            timeout_seconds: 300,
            ..SETTINGS
        };
        let key = ServiceKey::of_address(Protocol::TCP, addr(80), Port::from_host(80));
        let service = fixture.add(key, settings)?;
        let dest = DestKey {
            addr: addr(11),
            port: Port::from_host(80),
        };
        fixture.link(&service, dest)?;
        let before = netns.conns.count();
        assert_eq!(dropped(&service)?, None);
        let one = before.wrapping_add(1);
        assert_eq!(netns.conns.count(), one);
        let all = with_template(&netns, &service, |template| template.hold_fully().ok());
        assert!(all.is_some());
        assert_eq!(dropped(&service)?, Some(Drop::TemplateFull));
        assert_eq!(netns.conns.count(), one);
        drop(all);
        assert_eq!(dropped(&service)?, None);
        assert_eq!(netns.conns.count(), one);
        with_template(&netns, &service, |template| Some(template.end()));
        fixture.close();
        assert_eq!(netns.conns.count(), before);
        Ok(())
    }
}

use super::choose;
use crate::conn::Conn;
use crate::control::Session;
use crate::drops::Drop;
use crate::kunit::fixture::{Fixture, SETTINGS};
use crate::netns::Netns;
use crate::packet::context::PacketContext;
use crate::packet::first::First;
use crate::service::Service;
use ipvs::addr::{ipv4, Addr, Port, Protocol};
use ipvs::conn::template::TemplateKey;
use ipvs::flags;
use ipvs::flow::Flow;
use ipvs::packet::{self, Packet};
use ipvs::service::{DestKey, ServiceKey, ServiceSettings};
use kernel::prelude::*;
use linux::crafted::Crafted;
use linux::inet::{self, Point};
use linux::net::Net;
use linux::rcu;

/// A SYN from 192.0.2.9 port 40000 to 192.0.2.80 port 80, without checksums.
const SYN: [u8; 40] = [
    0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 9, 192, 0, 2, 80, // IPv4
    0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0, // TCP
];

fn addr(last: u8) -> Addr {
    ipv4([192, 0, 2, last])
}

fn read() -> Result<(Packet, Flow)> {
    let packet = packet::parse(&SYN, SYN.len() as u32).map_err(|_| EINVAL)?;
    let flow = packet.conn_flow().ok_or(EINVAL)?;
    Ok((packet, flow))
}

/// Returns why the SYN gets no server by the client's template, if it gets none.
fn dropped(service: &Service) -> Result<Option<Drop>> {
    let (packet, flow) = read()?;
    let crafted = Crafted::new(&SYN, SYN.len())?;
    let hook = (inet::Family::V4, Point::LocalIn);
    let (_packet, result) = crafted.pass(hook, |skb, rcu| {
        let net = Net::init();
        let result = Netns::of(net, rcu).map(|netns| {
            let netns = netns.get();
            let hash = netns.conns.hash(&flow);
            let first = First {
                packet: &packet,
                flow,
                hash,
            };
            choose(PacketContext { net, netns, rcu }, &skb, &first, service).err()
        });
        (skb.accept(), result)
    })?;
    result.ok_or(ENOENT)
}

/// Does something with the client's template.
fn with_template<T>(
    netns: &Netns,
    service: &Service,
    what: impl FnOnce(Conn<'_>) -> Option<T>,
) -> Option<T> {
    let (_, flow) = read().ok()?;
    let key = TemplateKey::of(service.key(), u32::MAX, &flow);
    rcu::read(|rcu| what(netns.conns.find_template(&key, None, rcu)?))
}
