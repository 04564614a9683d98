// SPDX-License-Identifier: GPL-2.0
//! Routes of a live kernel whose only device with addresses is loopback.

#[kernel::prelude::kunit_tests(rvs_linux_route)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_host_is_local() {
        assert!(Family::V6.is_enabled());
        for addr in [V4_HERE, V6_HERE] {
            for hop in [NextHop::Table, NextHop::Address] {
                let found = ask(addr, hop, facts);
                assert_eq!(found, Some((Family::of(&addr), true, true)));
            }
        }
    }

    #[test]
    fn an_address_behind_no_device_has_no_route() {
        for addr in [V4_THERE, V6_THERE] {
            assert_eq!(ask(addr, NextHop::Table, facts), None);
        }
    }

    #[test]
    fn routes_of_ipv6_do_not_tell_where_packets_came_from() {
        let is_input = |addr| ask(addr, NextHop::Table, |route| route.is_input());
        assert_eq!(is_input(V4_HERE), Some(Some(false)));
        assert_eq!(is_input(V6_HERE), Some(None));
    }

    #[test]
    fn kinds_of_ipv6_follow_table_and_address() {
        let kind = |addr: [u16; 8]| route::kind(Net::init(), IpAddr::V6(addr.into()));
        assert_eq!(kind([0, 0, 0, 0, 0, 0, 0, 1]), AddressKind::Local);
        assert_eq!(
            kind([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
            AddressKind::Unicast
        );
        assert_eq!(kind([0xfd00, 0, 0, 0, 0, 0, 0, 1]), AddressKind::Unicast);
        assert_eq!(kind([0xfec0, 0, 0, 0, 0, 0, 0, 1]), AddressKind::Unicast);
        assert_eq!(kind([0, 0, 0, 0, 0, 0, 0x0a00, 1]), AddressKind::Unicast);
        assert_eq!(kind([0xfe80, 0, 0, 0, 0, 0, 0, 1]), AddressKind::Other);
        assert_eq!(kind([0xff02, 0, 0, 0, 0, 0, 0, 1]), AddressKind::Other);
        assert_eq!(kind([0, 0, 0, 0, 0, 0xffff, 0x0a00, 1]), AddressKind::Other);
        assert_eq!(kind([0; 8]), AddressKind::Other);
    }

    #[test]
    fn a_remembered_route_stays_good_until_it_is_forgotten() {
        for addr in [V4_HERE, V6_HERE] {
            let remembered = ask(addr, NextHop::Table, |route| {
                let cache = Cache::new();
                let known = || rcu::read(|rcu| cache.get(rcu).map(|route| facts(&route)));
                cache.fill(route, || false);
                assert_eq!(known(), None);
                cache.fill(route, || true);
                assert_eq!(known(), Some(facts(route)));
                rcu::read(|rcu| cache.clear_through(u32::MAX, rcu));
                assert_eq!(known(), Some(facts(route)));
                cache.clear();
                assert_eq!(known(), None);
            });
            assert_eq!(remembered, Some(()));
        }
    }
}

use crate::inet::Family;
use crate::net::Net;
use crate::rcu;
use crate::route::{self, AddressKind, Cache, NextHop, Route, Sender, Target};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const V4_HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const V6_HERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const V4_THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6_THERE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// Looks a route up and asks it something.
fn ask<T>(addr: IpAddr, hop: NextHop, question: impl FnOnce(&Route<'_>) -> T) -> Option<T> {
    let target = Target {
        addr,
        hop,
        sender: Sender::Other,
    };
    rcu::read(|rcu| Route::to(Net::init(), target, rcu).map(|route| question(&route)))
}

/// Returns what tells two routes apart: the family, whether it ends here, whether what must fit
/// everywhere with IPv6 fits.
fn facts(route: &Route<'_>) -> (Family, bool, bool) {
    (route.family(), route.is_local(), route.mtu() >= 1280)
}
