// SPDX-License-Identifier: GPL-2.0
//! The key of a connection: its two directions, equality, hashing input.

use crate::addr::{words, Endpoint, Family};
use crate::hash::{self, Seed};
use crate::proto::Transport;

/// Where a packet comes from and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The transport protocol.
    pub transport: Transport,
    /// Where packets come from.
    pub source: Endpoint,
    /// Where packets go.
    pub dest: Endpoint,
}

impl Flow {
    /// Returns the flow of the answers.
    pub const fn reversed(self) -> Flow {
        Flow {
            source: self.dest,
            dest: self.source,
            ..self
        }
    }

    /// Returns what schedulers see of a flow for which an ICMP error asks, which quotes a reply of it.
    ///
    /// As with C they take the destination from the quoted packet: that is the client's address.
    pub const fn seen_in_error(self) -> Flow {
        let dest = Endpoint {
            addr: self.source.addr,
            ..self.dest
        };
        Flow { dest, ..self }
    }

    /// Returns a hash that is the same for both directions.
    ///
    /// One look-up then finds a connection from either side.
    #[inline(always)]
    pub fn hash(&self, seed: &Seed) -> u32 {
        self.hash_to(&self.dest, seed)
    }

    /// Returns the family of its addresses.
    #[inline]
    pub const fn family(&self) -> Family {
        Family::of(self.source.addr)
    }

    /// Returns the hash of this flow if it went to `dest`.
    #[inline(always)]
    pub fn hash_to(&self, dest: &Endpoint, seed: &Seed) -> u32 {
        let protocol = u64::from(self.transport.protocol().0) << 32;
        let hash = match (self.source.addr.family(), dest.addr.family()) {
            (Family::V4, Family::V4) => {
                let (low, high) = ordered(short(self.source), short(*dest));
                // Thirteen bytes: 48 bits of each end, and the protocol.
                hash::words(seed, [low | high << 48], high >> 16 | protocol)
            }
            (Family::V4 | Family::V6, Family::V4 | Family::V6) => {
                hash_long(seed, [long(self.source), long(*dest)], protocol)
            }
        };
        fold(hash)
    }
}

/// Hashes all words that addresses of either family can have.
#[inline(never)]
fn hash_long(seed: &Seed, ends: [[u64; 3]; 2], protocol: u64) -> u64 {
    let [one, other] = ends;
    let ([a, b, low], [c, d, high]) = ordered(one, other);
    hash::words(seed, [a, b, c, d], low << 16 | high | protocol)
}

/// Returns the two in an order that does not depend on the direction.
#[inline]
fn ordered<T: Ord>(one: T, other: T) -> (T, T) {
    if one <= other {
        (one, other)
    } else {
        (other, one)
    }
}

/// Returns an endpoint of IPv4 as 48 bits, as they lie in memory.
#[inline]
fn short(end: Endpoint) -> u64 {
    let [addr, ..] = words(end.addr);
    u64::from(addr) << 16 | port(end)
}

/// Returns an endpoint as three words, as they lie in memory.
#[inline]
fn long(end: Endpoint) -> [u64; 3] {
    let [a, b, c, d] = words(end.addr);
    [
        u64::from(a) << 32 | u64::from(b),
        u64::from(c) << 32 | u64::from(d),
        port(end),
    ]
}

/// Returns a port as it lies in memory.
#[inline]
fn port(end: Endpoint) -> u64 {
    u64::from(u16::from_ne_bytes(end.port.bytes()))
}

/// Returns 32 bits that depend on all of `hash`.
#[inline]
fn fold(hash: u64) -> u32 {
    let [a, b, c, d, e, f, g, h] = hash.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d]) ^ u32::from_ne_bytes([e, f, g, h])
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_flow))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, ipv6, Port};

    #[test]
    fn both_directions_hash_alike() {
        for family in [Family::V4, Family::V6] {
            let flow = flow(family);
            let seed = Seed([1, 2]);
            assert_eq!(flow.hash(&seed), flow.reversed().hash(&seed));
            assert_eq!(flow.reversed().reversed(), flow);
        }
    }

    #[test]
    fn an_error_shows_the_clients_address_twice() {
        let flow = flow(Family::V4);
        let seen = flow.seen_in_error();
        assert_eq!(
            (seen.source, seen.dest.addr),
            (flow.source, flow.source.addr)
        );
        assert_eq!(seen.dest.port, flow.dest.port);
    }

    #[test]
    fn another_destination_hashes_as_in_a_flow_to_it() {
        for family in [Family::V4, Family::V6] {
            let (flow, seed) = (flow(family), Seed([1, 2]));
            let dest = Endpoint {
                port: Port::from_host(8080),
                ..flow.source
            };
            let other = Flow { dest, ..flow };
            assert_eq!(flow.hash_to(&dest, &seed), other.hash(&seed));
        }
    }

    #[test]
    fn every_part_of_the_key_counts() {
        for family in [Family::V4, Family::V6] {
            let (flow, seed) = (flow(family), Seed([1, 2]));
            let mut port = flow;
            port.source.port = Port::from_host(1);
            let mut swapped = flow;
            swapped.source.port = flow.dest.port;
            swapped.dest.port = flow.source.port;
            let udp = Flow {
                transport: Transport::Udp,
                ..flow
            };
            for other in [port, swapped, udp] {
                assert!(other.hash(&seed) != flow.hash(&seed));
            }
            assert!(flow.hash(&Seed([2, 1])) != flow.hash(&seed));
        }
    }

    fn flow(family: Family) -> Flow {
        let addr = |last| match family {
            Family::V4 => ipv4([10, 0, 0, last]),
            Family::V6 => ipv6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]),
        };
        Flow {
            transport: Transport::Tcp,
            source: Endpoint {
                addr: addr(2),
                port: Port::from_host(40000),
            },
            dest: Endpoint {
                addr: addr(1),
                port: Port::from_host(80),
            },
        }
    }
}
