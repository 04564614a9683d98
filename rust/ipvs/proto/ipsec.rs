// SPDX-License-Identifier: GPL-2.0
//! AH and ESP follow the connection over which their hosts exchange keys: UDP, port 500 at both ends.

use super::Transport;
use crate::addr::{Addr, Endpoint, Port};
use crate::flow::Flow;

/// Returns the flow of the connection that a packet between two hosts follows.
pub(super) const fn leader(source: Addr, dest: Addr) -> Flow {
    let port = Port::from_host(500);
    Flow {
        transport: Transport::Udp,
        source: Endpoint { addr: source, port },
        dest: Endpoint { addr: dest, port },
    }
}
