// SPDX-License-Identifier: GPL-2.0
//! Services of the first namespace, which has none of its own while the suites run.

#[kernel::prelude::kunit_tests(rvs_services)]
mod tests {
    use crate::netns::Netns;
    use crate::service::Command;
    use ipvs::addr::{ipv4, Addr, Endpoint, Family, Port, Protocol};
    use ipvs::flow::Flow;
    use ipvs::proto::Transport;
    use ipvs::sched::Scheduler;
    use ipvs::service::{DestKey, DestSettings, ServiceKey, ServiceSettings, TunnelSettings};
    use ipvs::xmit::Method;
    use kernel::prelude::*;
    use linux::net::Net;
    use linux::rcu;

    #[test]
    fn services_come_are_listed_and_go() -> Result {
        let netns = Netns::get(Net::init())?;
        let command = Command::begin(Net::init(), &netns);
        for port in 1..=100 {
            netns.services.add(&command, place(port), SETTINGS)?;
        }
        assert_eq!(netns.services.count(), 100);
        assert!(netns.services.buckets() >= 256);
        let again = netns.services.add(&command, place(7), SETTINGS);
        assert_eq!(again.err(), Some(EEXIST));
        assert!(listed(&netns).eq((1..=100).map(place)));
        let odd = (1..=100).step_by(2).map(place);
        assert!(odd.clone().all(|key| removes(&netns, &command, &key)));
        assert!(odd.clone().all(|key| netns.services.get(&key).is_none()));
        assert!(listed(&netns).eq((2..=100).step_by(2).map(place)));
        netns.services.flush(&command);
        assert_eq!(netns.services.count(), 0);
        assert_eq!(netns.services.buckets(), 0);
        Ok(())
    }

    #[test]
    fn packet_finds_mark_then_port_then_any_port() -> Result {
        let netns = Netns::get(Net::init())?;
        let command = Command::begin(Net::init(), &netns);
        let mark = ServiceKey::of_mark(Family::V4, 5);
        netns.services.add(&command, mark, SETTINGS)?;
        netns.services.add(&command, place(80), SETTINGS)?;
        netns.services.add(&command, place(0), SETTINGS)?;
        netns.services.add(&command, place(21), SETTINGS)?;
        assert_eq!(found(&netns, 80, 5), Some(mark));
        assert_eq!(found(&netns, 80, 6), Some(place(80)));
        assert_eq!(found(&netns, 20, 0), Some(place(21)));
        assert_eq!(found(&netns, 5000, 0), Some(place(21)));
        assert_eq!(found(&netns, 81, 0), Some(place(0)));
        netns.services.flush(&command);
        assert_eq!(found(&netns, 80, 0), None);
        Ok(())
    }

    #[test]
    fn servers_are_picked_and_listed_newest_first() -> Result {
        let netns = Netns::get(Net::init())?;
        let command = Command::begin(Net::init(), &netns);
        netns.services.add(&command, place(80), SETTINGS)?;
        let service = netns.services.get(&place(80)).ok_or(ENOENT)?;
        for last in 1..=3 {
            service.add_dest(&command, server(last), &SERVER)?;
        }
        let again = service.add_dest(&command, server(1), &SERVER);
        assert_eq!(again.err(), Some(EEXIST));
        let nowhere = DestKey {
            addr: ipv4([224, 0, 0, 1]),
            ..server(1)
        };
        let nowhere = service.add_dest(&command, nowhere, &SERVER);
        assert_eq!(nowhere.err(), Some(EINVAL));
        assert_eq!(picked(&netns, 80), Some(server(3)));
        assert_eq!(picked(&netns, 80), Some(server(2)));
        service.remove_dest(&command, &server(2))?;
        assert_eq!(picked(&netns, 80), Some(server(1)));
        assert_eq!(picked(&netns, 80), Some(server(3)));
        let first = service.dest_below(u64::MAX).ok_or(ENOENT)?;
        let second = service.dest_below(first.serial()).ok_or(ENOENT)?;
        assert_eq!(*first.key(), server(3));
        assert_eq!(*second.key(), server(1));
        assert!(service.dest_below(second.serial()).is_none());
        netns.services.flush(&command);
        netns.services.clear_trash();
        Ok(())
    }

    #[test]
    fn removed_server_returns_with_its_connections() -> Result {
        let netns = Netns::get(Net::init())?;
        let command = Command::begin(Net::init(), &netns);
        netns.services.add(&command, place(80), SETTINGS)?;
        let service = netns.services.get(&place(80)).ok_or(ENOENT)?;
        service.add_dest(&command, server(1), &SERVER)?;
        let dest = service.dest(&server(1)).ok_or(ENOENT)?;
        rcu::read(|rcu| dest.bind(rcu));
        service.remove_dest(&command, &server(1))?;
        assert!(!dest.is_available());
        assert_eq!(
            service.remove_dest(&command, &server(1)).err(),
            Some(ENOENT)
        );
        service.add_dest(&command, server(1), &SERVER)?;
        let back = service.dest(&server(1)).ok_or(ENOENT)?;
        assert!(back.ptr_eq(&dest));
        assert!(back.is_available());
        assert_eq!(back.total(), 1);
        back.unbind(crate::dest::Activity::Inactive);
        netns.services.flush(&command);
        netns.services.clear_trash();
        Ok(())
    }

    #[test]
    fn service_keeps_what_removed_servers_counted() -> Result {
        use ipvs::rate::Counter::Conns;
        let netns = Netns::get(Net::init())?;
        let command = Command::begin(Net::init(), &netns);
        netns.services.add(&command, place(80), SETTINGS)?;
        let service = netns.services.get(&place(80)).ok_or(ENOENT)?;
        service.add_dest(&command, server(1), &SERVER)?;
        service.add_dest(&command, server(2), &SERVER)?;
        let dest = service.dest(&server(1)).ok_or(ENOENT)?;
        (0..3).for_each(|_| crate::stats::conn(&dest.stats, &netns.stats));
        assert_eq!(service.shown().total(Conns), 3);
        service.remove_dest(&command, &server(1))?;
        assert_eq!(service.shown().total(Conns), 3);
        service.add_dest(&command, server(1), &SERVER)?;
        assert_eq!(service.shown().total(Conns), 3);
        assert_eq!(dest.stats.shown().total(Conns), 3);
        service.reset(&command)?;
        assert_eq!(service.shown().total(Conns), 0);
        assert_eq!(dest.stats.shown().total(Conns), 0);
        netns.services.remove(&command, &service)?;
        netns.services.add(&command, place(80), SETTINGS)?;
        let service = netns.services.get(&place(80)).ok_or(ENOENT)?;
        service.add_dest(&command, server(1), &SERVER)?;
        assert_eq!(service.shown().total(Conns), 0);
        netns.services.flush(&command);
        netns.services.clear_trash();
        netns.stats.reset()?;
        Ok(())
    }

    const SETTINGS: ServiceSettings = ServiceSettings {
        scheduler: Scheduler::Rr,
        flags: 0,
        timeout_seconds: 0,
        netmask: u32::MAX,
    };

    const SERVER: DestSettings = DestSettings {
        method: Method::Direct,
        weight: 1,
        upper: 0,
        lower: 0,
        tunnel: TunnelSettings {
            kind: 0,
            port: Port::ANY,
            flags: 0,
        },
    };

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

    fn found(netns: &Netns, port: u16, mark: u32) -> Option<ServiceKey> {
        rcu::read(|rcu| {
            let services = &netns.services;
            let service = services.find_packet(rcu, Net::init(), &flow(port), mark)?;
            Some(*service.key())
        })
    }

    fn picked(netns: &Netns, port: u16) -> Option<DestKey> {
        let service = netns.services.get(&place(port))?;
        rcu::read(|rcu| Some(*service.pick(rcu, &flow(port))?.key()))
    }

    fn removes(netns: &Netns, command: &Command<'_>, key: &ServiceKey) -> bool {
        let service = netns.services.get(key);
        service.is_some_and(|service| netns.services.remove(command, &service).is_ok())
    }

    fn listed(netns: &Netns) -> impl Iterator<Item = ServiceKey> + '_ {
        let mut serial = 0;
        core::iter::from_fn(move || {
            let service = netns.services.after(serial)?;
            serial = service.serial();
            Some(*service.key())
        })
    }
}
