// SPDX-License-Identifier: GPL-2.0
//! Persistence templates: entries that keep the clients of a network with one server.
//!
//! A template is in the table of connections like any other entry. Its client is a network: the
//! address without the bits that the service's netmask hides, and no port. The connections that it
//! controls keep it alive.

use super::state::ConnState;
use crate::addr::{Addr, Endpoint, Family, Port};
use crate::app::ftp;
use crate::flow::Flow;
use crate::proto::{StateCode, OF_MARKS};
use crate::service::ServiceKey;

/// What a template is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateKey {
    /// From the network to the virtual service.
    pub flow: Flow,
    /// Whether the template is of a firewall mark, which then takes the place of the virtual address,
    /// for packets of all protocols.
    pub is_of_mark: bool,
    /// Whether the template is for the very port that the packet went to.
    has_port: bool,
}

impl TemplateKey {
    /// Returns the key of the template for a packet of `flow` to a service that groups its clients by
    /// `netmask` (see [`crate::service::ServiceSettings`]).
    pub fn of(service: &ServiceKey, netmask: u32, flow: &Flow) -> TemplateKey {
        let client = Endpoint {
            addr: network(flow.source.addr, netmask),
            port: Port::ANY,
        };
        let key = |flow: Flow, is_of_mark, has_port| TemplateKey {
            flow: Flow {
                source: client,
                ..flow
            },
            is_of_mark,
            has_port,
        };
        if flow.dest.port == service.port && service.port != ftp::CONTROL {
            return key(*flow, false, true);
        }
        if service.is_mark() {
            let flow = Flow {
                transport: OF_MARKS,
                dest: end_of_mark(flow.family(), service.mark),
                ..*flow
            };
            return key(flow, true, false);
        }
        let dest = Endpoint {
            port: Port::ANY,
            ..flow.dest
        };
        key(Flow { dest, ..*flow }, false, false)
    }

    /// Returns the port that the template shows for a server that listens on `port`.
    pub const fn dest_port(&self, port: Port) -> Port {
        match self.has_port {
            true => port,
            false => Port::ANY,
        }
    }
}

/// Returns the port at which a server with `server` in its key gets a connection of `flow`.
pub fn connection_port(service: &ServiceKey, server: Port, flow: &Flow) -> Port {
    match flow.dest.port == service.port && server != Port::ANY {
        true => server,
        false => flow.dest.port,
    }
}

/// Returns the mark as the virtual end of a template.
fn end_of_mark(family: Family, mark: u32) -> Endpoint {
    let [a, b, c, d] = mark.to_be_bytes();
    let mut bytes = [0; 16];
    [bytes[0], bytes[1], bytes[2], bytes[3]] = [a, b, c, d];
    let addr = match family {
        Family::V4 => crate::addr::ipv4([a, b, c, d]),
        Family::V6 => crate::addr::ipv6(bytes),
    };
    Endpoint {
        addr,
        port: Port::ANY,
    }
}

/// Returns an address without the bits that a netmask hides.
fn network(addr: Addr, netmask: u32) -> Addr {
    match addr.family() {
        // The mask lies in memory as on the wire.
        Family::V4 => addr.and(u128::from(u32::from_be(netmask)) << 96),
        Family::V6 => addr.and(match 128_u32.checked_sub(netmask) {
            Some(hidden) => u128::MAX.checked_shl(hidden).unwrap_or(0),
            None => u128::MAX,
        }),
    }
}

/// Bit of a template's state: a connection that it controls was established.
const ASSURED: u8 = 1;
/// Bit of a template's state: its server takes no more connections by it.
const STALE: u8 = 2;

/// The state of a template: what [`ConnState`] means for one.
impl ConnState {
    /// Returns whether it is a template with a connection that was established.
    pub const fn is_assured(self) -> bool {
        self.is_template() && self.state.0 & ASSURED != 0
    }

    /// Returns whether it is a template that is not used for new connections any more.
    pub const fn is_stale(self) -> bool {
        self.is_template() && self.state.0 & STALE != 0
    }

    /// Returns it as that of a template with a connection that was established.
    pub const fn assured(self) -> Self {
        self.with_bit(ASSURED)
    }

    /// Returns it as that of a template that is not used any more.
    pub const fn stale(self) -> Self {
        self.with_bit(STALE)
    }

    const fn with_bit(self, bit: u8) -> Self {
        Self {
            state: StateCode(self.state.0 | bit),
            ..self
        }
    }
}

/// The port that listings show of the server of a template that is not used any more.
pub const STALE_PORT: Port = Port::from_host(u16::MAX);

/// Returns the name of a template's state as listings show it.
pub const fn state_name(state: ConnState) -> &'static str {
    match state.is_assured() {
        true => "ASSURED",
        false => "NONE",
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_conn_template))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, ipv6, Protocol};
    use crate::flags::conn::TEMPLATE;
    use crate::proto::Transport;
    use crate::xmit::Method;

    const VIP: Addr = ipv4([192, 0, 2, 1]);

    #[test]
    fn netmask_hides_bits_of_the_client() {
        let addr = ipv4([10, 1, 2, 3]);
        let mask = |bytes| u32::from_ne_bytes(bytes);
        assert_eq!(network(addr, mask([255; 4])), addr);
        assert_eq!(network(addr, mask([255, 255, 0, 0])), ipv4([10, 1, 0, 0]));
        assert_eq!(network(addr, mask([0, 255, 0, 255])), ipv4([0, 1, 0, 3]));
        assert_eq!(network(addr, 0), ipv4([0; 4]));
    }

    #[test]
    fn prefix_length_hides_bits_of_the_client() {
        let long = |last| ipv6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, last]);
        assert_eq!(network(long(3), 128), long(3));
        assert_eq!(network(long(3), 127), long(2));
        let mut bytes = [0; 16];
        bytes[0] = 0x20;
        assert_eq!(network(long(3), 8), ipv6(bytes));
        assert_eq!(network(ipv6([255; 16]), 1).octets()[0], 0x80);
        assert_eq!(network(long(3), 0), ipv6([0; 16]));
        assert_eq!(network(long(3), 129), long(3));
    }

    #[test]
    fn template_of_a_port_is_for_that_port() {
        let service = ServiceKey::of_address(Protocol::TCP, VIP, Port::from_host(80));
        let key = TemplateKey::of(&service, u32::MAX, &flow(80));
        assert_eq!(key.flow.source.port, Port::ANY);
        assert_eq!(key.flow.dest, flow(80).dest);
        assert!(!key.is_of_mark);
        let port = Port::from_host(8080);
        assert_eq!(key.dest_port(port), port);
        assert_eq!(connection_port(&service, port, &flow(80)), port);
        assert_eq!(
            connection_port(&service, Port::ANY, &flow(80)),
            Port::from_host(80)
        );
    }

    #[test]
    fn any_port_and_ftp_have_one_template_for_all_ports() {
        for number in [0, 21] {
            let service = ServiceKey::of_address(Protocol::TCP, VIP, Port::from_host(number));
            for packet in [20, 21, 5000] {
                let key = TemplateKey::of(&service, u32::MAX, &flow(packet));
                assert_eq!((key.flow.dest.addr, key.flow.dest.port), (VIP, Port::ANY));
                assert_eq!(key.dest_port(Port::from_host(21)), Port::ANY);
            }
        }
        let service = ServiceKey::of_address(Protocol::TCP, VIP, Port::from_host(21));
        let port = |packet| connection_port(&service, Port::from_host(2121), &flow(packet)).host();
        assert_eq!((port(21), port(20)), (2121, 20));
    }

    #[test]
    fn mark_takes_the_place_of_the_virtual_end() {
        let service = ServiceKey::of_mark(Family::V4, 0x0102_0304);
        let key = TemplateKey::of(&service, u32::MAX, &flow(80));
        assert!(key.is_of_mark);
        assert_eq!(key.flow.dest.addr, ipv4([1, 2, 3, 4]));
        assert_eq!(key.dest_port(Port::from_host(80)), Port::ANY);
        let udp = Flow {
            transport: Transport::Udp,
            ..flow(99)
        };
        assert_eq!(TemplateKey::of(&service, u32::MAX, &udp), key);
        // A packet to port 0 goes to the port that the service has.
        let zero = TemplateKey::of(&service, u32::MAX, &flow(0));
        assert_eq!((zero.is_of_mark, zero.flow.dest.addr), (false, VIP));
    }

    #[test]
    fn template_is_assured_and_stale_by_itself() {
        let new = ConnState::new(Method::Nat, TEMPLATE);
        assert!(!new.is_assured() && !new.is_stale());
        assert!(new.assured().is_assured() && !new.assured().is_stale());
        assert!(new.stale().is_stale() && !new.stale().is_assured());
        assert_eq!(
            (state_name(new), state_name(new.stale().assured())),
            ("NONE", "ASSURED")
        );
        let conn = ConnState::new(Method::Nat, 0).assured();
        assert!(!conn.is_assured());
    }

    fn flow(port: u16) -> Flow {
        Flow {
            transport: Transport::Tcp,
            source: Endpoint {
                addr: ipv4([10, 1, 2, 3]),
                port: Port::from_host(40000),
            },
            dest: Endpoint {
                addr: VIP,
                port: Port::from_host(port),
            },
        }
    }
}
