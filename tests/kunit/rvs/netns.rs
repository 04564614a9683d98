// SPDX-License-Identifier: GPL-2.0
//! The state of a namespace and its settings in a live kernel.

#[kernel::prelude::kunit_tests(rvs_netns)]
mod tests {
    use crate::netns::Netns;
    use kernel::prelude::*;
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
    fn automatic_defence_follows_the_memory() -> Result {
        let netns = Netns::get(Net::init())?;
        let config = &netns.config;
        config.drop_entry.set(1, &config.amemthresh)?;
        assert_eq!(config.drop_entry.evaluate(&config.am_droprate), 1);
        config
            .amemthresh
            .0
            .store(i32::MAX, kernel::sync::atomic::Relaxed);
        let starved = config.drop_entry.evaluate(&config.amemthresh);
        config
            .amemthresh
            .0
            .store(1024, kernel::sync::atomic::Relaxed);
        assert_eq!(starved, 2);
        assert_eq!(config.drop_entry.evaluate(&config.am_droprate), 1);
        assert!(config.drop_entry.set(4, &config.amemthresh).is_err());
        assert!(config.drop_entry.set(0, &config.amemthresh).is_ok());
        Ok(())
    }
}
