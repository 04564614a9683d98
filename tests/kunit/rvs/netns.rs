// SPDX-License-Identifier: GPL-2.0
//! The state of a namespace and its settings in a live kernel.

#[kernel::prelude::kunit_tests(rvs_netns)]
mod tests {
    use crate::control::Session;
    use crate::kunit::fixture::{Fixture, SERVER, SETTINGS};
    use crate::netns::Netns;
    use core::net::{IpAddr, Ipv6Addr};
    use ipvs::addr::{ipv4, Addr, Family, Port};
    use ipvs::refusal::Refusal;
    use ipvs::service::{DestKey, ServiceKey};
    use ipvs::wire::genl::DestRequest;
    use kernel::prelude::*;
    use kernel::sync::atomic::Relaxed;
    use linux::net::Net;
    use linux::rcu;

    #[test]
    fn initial_namespace_has_a_state() -> Result {
        let netns = Netns::get(Net::init())?;
        assert!(Net::init().is_init());
        assert!(Net::init().is_owned_by_init_user());
        let found = rcu::read(|rcu| {
            Netns::of(Net::init(), rcu).is_some_and(|found| found.ptr_eq(netns.borrow(rcu)))
        });
        assert!(found);
        Ok(())
    }

    #[test]
    fn conn_max_keeps_its_limits() -> Result {
        let netns = Netns::get(Net::init())?;
        let conn_max = &netns.config.conn_max;
        let before = conn_max.get();
        assert!(conn_max.set(-1).is_err());
        assert!(conn_max.set(i32::MAX).is_err());
        assert_eq!(conn_max.get(), before);
        assert!(conn_max.set(before).is_ok());
        Ok(())
    }

    #[test]
    fn a_running_daemon_allows_no_server_of_the_other_family() -> Result {
        let netns = Netns::get(Net::init())?;
        let session = Session::begin(Net::init(), &netns);
        let fixture = Fixture::new()?;
        let answer = |family, addr| -> Result<_> {
            let key = DestKey {
                addr,
                port: Port::ANY,
            };
            let request = DestRequest {
                key,
                settings: SERVER,
            };
            let service = fixture.add(ServiceKey::of_mark(family, 5), SETTINGS)?;
            let daemon_runs = &netns.daemon_runs;
            let idle = session.check_daemons(&service, &request);
            daemon_runs.store(true, Relaxed);
            let running = session.check_daemons(&service, &request);
            daemon_runs.store(false, Relaxed);
            Ok((idle, running))
        };
        let (v4, v6) = (
            ipv4([10, 2, 0, 11]),
            Addr::from_ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        );
        let refused = Err(Refusal::DestDaemon);
        let (one, other) = (answer(Family::V4, v4)?, answer(Family::V6, v4)?);
        fixture.close();
        assert_eq!((one, other), ((Ok(()), Ok(())), (Ok(()), refused)));
        let (one, other) = (answer(Family::V6, v6)?, answer(Family::V4, v6)?);
        fixture.close();
        assert_eq!((one, other), ((Ok(()), Ok(())), (Ok(()), refused)));
        Ok(())
    }

    #[test]
    fn automatic_defence_follows_the_memory() -> Result {
        let netns = Netns::get(Net::init())?;
        let config = &netns.config;
        let mode = || config.drop_entry.mode().number();
        assert!(config.set_measure(&config.drop_entry, 1).is_ok());
        assert_eq!(mode(), 1);
        config.amemthresh.0.store(i32::MAX, Relaxed);
        config.evaluate_measures();
        let starved = mode();
        config.amemthresh.0.store(1024, Relaxed);
        config.evaluate_measures();
        assert_eq!((starved, mode()), (2, 1));
        assert!(config.set_measure(&config.drop_entry, 4).is_err());
        assert!(config.set_measure(&config.drop_entry, 0).is_ok());
        Ok(())
    }
}
