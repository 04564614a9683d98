// SPDX-License-Identifier: GPL-2.0
//! Schedulers over the chunks in which a service keeps its servers.

#[kernel::prelude::kunit_tests(rvs_schedulers)]
mod tests {
    use crate::dest::Dest;
    use crate::kunit::fixture::{done, Fixture, SERVER, SETTINGS};
    use crate::service::Service;
    use ipvs::addr::{ipv4, Endpoint, Family, Port};
    use ipvs::conn::state::Activity;
    use ipvs::flow::Flow;
    use ipvs::proto::Transport;
    use ipvs::sched::Scheduler;
    use ipvs::service::{DestKey, DestSettings, ServiceKey, ServiceSettings};
    use kernel::prelude::*;
    use linux::rcu::{self, Arc};

    /// Enough for several chunks that are not full.
    const SERVERS: u8 = 100;

    #[test]
    fn least_connections_are_found_among_many_chunks() -> Result {
        let fixture = Fixture::new()?;
        let service = filled(&fixture, Scheduler::Lc)?;
        let mut random = Random(1);
        for round in 0..600_u32 {
            let expected = fewest(&service).ok_or(ENOENT)?;
            let dest = picked(&service, 1).ok_or(ENOENT)?;
            assert!(dest.ptr_eq(&expected));
            rcu::read(|rcu| dest.bind(rcu));
            if round % 3 == 0 {
                rcu::read(|rcu| dest.activate(rcu));
            }
            if let Some(busy) = some(&service, &mut random).filter(|dest| dest.total() > 0) {
                let was = if busy.active() > 0 {
                    Activity::Active
                } else {
                    Activity::Inactive
                };
                busy.unbind(was);
            }
            // Chunks shrink, join and go.
            if round % 8 == 0 && round < 8 * 80 {
                let leaves = some(&service, &mut random).ok_or(ENOENT)?;
                fixture.unlink(&service, leaves.key())?;
                empty(&leaves);
            }
        }
        close(&fixture, &service);
        Ok(())
    }

    #[test]
    fn weight_and_thresholds_are_seen_at_once() -> Result {
        let fixture = Fixture::new()?;
        let service = filled(&fixture, Scheduler::Fo)?;
        let last = || picked(&service, 1).map(|dest| *dest.key());
        assert_eq!(last(), Some(server(SERVERS)));
        let heavy = |weight, upper| DestSettings {
            weight,
            upper,
            ..SERVER
        };
        fixture.edit(&service, &server(5), &heavy(9, 1))?;
        assert_eq!(last(), Some(server(5)));
        let dest = service.dest(&server(5)).ok_or(ENOENT)?;
        rcu::read(|rcu| dest.bind(rcu));
        assert_eq!(last(), Some(server(SERVERS)));
        dest.unbind(Activity::Inactive);
        assert_eq!(last(), Some(server(5)));
        fixture.edit(&service, &server(5), &heavy(0, 1))?;
        assert_eq!(last(), Some(server(SERVERS)));
        close(&fixture, &service);
        Ok(())
    }

    #[test]
    fn scheduler_is_exchanged_over_the_same_servers() -> Result {
        let fixture = Fixture::new()?;
        let service = filled(&fixture, Scheduler::Rr)?;
        for scheduler in Scheduler::ALL {
            let settings = ServiceSettings {
                scheduler,
                ..SETTINGS
            };
            done(service.edit(&fixture.exclusive, settings))?;
            let dest = picked(&service, 7);
            assert_eq!(dest.is_some(), scheduler != Scheduler::None);
            // What was summed up for one scheduler is not taken for the next one's.
            if let Some(dest) = dest {
                rcu::read(|rcu| dest.bind(rcu));
                drop(picked(&service, 8));
                empty(&dest);
            }
        }
        close(&fixture, &service);
        Ok(())
    }

    #[test]
    fn lblc_remembers_until_its_server_has_too_much_to_do() -> Result {
        let fixture = Fixture::new()?;
        let service = filled(&fixture, Scheduler::Lblc)?;
        let first = picked(&service, 1).ok_or(ENOENT)?;
        rcu::read(|rcu| first.bind(rcu));
        let second = picked(&service, 2).ok_or(ENOENT)?;
        assert!(!second.ptr_eq(&first));
        assert!(picked(&service, 1).is_some_and(|dest| dest.ptr_eq(&first)));
        rcu::read(|rcu| first.activate(rcu));
        assert!(picked(&service, 1).is_some_and(|dest| dest.ptr_eq(&first)));
        rcu::read(|rcu| first.bind(rcu));
        rcu::read(|rcu| first.activate(rcu));
        // Two active connections for a weight of one, while others have none.
        let other = picked(&service, 1).ok_or(ENOENT)?;
        assert!(!other.ptr_eq(&first));
        first.unbind(Activity::Active);
        first.unbind(Activity::Active);
        assert!(picked(&service, 1).is_some_and(|dest| dest.ptr_eq(&other)));
        fixture.unlink(&service, other.key())?;
        assert!(picked(&service, 1).is_some_and(|dest| !dest.ptr_eq(&other)));
        close(&fixture, &service);
        Ok(())
    }

    #[test]
    fn lblcr_adds_a_server_and_returns_to_the_least_loaded() -> Result {
        let fixture = Fixture::new()?;
        let service = filled(&fixture, Scheduler::Lblcr)?;
        let first = picked(&service, 1).ok_or(ENOENT)?;
        for _ in 0..2 {
            rcu::read(|rcu| first.bind(rcu));
            rcu::read(|rcu| first.activate(rcu));
        }
        let second = picked(&service, 1).ok_or(ENOENT)?;
        assert!(!second.ptr_eq(&first));
        rcu::read(|rcu| second.bind(rcu));
        assert!(picked(&service, 1).is_some_and(|dest| dest.ptr_eq(&second)));
        first.unbind(Activity::Active);
        first.unbind(Activity::Active);
        assert!(picked(&service, 1).is_some_and(|dest| dest.ptr_eq(&first)));
        second.unbind(Activity::Inactive);
        close(&fixture, &service);
        Ok(())
    }

    #[test]
    fn maglev_keeps_its_clients_when_a_server_drains() -> Result {
        let fixture = Fixture::new()?;
        let service = filled(&fixture, Scheduler::Mh)?;
        let before = picked(&service, 1).ok_or(ENOENT)?;
        let other = service.dest_below(before.serial()).ok_or(ENOENT)?;
        fixture.edit(
            &service,
            other.key(),
            &DestSettings {
                weight: 0,
                ..SERVER
            },
        )?;
        assert!(picked(&service, 1).is_some_and(|dest| dest.ptr_eq(&before)));
        fixture.edit(
            &service,
            before.key(),
            &DestSettings {
                weight: 0,
                ..SERVER
            },
        )?;
        assert!(picked(&service, 1).is_none());
        fixture.unlink(&service, before.key())?;
        assert!(picked(&service, 1).is_some_and(|dest| !dest.ptr_eq(&before)));
        close(&fixture, &service);
        Ok(())
    }

    /// The newest server with the least load.
    fn fewest(service: &Service) -> Option<Arc<Dest>> {
        let load = |dest: &Dest| dest.active().wrapping_mul(256).wrapping_add(dest.total());
        let mut best: Option<Arc<Dest>> = None;
        let mut next = service.dest_below(u64::MAX);
        while let Some(dest) = next {
            next = service.dest_below(dest.serial());
            if best.as_ref().is_none_or(|best| load(&dest) < load(best)) {
                best = Some(dest);
            }
        }
        best
    }

    /// Numbers without a pattern (Knuth's linear congruence).
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33).checked_rem(end).unwrap_or(0)
        }
    }

    /// Any server of a service.
    fn some(service: &Service, random: &mut Random) -> Option<Arc<Dest>> {
        let newest = service.dest_below(u64::MAX)?.serial();
        let serial = newest.saturating_sub(random.below(u64::from(SERVERS)));
        service
            .dest_below(serial)
            .or_else(|| service.dest_below(u64::MAX))
    }

    fn empty(dest: &Dest) {
        while dest.total() > 0 {
            let was = if dest.active() > 0 {
                Activity::Active
            } else {
                Activity::Inactive
            };
            dest.unbind(was);
        }
    }

    fn filled(fixture: &Fixture, scheduler: Scheduler) -> Result<Arc<Service>> {
        let settings = ServiceSettings {
            scheduler,
            ..SETTINGS
        };
        let service = fixture.add(KEY, settings)?;
        for last in 1..=SERVERS {
            fixture.link(&service, server(last))?;
        }
        Ok(service)
    }

    fn close(fixture: &Fixture, service: &Service) {
        while let Some(dest) = service.dest_below(u64::MAX) {
            empty(&dest);
            if fixture.unlink(service, dest.key()).is_err() {
                break;
            }
        }
        fixture.close();
    }

    fn picked(service: &Service, last: u8) -> Option<Arc<Dest>> {
        let end = Endpoint {
            addr: ipv4([192, 0, 2, last]),
            port: Port::from_host(80),
        };
        let flow = Flow {
            transport: Transport::Tcp,
            source: end,
            dest: end,
        };
        rcu::read(|rcu| service.pick(rcu, &flow)?.upgrade())
    }

    const KEY: ServiceKey = ServiceKey::of_mark(Family::V4, 77);

    fn server(last: u8) -> DestKey {
        DestKey {
            addr: ipv4([127, 0, 1, last]),
            port: Port::from_host(80),
        }
    }
}
