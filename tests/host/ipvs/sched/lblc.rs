// SPDX-License-Identifier: GPL-2.0
//! What lblc and lblcr ask of the servers that they remember, against the specification's words.

use super::fixture::World;
use super::models::load;
use super::server::{List, Server};
use ipvs::addr::{ipv6, words};
use ipvs::sched::{lblc, lblcr};
use proptest::prelude::*;

/// 5.13: it has too much to do while another has too little.
fn overloaded(list: &List, server: &Server) -> bool {
    let has_room = |other: &Server| 2 * u64::from(other.active) < u64::from(other.weight);
    server.active > server.weight && list.iter().any(has_room)
}

/// 5.14: the least load for its weight among those not beyond their thresholds.
fn least(members: &[Server]) -> Option<usize> {
    let first = |server: &Server| server.takes() && server.linked;
    let mut best = members.iter().position(first)?;
    for at in best + 1..members.len() {
        let (old, new) = (&members[best], &members[at]);
        let less = load(old) * i128::from(new.weight) > load(new) * i128::from(old.weight);
        if !new.overloaded && new.linked && less {
            best = at;
        }
    }
    Some(best)
}

/// 5.14: the most load for its weight.
fn most(members: &[Server]) -> Option<usize> {
    let mut best = members.iter().position(|server| server.weight > 0)?;
    for at in best + 1..members.len() {
        let (old, new) = (&members[best], &members[at]);
        let more = load(old) * i128::from(new.weight) < load(new) * i128::from(old.weight);
        if new.weight > 0 && more {
            best = at;
        }
    }
    Some(best)
}

/// Compares what is said of each server and of sets of them, those that are gone included.
pub fn agrees(world: &World, gone: &List) -> Result<(), TestCaseError> {
    let list = world.list();
    for server in list.iter().chain(gone) {
        let overloaded = overloaded(&list, server);
        let keeps = server.linked && server.weight > 0 && !overloaded;
        prop_assert_eq!(lblc::keeps(world, server), keeps);
        prop_assert_eq!(lblcr::keeps(world, server), !overloaded);
    }
    // Sets in an order that is not the list's, of all sizes.
    let mut members: Vec<Server> = list.iter().chain(gone).copied().collect();
    members.sort_by_key(|server| server.name.wrapping_mul(0x9e37_79b9));
    for end in 0..=members.len() {
        let members = &members[end / 2..end];
        prop_assert_eq!(lblcr::least(members), least(members));
        prop_assert_eq!(lblcr::most(members), most(members));
    }
    Ok(())
}

proptest! {
    /// Every word of an address counts, with its own factor, and whatever they are there is a bucket.
    #[test]
    fn an_address_has_a_bucket(octets: [u8; 16], factors: [u64; 4], number in 0_usize..4) {
        let addr = ipv6(octets);
        prop_assert!(lblc::Factors(factors).bucket(addr) < lblc::BUCKETS);
        let mut one = [0; 4];
        one[number] = 1 << 54;
        let word = words(addr)[number] as usize;
        prop_assert_eq!(lblc::Factors(one).bucket(addr), word % lblc::BUCKETS);
    }
}
