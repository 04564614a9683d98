// SPDX-License-Identifier: GPL-2.0
//! A real server's counts and flags, and the trash.

#[kernel::prelude::kunit_tests(rvs_dest)]
mod tests {
    use crate::dest::{Dest, Trash};
    use ipvs::addr::{ipv4, Port, Protocol};
    use ipvs::conn::state::Activity;
    use ipvs::service::{DestKey, DestSettings, ServiceKey, TunnelSettings, INHERITED};
    use ipvs::xmit::Method;
    use kernel::prelude::*;
    use linux::rcu::{self, Arc};

    #[test]
    fn settings_come_back() -> Result {
        let dest = made(&SETTINGS)?;
        assert_eq!(dest.settings(), SETTINGS);
        let other = DestSettings {
            method: Method::Tunnel,
            inherited: INHERITED,
            weight: 9,
            upper: 0,
            lower: 0,
            tunnel: TunnelSettings {
                kind: 1,
                port: Port::from_host(6080),
                flags: 0x102,
            },
        };
        dest.edit(&other);
        assert_eq!(dest.settings(), other);
        Ok(())
    }

    #[test]
    fn active_and_inactive_make_the_total() -> Result {
        let dest = made(&SETTINGS)?;
        assert!(binds(&dest, 2));
        rcu::read(|rcu| dest.activate(rcu));
        assert_eq!((dest.active(), dest.inactive(), dest.total()), (1, 1, 2));
        dest.unbind(Activity::Active);
        assert_eq!((dest.active(), dest.inactive(), dest.total()), (0, 1, 1));
        dest.unbind(Activity::Inactive);
        assert_eq!((dest.active(), dest.inactive(), dest.total()), (0, 0, 0));
        Ok(())
    }

    #[test]
    fn overload_begins_at_the_upper_threshold_and_ends_below_the_lower() -> Result {
        let dest = made(&SETTINGS)?;
        assert!(binds(&dest, 3) && !dest.is_overloaded());
        assert!(binds(&dest, 1) && dest.is_overloaded());
        dest.unbind(Activity::Inactive);
        dest.unbind(Activity::Inactive);
        assert!(dest.is_overloaded());
        dest.unbind(Activity::Inactive);
        assert!(!dest.is_overloaded());
        Ok(())
    }

    #[test]
    fn no_threshold_ends_overload() -> Result {
        let dest = made(&SETTINGS)?;
        assert!(binds(&dest, 4) && dest.is_overloaded());
        dest.edit(&DestSettings {
            upper: 0,
            lower: 0,
            ..SETTINGS
        });
        assert!(!dest.is_overloaded());
        Ok(())
    }

    #[test]
    fn trash_gives_back_to_the_same_service_only() -> Result {
        let trash = KBox::try_pin_init(Trash::new(), GFP_KERNEL)?;
        let dest = made(&SETTINGS)?;
        trash.put(dest.clone());
        let other = ServiceKey {
            port: Port::from_host(81),
            ..SERVICE
        };
        assert!(trash.take(&KEY, &other).is_none());
        let found = trash.take(&KEY, &SERVICE);
        assert!(found.is_some_and(|found| found.ptr_eq(&dest)));
        assert!(trash.take(&KEY, &SERVICE).is_none());
        Ok(())
    }

    #[test]
    fn trash_ends_with_servers_in_it() -> Result {
        let trash = KBox::try_pin_init(Trash::new(), GFP_KERNEL)?;
        for _ in 0..20 {
            trash.put(made(&SETTINGS)?);
        }
        trash.clear();
        assert!(trash.take(&KEY, &SERVICE).is_none());
        Ok(())
    }

    const SERVICE: ServiceKey =
        ServiceKey::of_address(Protocol::TCP, ipv4([192, 0, 2, 1]), Port::from_host(80));

    const KEY: DestKey = DestKey {
        addr: ipv4([192, 0, 2, 2]),
        port: Port::from_host(8080),
    };

    const SETTINGS: DestSettings = DestSettings {
        method: Method::Nat,
        inherited: 0,
        weight: 1,
        upper: 4,
        lower: 2,
        tunnel: TunnelSettings {
            kind: 0,
            port: Port::ANY,
            flags: 0,
        },
    };

    fn made(settings: &DestSettings) -> Result<Arc<Dest>> {
        Ok(Arc::pin_init(
            Dest::new(KEY, SERVICE, settings),
            GFP_KERNEL,
        )?)
    }

    fn binds(dest: &Dest, times: u32) -> bool {
        rcu::read(|rcu| (0..times).for_each(|_| dest.bind(rcu)));
        true
    }
}
