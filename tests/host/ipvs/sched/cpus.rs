// SPDX-License-Identifier: GPL-2.0
//! Many CPUs that pick at once share as exactly as one.

use super::fixture::World;
use ipvs::sched::Scheduler;
use std::sync::atomic::{AtomicUsize, Ordering};

const CPUS: usize = 4;
const CYCLES: usize = 400;

/// Counts how often each of some servers was picked in `CYCLES` cycles of a length.
fn shares(world: &World, servers: usize, cycle: usize) -> Vec<usize> {
    let counts: Vec<AtomicUsize> = (0..servers).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..CPUS {
            scope.spawn(|| {
                for _ in 0..CYCLES * cycle / CPUS {
                    let name = usize::try_from(world.pick().unwrap()).unwrap();
                    counts[name - 1].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    counts.into_iter().map(|count| count.into_inner()).collect()
}

#[test]
fn many_cpus_keep_the_exact_share_of_rr() {
    for size in [1, 3, 32] {
        let mut world = World::grouped(Scheduler::Rr, &[1, 9, 0, 3, 1, 1, 2], size);
        world.overload(5, true);
        let shares = shares(&world, 7, 5);
        assert_eq!(shares, [1, 1, 0, 1, 0, 1, 1].map(|share| share * CYCLES));
    }
}

#[test]
fn many_cpus_keep_the_exact_share_of_wrr() {
    for size in [1, 3, 32] {
        let mut world = World::grouped(Scheduler::Wrr, &[1, 2, 0, 4, 7, 5], size);
        world.overload(5, true);
        let shares = shares(&world, 6, 12);
        assert_eq!(shares, [1, 2, 0, 4, 0, 5].map(|share| share * CYCLES));
    }
}
