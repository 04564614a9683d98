// SPDX-License-Identifier: GPL-2.0
//! Which service a packet is for: the keys that are looked for, in which order.

use crate::addr::Port;
use crate::app::ftp;
use crate::flow::Flow;
use crate::service::ServiceKey;

/// The kinds of services that need a look-up of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// Chosen by firewall mark.
    Mark,
    /// All others: chosen by address.
    Address,
    /// Of those: for every port.
    AnyPort,
    /// Of those: FTP, which takes data connections as well.
    Ftp,
}

impl ServiceKind {
    /// Returns the kinds that a service is of.
    pub fn of(key: &ServiceKey) -> impl Iterator<Item = ServiceKind> {
        let kinds = match key.is_mark() {
            true => [Some(ServiceKind::Mark), None, None],
            false => [
                Some(ServiceKind::Address),
                (key.port == Port::ANY).then_some(ServiceKind::AnyPort),
                ftp::is_control(key).then_some(ServiceKind::Ftp),
            ],
        };
        kinds.into_iter().flatten()
    }
}

/// The services of the packet's family.
pub trait Directory {
    /// What is found.
    type Found;

    /// Returns whether there are services of a kind.
    fn has(&self, kind: ServiceKind) -> bool;

    /// Finds a service by its key.
    fn find(&self, key: &ServiceKey) -> Option<Self::Found>;

    /// Returns whether a server needs privileges to open a port.
    fn is_privileged(&self, port: Port) -> bool;
}

/// Finds the service that wants a packet with firewall mark `mark`: the mark first, then the exact
/// port, then FTP for its data connections, then services for every port.
#[inline]
pub fn find<D: Directory>(services: &D, flow: &Flow, mark: u32) -> Option<D::Found> {
    if mark != 0 && services.has(ServiceKind::Mark) {
        let found = services.find(&ServiceKey::of_mark(flow.family(), mark));
        if found.is_some() {
            return found;
        }
    }
    if !services.has(ServiceKind::Address) {
        return None;
    }
    let at = |port| {
        let key = ServiceKey::of_address(flow.transport.protocol(), flow.dest.addr, port);
        services.find(&key)
    };
    let mut found = at(flow.dest.port);
    if found.is_none() && services.has(ServiceKind::Ftp) {
        let may_be_data = ftp::may_be_data(flow, |port| services.is_privileged(port));
        found = may_be_data.then(|| at(ftp::CONTROL)).flatten();
    }
    if found.is_none() && services.has(ServiceKind::AnyPort) {
        found = at(Port::ANY);
    }
    found
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_lookup))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, Addr, Endpoint, Family, Protocol};
    use crate::proto::Transport;

    const VIRTUAL: Addr = ipv4([192, 0, 2, 1]);

    fn by_port(port: u16) -> ServiceKey {
        ServiceKey::of_address(Protocol::TCP, VIRTUAL, Port::from_host(port))
    }

    struct Keys<'a>(&'a [ServiceKey]);

    impl Directory for Keys<'_> {
        type Found = ServiceKey;

        fn has(&self, kind: ServiceKind) -> bool {
            self.0
                .iter()
                .any(|key| ServiceKind::of(key).any(|other| other == kind))
        }

        fn find(&self, key: &ServiceKey) -> Option<ServiceKey> {
            self.0.iter().find(|other| *other == key).copied()
        }

        fn is_privileged(&self, port: Port) -> bool {
            port.host() < 1024
        }
    }

    /// Looks a packet to a port up, with a mark.
    fn found(keys: &[ServiceKey], port: u16, mark: u32) -> Option<ServiceKey> {
        let end = Endpoint {
            addr: VIRTUAL,
            port: Port::from_host(port),
        };
        let flow = Flow {
            transport: Transport::Tcp,
            source: end,
            dest: end,
        };
        find(&Keys(keys), &flow, mark)
    }

    #[test]
    fn mark_comes_before_port_before_any_port() {
        let mark = ServiceKey::of_mark(Family::V4, 5);
        let keys = [by_port(0), by_port(80), mark];
        assert_eq!(found(&keys, 80, 5), Some(mark));
        assert_eq!(found(&keys, 80, 6), Some(by_port(80)));
        assert_eq!(found(&keys, 81, 0), Some(by_port(0)));
        assert_eq!(found(&[by_port(80)], 81, 0), None);
    }

    #[test]
    fn data_connections_of_ftp_come_before_any_port() {
        let keys = [by_port(0), by_port(21)];
        assert_eq!(found(&keys, 20, 0), Some(by_port(21)));
        assert_eq!(found(&keys, 5000, 0), Some(by_port(21)));
        assert_eq!(found(&keys, 81, 0), Some(by_port(0)));
        assert_eq!(found(&[by_port(0)], 20, 0), Some(by_port(0)));
    }
}
