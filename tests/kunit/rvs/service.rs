// SPDX-License-Identifier: GPL-2.0
//! Services, their servers and their table.

#[kernel::prelude::kunit_tests(rvs_services)]
mod tests {
    use crate::dest::Dest;
    use crate::kunit::fixture::{Fixture, SERVER, SETTINGS};
    use crate::stats::Stats;
    use ipvs::addr::{ipv4, Addr, Endpoint, Family, Port, Protocol};
    use ipvs::flow::Flow;
    use ipvs::proto::Transport;
    use ipvs::service::{DestKey, DestSettings, ServiceKey};
    use ipvs::xmit::Method;
    use kernel::prelude::*;
    use linux::net::Net;
    use linux::rcu::{self, Arc};

    #[test]
    fn services_come_are_listed_and_go() -> Result {
        let fixture = Fixture::new()?;
        for port in 1..=100 {
            fixture.add(place(port), SETTINGS)?;
        }
        assert_eq!(fixture.services.count(), 100);
        assert!(fixture.services.buckets() >= 256);
        assert!(listed(&fixture).eq((1..=100).map(place)));
        let odd = (1..=100).step_by(2).map(place);
        assert!(odd.clone().all(|key| removes(&fixture, &key)));
        assert!(odd.clone().all(|key| fixture.services.get(&key).is_none()));
        assert!(listed(&fixture).eq((2..=100).step_by(2).map(place)));
        fixture.close();
        assert_eq!(fixture.services.count(), 0);
        assert_eq!(fixture.services.buckets(), 0);
        Ok(())
    }

    #[test]
    fn packet_finds_mark_then_port_then_any_port() -> Result {
        let fixture = Fixture::new()?;
        let mark = ServiceKey::of_mark(Family::V4, 5);
        fixture.add(mark, SETTINGS)?;
        fixture.add(place(80), SETTINGS)?;
        fixture.add(place(0), SETTINGS)?;
        fixture.add(place(21), SETTINGS)?;
        assert_eq!(found(&fixture, 80, 5), Some(mark));
        assert_eq!(found(&fixture, 80, 6), Some(place(80)));
        assert_eq!(found(&fixture, 20, 0), Some(place(21)));
        assert_eq!(found(&fixture, 5000, 0), Some(place(21)));
        assert_eq!(found(&fixture, 81, 0), Some(place(0)));
        fixture.close();
        assert_eq!(found(&fixture, 80, 0), None);
        Ok(())
    }

    #[test]
    fn servers_are_found_by_what_packets_show() -> Result {
        let fixture = Fixture::new()?;
        let servers = &fixture.services.servers;
        let method = Method::Nat;
        let settings = DestSettings { method, ..SERVER };
        let mut dests = KVec::with_capacity(200, GFP_KERNEL)?;
        for port in 1..=200 {
            let dest = Dest::new(shown(port), place(80), &settings);
            let dest = Arc::pin_init(dest, GFP_KERNEL)?;
            servers.insert(&dest)?;
            dests.push(dest, GFP_KERNEL)?;
        }
        assert!((1..=200).all(|port| shows(&fixture, port)));
        assert!(!shows(&fixture, 0) && !shows(&fixture, 201));
        for dest in dests.iter().step_by(2) {
            servers.remove(dest);
            servers.remove(dest);
        }
        assert!((1..=200).all(|port| shows(&fixture, port) == (port % 2 == 0)));
        // One that is edited is found by its present place alone.
        if let Some(dest) = dests.get(1) {
            dest.edit(&SERVER);
        }
        assert!(!shows(&fixture, 2) && shows(&fixture, 4));
        fixture.close();
        assert!(!shows(&fixture, 4));
        Ok(())
    }

    #[test]
    fn servers_are_picked_and_listed_newest_first() -> Result {
        let fixture = Fixture::new()?;
        let service = fixture.add(place(80), SETTINGS)?;
        for last in 1..=3 {
            fixture.link(&service, server(last))?;
        }
        assert_eq!(picked(&fixture, 80), Some(server(3)));
        assert_eq!(picked(&fixture, 80), Some(server(2)));
        fixture.unlink(&service, &server(2))?;
        assert_eq!(picked(&fixture, 80), Some(server(1)));
        assert_eq!(picked(&fixture, 80), Some(server(3)));
        let first = service.dest_below(u64::MAX).ok_or(ENOENT)?;
        let second = service.dest_below(first.serial()).ok_or(ENOENT)?;
        assert_eq!(*first.key(), server(3));
        assert_eq!(*second.key(), server(1));
        assert!(service.dest_below(second.serial()).is_none());
        fixture.close();
        Ok(())
    }

    #[test]
    fn removed_server_returns_with_its_connections() -> Result {
        let fixture = Fixture::new()?;
        let service = fixture.add(place(80), SETTINGS)?;
        fixture.link(&service, server(1))?;
        let dest = service.dest(&server(1)).ok_or(ENOENT)?;
        rcu::read(|rcu| dest.bind(rcu));
        fixture.unlink(&service, &server(1))?;
        assert!(!dest.is_available());
        assert!(service.dest(&server(1)).is_none());
        fixture.link(&service, server(1))?;
        let back = service.dest(&server(1)).ok_or(ENOENT)?;
        assert!(back.ptr_eq(&dest));
        assert!(back.is_available());
        assert_eq!(back.total(), 1);
        back.unbind(ipvs::conn::state::Activity::Inactive);
        fixture.close();
        Ok(())
    }

    #[test]
    fn service_keeps_what_removed_servers_counted() -> Result {
        use ipvs::rate::Counter::Conns;
        let fixture = Fixture::new()?;
        let service = fixture.add(place(80), SETTINGS)?;
        fixture.link(&service, server(1))?;
        fixture.link(&service, server(2))?;
        let dest = service.dest(&server(1)).ok_or(ENOENT)?;
        let all = Stats::new()?;
        (0..3).for_each(|_| crate::stats::conn(&dest.stats, &all));
        assert_eq!(service.shown().total(Conns), 3);
        fixture.unlink(&service, &server(1))?;
        assert_eq!(service.shown().total(Conns), 3);
        fixture.link(&service, server(1))?;
        assert_eq!(service.shown().total(Conns), 3);
        assert_eq!(dest.stats.shown().total(Conns), 3);
        crate::kunit::fixture::done(service.reset(&fixture.exclusive))?;
        assert_eq!(service.shown().total(Conns), 0);
        assert_eq!(dest.stats.shown().total(Conns), 0);
        fixture.remove(&service)?;
        let service = fixture.add(place(80), SETTINGS)?;
        fixture.link(&service, server(1))?;
        assert_eq!(service.shown().total(Conns), 0);
        fixture.close();
        Ok(())
    }

    const VIRTUAL: Addr = ipv4([127, 0, 0, 1]);

    fn place(port: u16) -> ServiceKey {
        ServiceKey::of_address(Protocol::TCP, VIRTUAL, Port::from_host(port))
    }

    fn server(last: u8) -> DestKey {
        DestKey {
            addr: ipv4([127, 0, 1, last]),
            port: Port::from_host(80),
        }
    }

    fn flow(port: u16) -> Flow {
        Flow {
            transport: Transport::Tcp,
            source: Endpoint {
                addr: Family::V4.unspecified(),
                port: Port::ANY,
            },
            dest: Endpoint {
                addr: VIRTUAL,
                port: Port::from_host(port),
            },
        }
    }

    fn shown(port: u16) -> DestKey {
        let port = Port::from_host(port);
        DestKey { port, ..server(1) }
    }

    fn shows(fixture: &Fixture, port: u16) -> bool {
        let DestKey { addr, port } = shown(port);
        let servers = &fixture.services.servers;
        rcu::read(|rcu| {
            let found = servers.find(rcu, Endpoint { addr, port }, |_| true);
            found.is_some()
        })
    }

    fn found(fixture: &Fixture, port: u16, mark: u32) -> Option<ServiceKey> {
        rcu::read(|rcu| {
            let services = &fixture.services;
            let service = services.find_packet(rcu, Net::init(), &flow(port), mark)?;
            Some(*service.key())
        })
    }

    fn picked(fixture: &Fixture, port: u16) -> Option<DestKey> {
        let service = fixture.services.get(&place(port))?;
        rcu::read(|rcu| Some(*service.pick(rcu, &flow(port))?.key()))
    }

    fn removes(fixture: &Fixture, key: &ServiceKey) -> bool {
        let service = fixture.services.get(key);
        service.is_some_and(|service| fixture.remove(&service).is_ok())
    }

    fn listed(fixture: &Fixture) -> impl Iterator<Item = ServiceKey> + '_ {
        let mut serial = 0;
        core::iter::from_fn(move || {
            let service = fixture.services.after(serial)?;
            serial = service.serial();
            Some(*service.key())
        })
    }
}
