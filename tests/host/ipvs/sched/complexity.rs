// SPDX-License-Identifier: GPL-2.0
//! No weight and no number of servers makes a decision long: what one asks is counted.

use super::fixture::{slots, World};
use super::server::{flow, measured, Effort};
use super::tables::SLOTS;
use ipvs::addr::Family;
use ipvs::sched::{lblc, lblcr, Options, Scheduler, CHUNK};

const SERVERS: u32 = 1_000;
const CHUNKS: usize = 32;
/// After so many decisions every group was asked for.
const WARM: u16 = 3;
const HUGE: u32 = i32::MAX.unsigned_abs();

/// A hard case for a thousand servers.
struct Case {
    name: &'static str,
    weight: fn(u32) -> u32,
    usable: fn(u32) -> bool,
}

const CASES: [Case; 10] = [
    Case {
        name: "all alike",
        weight: |_| 1,
        usable: |_| true,
    },
    Case {
        name: "only the newest has weight",
        weight: |name| u32::from(name == SERVERS),
        usable: |_| true,
    },
    Case {
        name: "only one has weight",
        weight: |name| u32::from(name == 555),
        usable: |_| true,
    },
    Case {
        name: "only the oldest has weight",
        weight: |name| u32::from(name == 1),
        usable: |_| true,
    },
    Case {
        name: "none has weight",
        weight: |_| 0,
        usable: |_| true,
    },
    Case {
        name: "all but one overloaded",
        weight: |_| 1,
        usable: |name| name == 444,
    },
    Case {
        name: "all overloaded",
        weight: |name| name,
        usable: |_| false,
    },
    Case {
        name: "one heavy among light",
        weight: |name| if name == 300 { HUGE } else { 1 },
        usable: |_| true,
    },
    Case {
        name: "the heavy one overloaded",
        weight: |name| if name == 300 { HUGE } else { 1 },
        usable: |name| name != 300,
    },
    Case {
        name: "all different and huge",
        weight: |name| HUGE - name * name * 7,
        usable: |name| name % 7 != 0,
    },
];

fn world(scheduler: Scheduler, case: &Case) -> World {
    let weights: Vec<u32> = (1..=SERVERS).map(case.weight).collect();
    let mut world = World::of(scheduler, &weights);
    (1..=SERVERS).for_each(|name| world.overload(name, !(case.usable)(name)));
    world
}

/// The most that one of many decisions asks, while connections come and go.
fn worst(world: &mut World) -> Effort {
    let mut worst = Effort::default();
    let mut bound = std::collections::VecDeque::new();
    for turn in 0..600_u16 {
        let (picked, effort) =
            measured(|| world.pick_for(&flow(Family::V4, turn.wrapping_mul(257))));
        if turn >= WARM {
            worst.looks = worst.looks.max(effort.looks);
            worst.aggregates = worst.aggregates.max(effort.aggregates);
        }
        let Some(name) = picked else { continue };
        count(world, name, 1);
        bound.push_back(name);
        // An old one ends at a server of another group.
        if bound.len() > 90 {
            count(world, bound.pop_front().unwrap(), -1);
        }
    }
    worst
}

fn count(world: &mut World, name: u32, change: i32) {
    let server = *world.find(name).unwrap();
    let [active, total] =
        [server.active, server.total].map(|count| count.saturating_add_signed(change));
    world.load(name, active, total);
}

/// What a decision may ask: servers of a few groups a few things each, all groups a few times.
fn allowed(scheduler: Scheduler, fallback: bool) -> Effort {
    let places = match scheduler {
        _ if !fallback => 1,
        // As in C: a client of a server that takes none may search the whole table.
        Scheduler::Sh => 1 + slots(scheduler),
        Scheduler::Mh => 1 + SLOTS,
        _ => 1,
    };
    match scheduler {
        Scheduler::None => Effort {
            looks: 0,
            aggregates: 0,
        },
        Scheduler::Dh | Scheduler::Sh | Scheduler::Mh => Effort {
            looks: 2 * places,
            aggregates: 0,
        },
        // The rest of the cursor's group, and a group where a server is known to take part.
        Scheduler::Rr | Scheduler::Wrr => Effort {
            looks: 4 * CHUNK,
            aggregates: 3 * CHUNKS,
        },
        // Three things of each in both groups drawn from, then the two servers' weights and loads.
        Scheduler::Twos => Effort {
            looks: 2 * 3 * CHUNK + 6,
            aggregates: 3 * CHUNKS,
        },
        // Two groups had other counts: where a connection came and where one went. Seven things are
        // asked of each at most.
        _ => Effort {
            looks: 2 * 7 * CHUNK,
            aggregates: CHUNKS,
        },
    }
}

#[test]
fn no_decision_is_long() {
    for scheduler in Scheduler::ALL {
        for case in &CASES {
            for fallback in [false, true] {
                let mut world = world(scheduler, case);
                assert_eq!(world.chunks(), CHUNKS);
                world.options = Options {
                    fallback,
                    port: false,
                };
                let (worst, allowed) = (worst(&mut world), allowed(scheduler, fallback));
                let fits = worst.looks <= allowed.looks && worst.aggregates <= allowed.aggregates;
                assert!(fits, "{} with {}: {worst:?}", scheduler.name(), case.name);
            }
        }
    }
}

#[test]
fn a_decision_without_a_change_looks_at_no_server() {
    let counting = Scheduler::ALL
        .into_iter()
        .filter(|scheduler| scheduler.spec().watches_counts);
    for scheduler in counting {
        for case in &CASES {
            let world = world(scheduler, case);
            world.pick();
            let (_, effort) = measured(|| world.pick());
            assert!(effort.looks == 0 && effort.aggregates <= CHUNKS);
        }
    }
}

#[test]
fn whether_an_address_keeps_its_server_is_told_from_the_aggregates() {
    let mut world = world(Scheduler::Lblc, &CASES[0]);
    (1..=SERVERS).for_each(|name| world.load(name, 5, 5));
    world.pick();
    let server = *world.find(7).unwrap();
    for (kept, effort) in [
        measured(|| lblc::keeps(&world, &server)),
        measured(|| lblcr::keeps(&world, &server)),
    ] {
        assert!(kept && effort.looks <= 4 && effort.aggregates <= CHUNKS);
    }
}
