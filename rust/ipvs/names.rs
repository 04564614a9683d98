// SPDX-License-Identifier: GPL-2.0
//! The names of modules by which programs look for a balancer and its parts.
//!
//! Each has a place, by which its uses are counted.

use crate::pe::Engine;
use crate::sched::Scheduler;
use core::ffi::CStr;

/// What the balancer itself is called.
pub const BALANCER: &CStr = c"ip_vs";
/// The place of the balancer's own name.
pub const BALANCER_PLACE: usize = 0;
/// The place of the name of iptables' match.
pub const MATCH_PLACE: usize = 1;
/// How many places there are.
pub const PLACES: usize = FIRST_SCHEDULER + Scheduler::ALL.len();

/// The names that are not a scheduler's, in the order of their places.
const OTHERS: [&str; FIRST_SCHEDULER] = ["ip_vs", "xt_ipvs", "ip_vs_pe_sip"];
const FIRST_SCHEDULER: usize = 3;
/// What the name of a scheduler's module begins with.
const PREFIX: &[u8] = b"ip_vs_";
/// What the name of an engine's module begins with.
const ENGINE_PREFIX: &str = "ip_vs_pe_";

/// Returns the place of a module's name; `None` if it is none of the balancer's or not counted.
pub fn place(name: &[u8]) -> Option<usize> {
    let other = OTHERS.iter().position(|one| one.as_bytes() == name);
    other.or_else(|| place_of(Scheduler::from_name(name.strip_prefix(PREFIX)?)?))
}

/// Returns the place of the name of a scheduler's module, if it has one.
pub fn place_of(scheduler: Scheduler) -> Option<usize> {
    if scheduler == Scheduler::None {
        return None;
    }
    let position = Scheduler::ALL.iter().position(|one| *one == scheduler)?;
    position.checked_add(FIRST_SCHEDULER)
}

/// Returns the place of the name of a persistence engine's module.
pub fn place_of_engine(engine: Engine) -> Option<usize> {
    let is_its = |name: &&str| name.strip_prefix(ENGINE_PREFIX) == Some(engine.name());
    OTHERS.iter().position(is_its)
}

/// Returns whether a module keeps the balancer's own in use for as long as it is there: what registers
/// a part with the balancer does.
pub fn is_part(place: usize) -> bool {
    place > MATCH_PLACE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_place_of_its_own() {
        assert_eq!(place(b"ip_vs"), Some(BALANCER_PLACE));
        assert_eq!(place(b"xt_ipvs"), Some(MATCH_PLACE));
        let mut next = place(b"ip_vs_pe_sip").unwrap();
        assert!(Engine::ALL.map(place_of_engine) == [Some(next)]);
        assert!(next > MATCH_PLACE && !is_part(MATCH_PLACE) && is_part(next));
        for scheduler in Scheduler::ALL.into_iter().skip(1) {
            let mut name = [0; 32];
            let bytes = PREFIX.iter().chain(scheduler.name().as_bytes());
            name.iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = *from);
            let len = PREFIX.len() + scheduler.name().len();
            let found = place(&name[..len]).unwrap();
            assert!(found > next && found < PLACES && is_part(found));
            assert_eq!(place_of(scheduler), Some(found));
            next = found;
        }
    }

    #[test]
    fn other_names_have_none() {
        let others = [
            "",
            "ip_v",
            "ip_vs_",
            "ip_vs_none",
            "ip_vs_ftp",
            "ip_vs_rr2",
            "ipvs",
            "rvs",
        ];
        for name in others {
            assert_eq!(place(name.as_bytes()), None, "{name}");
        }
        assert_eq!(place_of(Scheduler::None), None);
    }
}
