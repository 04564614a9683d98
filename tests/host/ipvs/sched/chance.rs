// SPDX-License-Identifier: GPL-2.0
//! What twos draws, against the exact distribution.

use super::fixture::World;
use super::models::{better_of, drawn};
use super::server::List;
use ipvs::sched::Scheduler;

const DECISIONS: u32 = 200_000;

/// How often each name is to be expected: every pair of draws is as likely as every other.
fn expected(list: &List, total: u64, names: usize) -> Vec<f64> {
    let mut counts = vec![0_u32; names + 1];
    let servers: Vec<_> = (0..=total).map(|draw| drawn(list, draw).unwrap()).collect();
    for first in &servers {
        for second in &servers {
            counts[usize::try_from(better_of(first, second).name).unwrap()] += 1;
        }
    }
    let pairs = f64::from(counts.iter().sum::<u32>());
    counts
        .into_iter()
        .map(|count| f64::from(count) / pairs * f64::from(DECISIONS))
        .collect()
}

/// The value that chi-square exceeds once in a million times (Wilson and Hilferty's approximation).
fn limit(freedom: usize) -> f64 {
    let part = 2.0 / (9.0 * f64::from(u32::try_from(freedom).unwrap()));
    f64::from(u32::try_from(freedom).unwrap()) * (1.0 - part + 4.753_4 * part.sqrt()).powi(3)
}

#[test]
fn twos_draws_from_the_exact_distribution() {
    let alike: Vec<u32> = vec![1; 40];
    let mixed: Vec<u32> = (0..50).map(|at| [3, 0, 1, 7, 2][at % 5]).collect();
    let cases: [(&[u32], usize); 6] = [
        (&[1, 1], 32),
        (&[1, 2, 3], 1),
        (&[5, 0, 1, 9, 4, 4], 2),
        (&[200, 1, 1, 1], 3),
        (&alike, 7),
        (&mixed, 32),
    ];
    for (weights, size) in cases {
        let mut world = World::grouped(Scheduler::Twos, weights, size);
        for (name, at) in (1..).zip(0..weights.len()) {
            let load = u32::try_from(at * 7 % 5).unwrap();
            world.load(name, load, load + 1);
            world.overload(name, at % 11 == 10);
        }
        let list = world.list();
        let able = list.iter().filter(|server| server.takes());
        let total = able.map(|server| u64::from(server.weight)).sum();
        let expected = expected(&list, total, weights.len());
        let mut counts = vec![0_u32; weights.len() + 1];
        for _ in 0..DECISIONS {
            counts[usize::try_from(world.pick().unwrap()).unwrap()] += 1;
        }
        let possible = || {
            counts
                .iter()
                .zip(&expected)
                .filter(|(_, expected)| **expected > 0.0)
        };
        let terms =
            possible().map(|(count, expected)| (f64::from(*count) - expected).powi(2) / expected);
        assert!(
            terms.sum::<f64>() < limit(possible().count() - 1),
            "{weights:?}"
        );
        // A server that cannot be drawn never was.
        assert_eq!(possible().map(|(count, _)| count).sum::<u32>(), DECISIONS);
    }
}

#[test]
fn twos_survives_the_greatest_weights() {
    let world = World::of(Scheduler::Twos, &[i32::MAX.unsigned_abs(); 1_000]);
    assert!((0..1_000).all(|_| world.pick().is_some()));
}
