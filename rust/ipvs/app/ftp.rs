// SPDX-License-Identifier: GPL-2.0
//! FTP: a service for commands also gets the data connections (RFC 959).

use crate::addr::{Port, Protocol};
use crate::flow::Flow;
use crate::proto::Transport;
use crate::service::ServiceKey;

/// The port of commands.
pub const CONTROL: Port = Port::from_host(21);
/// The port from which servers open data connections; never that of a client.
pub const DATA: Port = Port::from_host(20);

/// Returns whether a service gets commands, hence data connections as well.
pub fn is_control(key: &ServiceKey) -> bool {
    key.protocol == Protocol::TCP && key.port == CONTROL
}

/// Returns whether a packet may be of a data connection.
///
/// `is_privileged` says whether a port needs privileges: clients are given another one to connect
/// to.
pub fn may_be_data(flow: &Flow, is_privileged: impl FnOnce(Port) -> bool) -> bool {
    match flow.transport {
        Transport::Tcp => flow.dest.port == DATA || !is_privileged(flow.dest.port),
        Transport::Udp | Transport::Sctp => false,
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_app_ftp))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, Endpoint};

    #[test]
    fn data_goes_to_its_port_or_to_one_that_needs_no_privileges() {
        let to = |transport, port| {
            let end = Endpoint {
                addr: ipv4([192, 0, 2, 1]),
                port: Port::from_host(port),
            };
            let flow = Flow {
                transport,
                source: end,
                dest: end,
            };
            may_be_data(&flow, |port| port.host() < 1024)
        };
        assert!(to(Transport::Tcp, 20) && to(Transport::Tcp, 1024));
        assert!(!to(Transport::Tcp, 1023) && !to(Transport::Udp, 1024));
    }

    #[test]
    fn only_tcp_has_commands() {
        let key = |protocol, port| ServiceKey::of_address(protocol, ipv4([192, 0, 2, 1]), port);
        assert!(is_control(&key(Protocol::TCP, CONTROL)));
        assert!(!is_control(&key(Protocol::UDP, CONTROL)));
        assert!(!is_control(&key(Protocol::TCP, DATA)));
    }
}
