// SPDX-License-Identifier: GPL-2.0
//! Laws of Maglev's table: which server has which slots, how many, and how many change.

use super::fixture::{World, FULL};
use super::server::{flow, Server};
use super::tables::{slots, turns, Slots, SLOTS};
use ipvs::addr::{ipv4, Endpoint, Family, Port};
use ipvs::sched::{Options, Permutation, Scheduler};
use proptest::prelude::*;

fn weights() -> impl Strategy<Value = Vec<u32>> {
    let some = prop_oneof![
        Just(1..=1_u32),
        Just(0..=1_u32),
        Just(0..=9_u32),
        Just(1..=100_u32),
        Just(0..=i32::MAX.unsigned_abs()),
    ];
    let length = prop_oneof![1..50_usize, 1..=1_000_usize];
    (some, length).prop_flat_map(|(some, length)| prop::collection::vec(some, length))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn slots_are_those_of_the_specification(weights in weights()) {
        let world = World::of(Scheduler::Mh, &weights);
        prop_assert_eq!(world.slots(), slots(Family::V4, &world.list()));
    }

    #[test]
    fn each_server_has_its_turns_in_each_round_and_nothing_else(weights in weights()) {
        let world = World::of(Scheduler::Mh, &weights);
        let (list, slots) = (world.list(), world.slots());
        let turns = turns(&list);
        let round: u32 = turns.iter().sum();
        let rounds = 4093_u32.checked_div(round).unwrap_or(0);
        for (server, turns) in list.iter().zip(turns) {
            let count = u32::try_from(slots.iter().filter(|seat| **seat == Some(server.name)).count()).unwrap();
            prop_assert!(turns * rounds <= count && count <= turns * (rounds + 1));
        }
    }

    #[test]
    fn a_drained_server_keeps_its_slots(weights in weights(), at in any::<prop::sample::Index>()) {
        let mut world = World::of(Scheduler::Mh, &weights);
        let before = world.slots();
        let name = u32::try_from(at.index(weights.len())).unwrap() + 1;
        world.weigh(name, 0);
        prop_assert_eq!(&world.slots(), &before);
        prop_assert!(world.fill());
        prop_assert_eq!(&world.slots(), &before);
        // Other clients stay where they are, its own find another server or none.
        for flow in (0..200).map(|seed| flow(Family::V4, seed << 8)) {
            prop_assert!(world.pick_for(&flow) != Some(name));
        }
        world.weigh(name, weights[at.index(weights.len())]);
        prop_assert_eq!(&world.slots(), &before);
    }
}

#[derive(Clone, Debug)]
enum Change {
    Add(u32),
    Remove(prop::sample::Index),
    Weigh(prop::sample::Index, u32),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let weight = || prop_oneof![4 => Just(1), 2 => 0..=3_u32, 1 => 1..=10_u32];
    let change = prop_oneof![
        weight().prop_map(Change::Add),
        any::<prop::sample::Index>().prop_map(Change::Remove),
        (any::<prop::sample::Index>(), weight()).prop_map(|(at, weight)| Change::Weigh(at, weight)),
    ];
    prop::collection::vec(change, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn slots_stay_right_from_change_to_change(
        weights in prop_oneof![
            prop::collection::vec(0..5_u32, 1..700),
            prop::collection::vec((1..=5_u32).prop_map(|weight| weight * 100_000_007), 1..700),
            prop::collection::vec(1..=10_u32, 900..1_100),
        ],
        changes in changes(),
    ) {
        let mut world = World::of(Scheduler::Mh, &weights);
        for change in changes {
            let names: Vec<_> = world.list().into_iter().map(|server| server.name).collect();
            match change {
                Change::Add(weight) => {
                    world.add(weight, FULL);
                }
                Change::Remove(_) if names.is_empty() => {}
                Change::Remove(at) => world.remove(*at.get(&names), at.index(40)),
                Change::Weigh(_, _) if names.is_empty() => {}
                Change::Weigh(at, weight) => world.weigh(*at.get(&names), weight),
            }
            prop_assert_eq!(world.slots(), slots(Family::V4, &world.list()));
        }
    }
}

/// As many turns as servers, and yet not one each.
#[test]
fn slots_are_right_where_every_other_server_has_the_turns_of_two() {
    let weights: Vec<u32> = [2, 0].into_iter().cycle().take(1_000).collect();
    let mut world = World::of(Scheduler::Mh, &weights);
    for (name, weight) in [(501, 3), (501, 5), (500, 1)] {
        world.weigh(name, weight);
        assert!(world.slots() == slots(Family::V4, &world.list()));
    }
}

#[test]
fn slots_of_special_numbers_of_servers_are_right() {
    for count in [1, 2, 31, 32, 33, 64, 1_000, 2_047, SLOTS - 1, SLOTS] {
        let world = World::of(Scheduler::Mh, &vec![1; count]);
        assert!(world.slots() == slots(Family::V4, &world.list()), "{count}");
    }
}

#[test]
fn servers_of_equal_weight_have_as_many_slots_but_one() {
    for count in (1..=200).chain([500, 1_000, 4_000, SLOTS]) {
        let slots = World::of(Scheduler::Mh, &vec![7; count]).slots();
        let mut shares = vec![0_usize; count + 1];
        for name in slots.into_iter().flatten() {
            shares[usize::try_from(name).unwrap()] += 1;
        }
        let least = SLOTS / count;
        assert!(shares[1..]
            .iter()
            .all(|share| (least..=least + 1).contains(share)));
    }
}

#[test]
fn more_servers_than_slots_leave_the_table_as_it_was() {
    let mut world = World::of(Scheduler::Mh, &vec![1; SLOTS]);
    let before = world.table.clone();
    world.add(1, FULL);
    assert_eq!(world.table, before);
    assert!(!world.fill());
    assert_eq!(world.table, before);
}

/// How many slots change between servers that are in both tables, in thousandths of the table.
fn disturbed(before: &Slots, after: &Slots, gone: u32) -> usize {
    let changed = |(old, new): &(&Option<u32>, &Option<u32>)| **old != Some(gone) && old != new;
    before.iter().zip(after).filter(changed).count() * 1_000 / SLOTS
}

/// Servers whose preference lists all differ: one address family, as the hash of another would be cut short.
fn different(count: u32, network: u8) -> World {
    let mut world = World::new(Scheduler::None, Family::V4, Options::of(0));
    for name in 1..=count {
        let [.., middle, low] = name.to_be_bytes();
        let addr = ipv4([10, network, middle, low]);
        let endpoint = Endpoint {
            addr,
            port: Port::from_host(80),
        };
        let permutation = Permutation::of(Family::V4, endpoint);
        world.join(
            Server {
                endpoint,
                permutation,
                ..Server::new(Family::V4, name, 1)
            },
            FULL,
        );
    }
    world.bind(Scheduler::Mh);
    world
}

/// What moves without need: the slots of the server that left go to others earlier in their lists
/// than what those took instead, and late in the table, where few slots are free, that goes on from
/// server to server. More servers for the table's size have more such late turns. Of 20 sets of addresses for
/// each number of servers, the means were 1.0 % (10 servers) to 2.9 % (100), the worst case 8.3 %
/// (once, of 20 servers). The paper finds a few percent too, and asks for at least 100 slots each.
/// A table of remainders would move all but 1 in N.
#[test]
fn few_clients_change_servers_when_another_server_leaves() {
    for count in [10, 20, 50, 100] {
        let mut all = Vec::new();
        for network in 0..4 {
            let before = different(count, network).slots();
            for gone in (1..=count).step_by(5) {
                let mut world = different(count, network);
                world.remove(gone, usize::MAX);
                all.push(disturbed(&before, &world.slots(), gone));
            }
        }
        assert!(
            all.iter().sum::<usize>() <= all.len() * 35,
            "{count} servers: {all:?}"
        );
        assert!(all.into_iter().all(|places| places <= 100));
    }
}
