// SPDX-License-Identifier: GPL-2.0
//! The match `ipvs` of iptables, revision 0: what a rule asks of a packet and its connection.
//!
//! A rule asks for any of seven options, each plain or inverted; a packet matches when it has all.
//! `--ipvs` alone needs no more than the packet's mark of having been handled, so it is answered
//! first, by [`Params::decide_early`]; the others need the connection ([`ConnInfo`]).

use crate::addr::{Addr, Endpoint, Port, Protocol};
use crate::proto::Direction;
use crate::xmit::Method;

/// The options, as bits of what is asked and what is inverted.
mod option {
    /// `--ipvs`.
    pub(super) const HANDLED: u8 = 1 << 0;
    /// `--vproto`.
    pub(super) const PROTOCOL: u8 = 1 << 1;
    /// `--vaddr`.
    pub(super) const ADDR: u8 = 1 << 2;
    /// `--vport`.
    pub(super) const PORT: u8 = 1 << 3;
    /// `--vdir`.
    pub(super) const DIRECTION: u8 = 1 << 4;
    /// `--vmethod`.
    pub(super) const METHOD: u8 = 1 << 5;
    /// `--vportctl`.
    pub(super) const CONTROL_PORT: u8 = 1 << 6;
}

/// What a rule asks for, as user space lays it out: two addresses of 16 bytes, the port, protocol
/// and method, the port of the controlling connection, which options are inverted, which are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    addr: [u8; 16],
    mask: [u8; 16],
    port: Port,
    protocol: Protocol,
    method: u8,
    control_port: Port,
    inverted: u8,
    asked: u8,
}

/// What is known of a packet that belongs to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnInfo {
    /// The packet's transport protocol.
    pub protocol: Protocol,
    /// The address and port of the virtual service.
    pub virtual_endpoint: Endpoint,
    /// How packets get to the server.
    pub method: Method,
    /// The port of the virtual service of the controlling connection, if there is one.
    pub control_port: Option<Port>,
    /// Which way the packet goes, if it is tracked.
    pub tracked: Option<Direction>,
}

impl Params {
    /// The length of what user space hands over, in bytes.
    pub const SIZE: usize = 40;

    /// Reads what user space handed over; `None` if it is shorter than [`Params::SIZE`].
    #[inline]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (addr, rest) = bytes.split_first_chunk()?;
        let (mask, rest) = rest.split_first_chunk()?;
        let [p0, p1, protocol, method, c0, c1, inverted, asked] = *rest.first_chunk()?;
        Some(Self {
            addr: *addr,
            mask: *mask,
            port: Port::from_bytes([p0, p1]),
            protocol: Protocol(protocol),
            method,
            control_port: Port::from_bytes([c0, c1]),
            inverted,
            asked,
        })
    }

    /// Decides by whether a virtual server has handled the packet; `None` if the connection decides.
    #[inline]
    pub const fn decide_early(&self, is_handled: bool) -> Option<bool> {
        if self.asked == option::HANDLED {
            Some(self.holds(option::HANDLED, is_handled))
        } else if is_handled {
            None
        } else {
            // Each of the other options implies a handled packet, even when it is inverted.
            Some(false)
        }
    }

    /// Decides by the connection of a packet that was handled.
    pub fn matches(&self, info: &ConnInfo) -> bool {
        let control = info.control_port == Some(self.control_port);
        let method = info.method.number() == u32::from(self.method);
        self.holds(option::PROTOCOL, info.protocol == self.protocol)
            && self.holds(option::PORT, info.virtual_endpoint.port == self.port)
            && self.holds(option::CONTROL_PORT, control)
            && self.holds_direction(info.tracked)
            && self.holds(option::METHOD, method)
            && self.holds(option::ADDR, self.is_in_range(info.virtual_endpoint.addr))
    }

    /// Returns whether an option has what it asks for, given whether it holds; so it does if it is
    /// not asked.
    const fn holds(&self, option: u8, fact: bool) -> bool {
        self.asked & option == 0 || fact != (self.inverted & option != 0)
    }

    /// Returns whether `--vdir` has what it asks for: `REPLY` is the inverse of `ORIGINAL`, and a
    /// packet that is not tracked goes neither way.
    fn holds_direction(&self, tracked: Option<Direction>) -> bool {
        match tracked {
            Some(way) => self.holds(option::DIRECTION, way == Direction::Original),
            None => self.asked & option::DIRECTION == 0,
        }
    }

    /// Returns whether an address is the one asked for, as far as the mask goes.
    fn is_in_range(&self, addr: Addr) -> bool {
        let family = addr.family();
        let (Some(asked), Some(mask)) = (family.read(&self.addr), family.read(&self.mask)) else {
            return false;
        };
        let rule = asked.octets().into_iter().zip(mask.octets());
        addr.octets()
            .into_iter()
            .zip(rule)
            .all(|(octet, (asked, mask))| (octet ^ asked) & mask == 0)
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_xt))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, ipv6};

    #[test]
    fn parameters_are_where_user_space_puts_them() {
        let mut bytes = [0; Params::SIZE];
        for (byte, number) in bytes.iter_mut().zip(0..) {
            *byte = number;
        }
        let params = Params::read(&bytes);
        assert_eq!(params.map(|one| one.addr[15]), Some(15));
        assert_eq!(params.map(|one| one.mask[0]), Some(16));
        assert_eq!(params.map(|one| one.port.host()), Some(0x2021));
        assert_eq!(params.map(|one| one.protocol), Some(Protocol(34)));
        assert_eq!(params.map(|one| one.method), Some(35));
        assert_eq!(params.map(|one| one.control_port.host()), Some(0x2425));
        assert_eq!(params.map(|one| (one.inverted, one.asked)), Some((38, 39)));
        assert_eq!(Params::read(&bytes[1..]), None);
    }

    #[test]
    fn the_mark_alone_decides_when_nothing_else_is_asked() {
        let plain = params(option::HANDLED, 0);
        let inverted = params(option::HANDLED, option::HANDLED);
        assert_eq!(plain.decide_early(true), Some(true));
        assert_eq!(plain.decide_early(false), Some(false));
        assert_eq!(inverted.decide_early(true), Some(false));
        assert_eq!(inverted.decide_early(false), Some(true));
    }

    #[test]
    fn every_other_option_implies_the_mark() {
        for option in OPTIONS {
            for handled in [0, option::HANDLED] {
                for inverted in [0, option, option | option::HANDLED] {
                    let params = params(option | handled, inverted);
                    assert_eq!(params.decide_early(false), Some(false));
                    assert_eq!(params.decide_early(true), None);
                }
            }
        }
        assert_eq!(params(0, 0).decide_early(true), None);
    }

    #[test]
    fn each_option_looks_at_one_fact() {
        let all = OPTIONS.iter().fold(0, |all, option| all | option);
        assert!(params(all, 0).matches(&INFO));
        for (option, info) in others() {
            for asked in OPTIONS {
                let matches = params(asked, 0).matches(&info);
                assert_eq!(matches, asked != option);
            }
            assert!(!params(all, 0).matches(&info));
        }
    }

    #[test]
    fn an_inverted_option_wants_the_contrary() {
        for (option, info) in others() {
            assert!(params(option, option).matches(&info));
            assert!(!params(option, option).matches(&INFO));
        }
    }

    #[test]
    fn what_is_not_asked_does_not_count() {
        for (_, info) in others() {
            assert!(params(0, 0xff).matches(&info));
            assert!(params(option::HANDLED, 0xff).matches(&info));
        }
    }

    #[test]
    fn an_untracked_packet_goes_neither_way() {
        let info = ConnInfo {
            tracked: None,
            ..INFO
        };
        assert!(!params(option::DIRECTION, 0).matches(&info));
        assert!(!params(option::DIRECTION, option::DIRECTION).matches(&info));
        assert!(params(option::PROTOCOL, option::DIRECTION).matches(&info));
    }

    #[test]
    fn a_connection_without_a_controller_has_no_port_of_one() {
        let info = ConnInfo {
            control_port: None,
            ..INFO
        };
        let any = Params {
            control_port: Port::ANY,
            ..params(option::CONTROL_PORT, 0)
        };
        assert!(!any.matches(&info));
        assert!(params(option::CONTROL_PORT, option::CONTROL_PORT).matches(&info));
    }

    #[test]
    fn a_number_that_is_no_method_is_every_connections_contrary() {
        let eight = Params {
            method: 8,
            ..params(option::METHOD, 0)
        };
        let not_eight = Params {
            inverted: option::METHOD,
            ..eight
        };
        for number in 0..8 {
            let method = Method::from_number(number);
            let info = ConnInfo { method, ..INFO };
            assert!(!eight.matches(&info));
            assert!(not_eight.matches(&info));
        }
    }

    #[test]
    fn the_mask_says_which_bits_of_an_address_count() {
        let ranged = Params {
            mask: [
                255, 255, 255, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
            ],
            ..params(option::ADDR, 0)
        };
        // Of an IPv4 address there are four bytes, whatever the rule holds behind them.
        assert!(ranged.matches(&at(ipv4([10, 9, 0, 200]))));
        assert!(!ranged.matches(&at(ipv4([10, 9, 1, 1]))));
        let long = ipv6([10, 9, 0, 7, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
        assert!(ranged.matches(&at(long)));
        let last = ipv6([10, 9, 0, 7, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 4]);
        assert!(!ranged.matches(&at(last)));
        let all = Params {
            mask: [0; 16],
            ..ranged
        };
        assert!(all.matches(&at(last)) && all.matches(&at(ipv4([0; 4]))));
    }

    const OPTIONS: [u8; 6] = [
        option::PROTOCOL,
        option::ADDR,
        option::PORT,
        option::DIRECTION,
        option::METHOD,
        option::CONTROL_PORT,
    ];

    const INFO: ConnInfo = ConnInfo {
        protocol: Protocol::TCP,
        virtual_endpoint: Endpoint {
            addr: ipv4([10, 9, 0, 1]),
            port: Port::from_host(80),
        },
        method: Method::Nat,
        control_port: Some(Port::from_host(21)),
        tracked: Some(Direction::Original),
    };

    /// Returns a rule for what [`INFO`] says.
    fn params(asked: u8, inverted: u8) -> Params {
        Params {
            addr: [10, 9, 0, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5],
            mask: [255; 16],
            port: Port::from_host(80),
            protocol: Protocol::TCP,
            method: 0,
            control_port: Port::from_host(21),
            inverted,
            asked,
        }
    }

    /// Returns info that differ from [`INFO`] in what one option looks at, with the option.
    fn others() -> [(u8, ConnInfo); 6] {
        let mut all = OPTIONS.map(|option| (option, INFO));
        let [protocol, addr, port, direction, method, control_port] = &mut all;
        protocol.1.protocol = Protocol::UDP;
        addr.1.virtual_endpoint.addr = ipv4([10, 9, 0, 2]);
        port.1.virtual_endpoint.port = Port::from_host(81);
        direction.1.tracked = Some(Direction::Reply);
        method.1.method = Method::Direct;
        control_port.1.control_port = Some(Port::from_host(20));
        all
    }

    fn at(addr: Addr) -> ConnInfo {
        let virtual_endpoint = Endpoint {
            addr,
            ..INFO.virtual_endpoint
        };
        ConnInfo {
            virtual_endpoint,
            ..INFO
        }
    }
}
