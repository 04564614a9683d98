// SPDX-License-Identifier: GPL-2.0
//! Services and real servers as replies of all front ends show them.

use crate::dest::Dest;
use crate::service::Service;
use ipvs::wire::genl as message;

/// Returns a service as users see it.
pub(super) fn shown_service(service: &Service) -> message::Service {
    message::Service {
        key: *service.key(),
        settings: service.settings_now(),
        statistics: (&service.shown()).into(),
    }
}

/// Returns a real server as users see it.
pub(super) fn shown_dest(dest: &Dest) -> message::Dest {
    message::Dest {
        key: *dest.key(),
        settings: dest.settings(),
        active: dest.active(),
        inactive: dest.inactive(),
        persistent: dest.persistent(),
        statistics: (&dest.stats.shown()).into(),
    }
}
