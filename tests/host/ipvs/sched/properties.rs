// SPDX-License-Identifier: GPL-2.0
//! What holds for every set of servers: servers that are never chosen, exact shares, stable choices.

use super::fixture::{slots, World};
use super::models::gcd;
use super::server::{flow, Server};
use ipvs::addr::Family;
use ipvs::flow::Flow;
use ipvs::sched::{Options, Scheduler};
use proptest::prelude::*;

/// Packets of many clients to many services.
fn flows() -> impl Iterator<Item = Flow> {
    (0..200_u16).map(|seed| flow(Family::V4, seed.wrapping_mul(331)))
}

/// Weights, whether usable, active connections.
fn servers() -> impl Strategy<Value = Vec<(u32, bool, u32)>> {
    prop::collection::vec((0..3_u32, any::<bool>(), 0..4_u32), 0..20)
}

fn world(scheduler: Scheduler, servers: &[(u32, bool, u32)], size: usize) -> World {
    let weights: Vec<u32> = servers.iter().map(|server| server.0).collect();
    let mut world = World::grouped(scheduler, &weights, size);
    for (name, (_, usable, active)) in (1..).zip(servers) {
        world.overload(name, !*usable);
        world.load(name, *active, *active);
    }
    world
}

/// Whether a server takes a connection.
fn possible(scheduler: Scheduler, servers: &[Server]) -> bool {
    let full = |server: &Server| scheduler == Scheduler::Ovf && server.active > server.weight;
    let takes = |server: &Server| server.takes() && !full(server);
    scheduler != Scheduler::None && servers.iter().any(takes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn only_servers_that_may_be_chosen_are_and_one_of_them_always(servers in servers(), size in 1..8_usize) {
        for scheduler in Scheduler::ALL {
            let mut world = world(scheduler, &servers, size);
            let list = world.list();
            for fallback in [false, true] {
                world.options = Options { fallback, port: true };
                // Without it a client whose slot has a server that takes none gets none.
                let only_one = slots(scheduler) != 0 && (!fallback || scheduler == Scheduler::Dh);
                for flow in flows().take(30) {
                    let picked = world.pick_for(&flow);
                    prop_assert!(picked.is_none_or(|name| world.find(name).unwrap().takes()));
                    prop_assert!(only_one || picked.is_some() == possible(scheduler, &list));
                }
            }
        }
    }

    #[test]
    fn rr_and_wrr_share_a_cycle_exactly_wherever_it_begins(
        weights in prop::collection::vec((0..40_u32, prop::bool::weighted(0.8)), 1..40),
        size in 1..20_usize,
        before in 0..100_usize,
    ) {
        let divisor = weights.iter().fold(0, |all, (weight, _)| gcd(i64::from(*weight), all));
        let divisor = u32::try_from(divisor).unwrap().max(1);
        for scheduler in [Scheduler::Rr, Scheduler::Wrr] {
            let servers: Vec<_> = weights.iter().map(|(weight, usable)| (*weight, *usable, 0)).collect();
            let world = world(scheduler, &servers, size);
            let share = |server: &Server| match scheduler {
                _ if !server.takes() => 0,
                Scheduler::Rr => 1,
                _ => server.weight / divisor,
            };
            let cycle: u32 = world.list().iter().map(share).sum();
            for _ in 0..before {
                world.pick();
            }
            let mut counts = vec![0; weights.len() + 1];
            for _ in 0..cycle {
                counts[usize::try_from(world.pick().unwrap()).unwrap()] += 1;
            }
            for server in world.list() {
                prop_assert_eq!(counts[usize::try_from(server.name).unwrap()], share(&server));
            }
        }
    }

    #[test]
    fn hashing_does_not_look_at_loads_or_groups_and_forgets_overload(
        weights in prop::collection::vec(0..6_u32, 1..40),
        size in 1..20_usize,
        overloaded in any::<prop::sample::Index>(),
    ) {
        for scheduler in [Scheduler::Dh, Scheduler::Sh, Scheduler::Mh] {
            let mut world = World::grouped(scheduler, &weights, size);
            let other = World::of(scheduler, &weights);
            let picks = |world: &World| flows().map(|flow| world.pick_for(&flow)).collect::<Vec<_>>();
            let before = picks(&world);
            let name = u32::try_from(overloaded.index(weights.len())).unwrap() + 1;
            world.load(name, 9, 99);
            world.overload(name, true);
            let meanwhile = picks(&world);
            // Only the clients of the server that is overloaded notice.
            let unmoved = |(before, after): (&Option<u32>, &Option<u32>)| before == after || *before == Some(name);
            prop_assert!(before.iter().zip(&meanwhile).all(unmoved));
            world.overload(name, false);
            prop_assert_eq!(&picks(&world), &before);
            prop_assert_eq!(&picks(&other), &before);
        }
    }
}
