// SPDX-License-Identifier: GPL-2.0
//! The modules by whose names programs look for this one, and the one that has to stay out.

use crate::conn;
use ipvs::names;
use ipvs::service::ServiceSettings;
use kernel::prelude::*;
use linux::namesake::{Names, Use, MOST};

const _: () = assert!(names::PLACES <= MOST);

/// `ip_vs` and its parts.
pub(crate) struct IpVs;

impl Names for IpVs {
    fn place(name: &[u8]) -> Option<usize> {
        names::place(name)
    }

    fn is_part(place: usize) -> bool {
        names::is_part(place)
    }

    fn refused() {
        pr_warn!("ip_vs is kept out while rvs is loaded\n");
    }

    fn parameter_given() {
        conn::parameter_given();
    }

    fn parameter_gone() {
        conn::parameter_gone();
    }
}

/// Returns what keeps the balancer's own name in use.
pub(crate) fn use_balancer() -> Use {
    Use::of(names::BALANCER_PLACE)
}

/// Returns what keeps the names of a service's scheduler and engine in use.
pub(crate) fn use_parts(settings: &ServiceSettings) -> [Option<Use>; 2] {
    let engine = settings.engine.and_then(names::place_of_engine);
    [names::place_of(settings.scheduler), engine].map(|place| place.map(Use::of))
}
