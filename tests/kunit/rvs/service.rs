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
    use ipvs::service::{DestKey, Sender, ServiceKey};
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
    fn servers_are_found_by_where_they_send_from() -> Result {
        let fixture = Fixture::new()?;
        let servers = &fixture.services.servers;
        let mut dests = KVec::with_capacity(200, GFP_KERNEL)?;
        for port in 1..=200 {
            dests.push(sender(port, place(80))?, GFP_KERNEL)?;
        }
        for dest in &dests {
            servers.insert(dest)?;
        }
        assert!((1..=200).all(|port| sends(&fixture, port)));
        assert!(!sends(&fixture, 0) && !sends(&fixture, 201));
        for dest in dests.iter().step_by(2) {
            servers.remove(dest);
            servers.remove(dest);
        }
        assert!((1..=200).all(|port| sends(&fixture, port) == (port % 2 == 0)));
        dests.iter().for_each(|dest| servers.remove(dest));
        assert!((1..=200).all(|port| !sends(&fixture, port)));
        fixture.close();
        Ok(())
    }

    #[test]
    fn a_server_of_many_services_is_one_sender() -> Result {
        let fixture = Fixture::new()?;
        let servers = &fixture.services.servers;
        let mut dests = KVec::with_capacity(300, GFP_KERNEL)?;
        for port in 1..=300 {
            dests.push(sender(80, place(port))?, GFP_KERNEL)?;
        }
        let newest = || rcu::read(|rcu| servers.find(rcu, senders(80)[0])?.upgrade());
        let is_newest = |dest: Option<&Arc<Dest>>| match (newest(), dest) {
            (Some(found), Some(dest)) => found.ptr_eq(dest),
            (found, dest) => found.is_none() && dest.is_none(),
        };
        for dest in &dests {
            servers.insert(dest)?;
            assert!(is_newest(Some(dest)));
        }
        // From the middle, from the oldest on, from the newest on.
        for index in Iterator::chain(100..200, 0..100) {
            dests
                .get(index)
                .into_iter()
                .for_each(|dest| servers.remove(dest));
            assert!(is_newest(dests.last()));
        }
        for index in (200..300).rev() {
            dests
                .get(index)
                .into_iter()
                .for_each(|dest| servers.remove(dest));
            assert!(is_newest(dests.get(index - 1).filter(|_| index > 200)));
        }
        assert!(dests.iter().all(|dest| !dest.is_shared()));
        fixture.close();
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

    fn sender(port: u16, service: ServiceKey) -> Result<Arc<Dest>> {
        let port = Port::from_host(port);
        let dest = Dest::new(DestKey { port, ..server(1) }, service, &SERVER);
        Ok(Arc::pin_init(dest, GFP_KERNEL)?)
    }

    fn senders(port: u16) -> [Sender; 2] {
        let (DestKey { addr, .. }, port) = (server(1), Port::from_host(port));
        Sender::of_packet(Protocol::TCP, Endpoint { addr, port })
    }

    fn sends(fixture: &Fixture, port: u16) -> bool {
        let servers = &fixture.services.servers;
        let finds = |sender| rcu::read(|rcu| servers.find(rcu, sender).is_some());
        senders(port).into_iter().any(finds)
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
