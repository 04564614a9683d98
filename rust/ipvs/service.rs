// SPDX-License-Identifier: GPL-2.0
//! The identity and the settings of a virtual service and of a real server.

use crate::addr::{words, Addr, Endpoint, Family, Port, Protocol};
use crate::flags;
use crate::pe::Engine;
use crate::proto;
use crate::sched::Scheduler;
use crate::xmit::Method;

/// The protocol of a service as user space names it.
///
/// Netlink has 16 bits for it and C does not check them: what no packet can have is kept, listed, and
/// never matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceProtocol(pub u16);

impl ServiceProtocol {
    /// What services chosen by firewall mark show.
    pub const OF_MARKS: ServiceProtocol = ServiceProtocol::of(proto::OF_MARKS.protocol());

    /// Returns the protocol of packets as that of a service.
    pub const fn of(protocol: Protocol) -> ServiceProtocol {
        // Widening: `From` is not const.
        ServiceProtocol(protocol.0 as u16)
    }
}

impl PartialEq<Protocol> for ServiceProtocol {
    fn eq(&self, other: &Protocol) -> bool {
        *self == ServiceProtocol::of(*other)
    }
}

/// What identifies a service in its namespace.
///
/// Either a firewall mark, then only that and the family count: the rest, which netlink leaves at
/// TCP and zeroes, is kept as it was given. Or protocol, address and port, then the mark is zero.
#[derive(Clone, Copy, Debug)]
pub struct ServiceKey {
    /// The firewall mark, or 0.
    pub mark: u32,
    /// The transport protocol.
    pub protocol: ServiceProtocol,
    /// The virtual address; for a mark its family is that of the packets.
    pub addr: Addr,
    /// The virtual port; any port if it is 0.
    pub port: Port,
}

impl PartialEq for ServiceKey {
    #[inline]
    fn eq(&self, other: &ServiceKey) -> bool {
        if self.mark != other.mark {
            return false;
        }
        match self.is_mark() {
            true => self.family() == other.family(),
            false => {
                let same_place = self.addr == other.addr && self.port == other.port;
                same_place && self.protocol == other.protocol
            }
        }
    }
}

impl Eq for ServiceKey {}

impl ServiceKey {
    /// Returns the key of a service chosen by firewall mark.
    pub const fn of_mark(family: Family, mark: u32) -> ServiceKey {
        ServiceKey {
            mark,
            protocol: ServiceProtocol::OF_MARKS,
            addr: family.unspecified(),
            port: Port::ANY,
        }
    }

    /// Returns the key of a service chosen by protocol, address and port.
    pub const fn of_address(protocol: Protocol, addr: Addr, port: Port) -> ServiceKey {
        ServiceKey {
            mark: 0,
            protocol: ServiceProtocol::of(protocol),
            addr,
            port,
        }
    }

    /// Returns the family of the packets.
    #[inline]
    pub const fn family(&self) -> Family {
        Family::of(self.addr)
    }

    /// Returns a number that spreads keys over the buckets of a table; only users with
    /// privileges choose keys, so speed matters more than secrecy.
    pub fn hash(&self, seed: u64) -> u32 {
        if self.is_mark() {
            let place = mix_place(seed, self.family().unspecified(), Port::ANY);
            return high_half(mix(place, u64::from(self.mark)));
        }
        let place = mix_place(seed, self.addr, self.port);
        high_half(mix(place, u64::from(self.protocol.0)))
    }

    /// Returns whether both mean the same service to a server that was removed from one: the
    /// family of a mark does not count.
    pub fn owns_like(&self, other: &ServiceKey) -> bool {
        let same_place = self.addr == other.addr && self.port == other.port;
        self.mark == other.mark && self.protocol == other.protocol && (self.is_mark() || same_place)
    }

    /// Returns whether the service is chosen by firewall mark.
    pub const fn is_mark(&self) -> bool {
        self.mark != 0
    }
}

/// Where packets come from that a server sends, and of which protocol they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// That of the server's service; any, if that is chosen by firewall mark.
    protocol: Option<ServiceProtocol>,
    place: Endpoint,
}

impl Sender {
    /// Returns what all packets of a server of such a service have in common.
    pub fn of(server: &DestKey, service: &ServiceKey) -> Sender {
        let (addr, port) = (server.addr, server.port);
        Sender {
            protocol: (!service.is_mark()).then_some(service.protocol),
            place: Endpoint { addr, port },
        }
    }

    /// Returns what the server can be that sent a packet of `protocol` from `place`.
    pub fn of_packet(protocol: Protocol, place: Endpoint) -> [Sender; 2] {
        let of_service = Some(ServiceProtocol::of(protocol));
        [of_service, None].map(|protocol| Sender { protocol, place })
    }

    /// Returns a number that spreads them over the buckets of a table, as [`ServiceKey::hash`] does keys.
    pub fn hash(&self, seed: u64) -> u32 {
        let protocol = self.protocol.map_or(u64::MAX, |number| number.0.into());
        let place = mix_place(seed, self.place.addr, self.place.port);
        high_half(mix(place, protocol))
    }
}

/// Stirs the place of a service or a server into a hash.
fn mix_place(hash: u64, addr: Addr, port: Port) -> u64 {
    let kind = u64::from(Family::of(addr).number()).wrapping_shl(16) | u64::from(port.host());
    let words = words(addr).into_iter();
    words.fold(mix(hash, kind), |hash, word| mix(hash, u64::from(word)))
}

/// Cuts off the half of a hash that depends on all bits.
fn high_half(hash: u64) -> u32 {
    let [a, b, c, d, ..] = hash.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// Stirs a word into a hash.
const fn mix(hash: u64, word: u64) -> u64 {
    // An odd number without pattern: the golden ratio.
    let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product.wrapping_shr(29)
}

/// What can be changed about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Picks the server.
    pub scheduler: Scheduler,
    /// See [`flags::service`].
    pub flags: u32,
    /// How long a template lives, in seconds.
    pub timeout_seconds: u32,
    /// Groups clients: as on the wire, a mask for IPv4, a prefix length for IPv6.
    pub netmask: u32,
    /// What else keeps clients together.
    pub engine: Option<Engine>,
}

impl ServiceSettings {
    /// Returns whether the netmask is one that a service of `family` can have.
    pub const fn has_valid_netmask(&self, family: Family) -> bool {
        match family {
            Family::V4 => true,
            Family::V6 => 1 <= self.netmask && self.netmask <= 128,
        }
    }

    /// Returns whether clients stay with their server.
    pub const fn is_persistent(&self) -> bool {
        self.flags & flags::service::PERSISTENT != 0
    }

    /// Returns whether a connection lives for one packet.
    pub const fn is_one_packet(&self) -> bool {
        self.flags & flags::service::ONE_PACKET != 0
    }

    /// Returns the flags that templates of the service begin with.
    pub const fn template_flags(&self) -> u32 {
        match self.is_one_packet() {
            true => flags::conn::ONE_PACKET,
            false => 0,
        }
    }

    /// Returns the settings with the flag that every service in the table shows.
    pub const fn hashed(self) -> ServiceSettings {
        ServiceSettings {
            flags: self.flags | flags::service::HASHED,
            ..self
        }
    }
}

/// What identifies a real server in its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestKey {
    /// The address.
    pub addr: Addr,
    /// The port; that of the packet if it is 0.
    pub port: Port,
}

impl DestKey {
    /// Returns a number by which servers of services are told apart before they are compared.
    ///
    /// Equal for services that own alike (see [`ServiceKey::owns_like`]).
    pub fn digest(&self, service: &ServiceKey) -> u32 {
        let owner = mix(u64::from(service.mark), u64::from(service.protocol.0));
        let owner = match service.is_mark() {
            true => owner,
            false => mix_place(owner, service.addr, service.port),
        };
        high_half(mix_place(owner, self.addr, self.port))
    }
}

/// What a tunnel to a real server looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TunnelSettings {
    /// The encapsulation, see [`TunnelSettings::GUE`]; unknown numbers are kept and mean IPIP.
    pub kind: u8,
    /// The UDP port of GUE.
    pub port: Port,
    /// See [`TunnelSettings::CSUM`].
    pub flags: u16,
}

impl TunnelSettings {
    /// Kind: IP in IP.
    pub const IPIP: u8 = 0;
    /// Kind: generic UDP encapsulation.
    pub const GUE: u8 = 1;
    /// Kind: generic routing encapsulation.
    pub const GRE: u8 = 2;
    /// Flag: the outer header carries a checksum.
    pub const CSUM: u16 = 1;
    /// Flag: remote checksum offload.
    pub const REMCSUM: u16 = 2;

    /// Returns whether its packets go to a port.
    pub const fn has_port(&self) -> bool {
        self.kind == Self::GUE
    }
}

/// What can be changed about a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestSettings {
    /// How packets get there.
    pub method: Method,
    /// Flags besides the method that its connections begin with: see [`INHERITED`].
    pub inherited: u32,
    /// Its share; 0 takes no new connection.
    pub weight: u32,
    /// From this many connections on it is overloaded; 0 means never.
    pub upper: u32,
    /// Below this many it no longer is; 0 means three quarters of `upper`.
    pub lower: u32,
    /// Parameters of the tunnel method.
    pub tunnel: TunnelSettings,
}

/// The flags besides the method that connections can have from their server: `NFCT`, and for
/// protocols of which each packet can be a connection of its own, `ONE_PACKET`.
pub const INHERITED: u32 = flags::conn::ONE_PACKET | flags::conn::NFCT;

/// How packets get to a real server, small enough to change at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// The method.
    pub method: Method,
    /// See [`DestSettings::inherited`].
    pub inherited: u32,
    /// Parameters of the tunnel method.
    pub tunnel: TunnelSettings,
}

impl Forwarding {
    /// Puts it into a word.
    pub const fn pack(self) -> u64 {
        let [low, high] = self.tunnel.port.host().to_be_bytes();
        let [first, second] = self.tunnel.flags.to_be_bytes();
        let [_, a, b, c] = (self.method.number() | self.inherited).to_be_bytes();
        u64::from_be_bytes([a, b, c, self.tunnel.kind, low, high, first, second])
    }

    /// Takes it out of a word.
    pub const fn unpack(word: u64) -> Self {
        let [a, b, c, kind, low, high, first, second] = word.to_be_bytes();
        let numbers = u32::from_be_bytes([0, a, b, c]);
        Self {
            method: Method::from_number(numbers),
            inherited: numbers & INHERITED,
            tunnel: TunnelSettings {
                kind,
                port: Port::from_host(u16::from_be_bytes([low, high])),
                flags: u16::from_be_bytes([first, second]),
            },
        }
    }
}

/// Why settings of a real server are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestError {
    /// The weight is negative as a signed number.
    Weight,
    /// The lower threshold is above the upper one.
    LowerAboveUpper,
    /// The upper threshold is negative as a signed number.
    Upper,
    /// GUE needs a port.
    TunnelPort,
}

impl DestSettings {
    /// The greatest weight and threshold.
    pub const MAX: u32 = i32::MAX.unsigned_abs();

    /// Checks the ranges in the order in which users see the errors.
    ///
    /// # Errors
    ///
    /// Returns the first rule that the settings break.
    pub fn check(&self) -> Result<(), DestError> {
        if self.weight > Self::MAX {
            Err(DestError::Weight)
        } else if self.lower > self.upper {
            Err(DestError::LowerAboveUpper)
        } else if self.upper > Self::MAX {
            Err(DestError::Upper)
        } else if self.tunnel.kind == TunnelSettings::GUE && self.tunnel.port == Port::ANY {
            Err(DestError::TunnelPort)
        } else {
            Ok(())
        }
    }

    /// Returns how packets get there.
    pub const fn forwarding(&self) -> Forwarding {
        Forwarding {
            method: self.method,
            inherited: self.inherited,
            tunnel: self.tunnel,
        }
    }

    /// Returns the thresholds.
    pub const fn thresholds(&self) -> Thresholds {
        Thresholds {
            upper: self.upper,
            lower: self.lower,
        }
    }
}

/// When a real server is overloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// See [`DestSettings::upper`].
    pub upper: u32,
    /// See [`DestSettings::lower`].
    pub lower: u32,
}

/// What happened that may change a server's overload flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdEvent {
    /// A connection was bound, and there were as many as the upper threshold.
    Reached,
    /// A connection was let go, and before there were as many as the lower threshold.
    Fell,
    /// The thresholds were set.
    Edited,
}

/// What a server's overload flag becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// Set.
    Set,
    /// Cleared.
    Clear,
    /// Left as it is.
    Keep,
}

impl Thresholds {
    /// Returns the lower threshold in effect.
    pub const fn effective_lower(&self) -> u32 {
        if self.lower != 0 {
            self.lower
        } else {
            self.upper.wrapping_sub(self.upper >> 2)
        }
    }

    /// Returns whether a connection that makes `total` of them needs a decision.
    pub const fn is_reached(&self, total: u32) -> bool {
        self.upper != 0 && total == self.upper
    }

    /// Returns whether one connection less than `total` needs a decision.
    pub const fn is_left(&self, total: u32) -> bool {
        self.upper != 0 && total == self.effective_lower()
    }

    /// Decides what the flag becomes when `total` connections are counted after an event.
    ///
    /// Others may have changed the count since the event, hence the inexact comparisons.
    pub const fn decide(&self, event: ThresholdEvent, total: u32) -> Overload {
        let over = total >= self.upper;
        let under = total < self.effective_lower();
        match event {
            _ if self.upper == 0 => Overload::Clear,
            ThresholdEvent::Reached if under => Overload::Clear,
            ThresholdEvent::Reached => Overload::Set,
            ThresholdEvent::Fell | ThresholdEvent::Edited if over => Overload::Set,
            ThresholdEvent::Fell => Overload::Clear,
            ThresholdEvent::Edited if under => Overload::Clear,
            ThresholdEvent::Edited => Overload::Keep,
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_service))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::ipv4;

    #[test]
    fn ranges_are_checked_in_the_order_of_their_errors() {
        let worst = DestSettings {
            weight: DestSettings::MAX.wrapping_add(1),
            upper: DestSettings::MAX.wrapping_add(1),
            lower: u32::MAX,
            tunnel: TunnelSettings { kind: 1, ..TUNNEL },
            ..SETTINGS
        };
        assert_eq!(worst.check(), Err(DestError::Weight));
        let worst = DestSettings {
            weight: DestSettings::MAX,
            ..worst
        };
        assert_eq!(worst.check(), Err(DestError::LowerAboveUpper));
        let worst = DestSettings { lower: 7, ..worst };
        assert_eq!(worst.check(), Err(DestError::Upper));
        let worst = DestSettings { upper: 7, ..worst };
        assert_eq!(worst.check(), Err(DestError::TunnelPort));
        let tunnel = TunnelSettings { kind: 2, ..TUNNEL };
        assert_eq!(DestSettings { tunnel, ..worst }.check(), Ok(()));
    }

    #[test]
    fn lower_threshold_without_upper_is_refused() {
        let settings = DestSettings {
            lower: 1,
            ..SETTINGS
        };
        assert_eq!(settings.check(), Err(DestError::LowerAboveUpper));
    }

    #[test]
    fn overload_starts_at_the_upper_threshold_and_ends_below_the_lower() {
        let set = Thresholds {
            upper: 10,
            lower: 4,
        };
        assert!(set.is_reached(10) && !set.is_reached(11) && !set.is_reached(9));
        assert_eq!(set.decide(ThresholdEvent::Reached, 10), Overload::Set);
        assert!(set.is_left(4) && !set.is_left(3) && !set.is_left(5));
        assert_eq!(set.decide(ThresholdEvent::Fell, 3), Overload::Clear);
    }

    #[test]
    fn overload_follows_the_count_that_others_made() {
        let set = Thresholds {
            upper: 10,
            lower: 4,
        };
        assert_eq!(set.decide(ThresholdEvent::Reached, 4), Overload::Set);
        assert_eq!(set.decide(ThresholdEvent::Reached, 3), Overload::Clear);
        assert_eq!(set.decide(ThresholdEvent::Fell, 9), Overload::Clear);
        assert_eq!(set.decide(ThresholdEvent::Fell, 10), Overload::Set);
    }

    #[test]
    fn new_thresholds_leave_what_is_between_them() {
        let set = Thresholds {
            upper: 10,
            lower: 4,
        };
        assert_eq!(set.decide(ThresholdEvent::Edited, 10), Overload::Set);
        assert_eq!(set.decide(ThresholdEvent::Edited, 9), Overload::Keep);
        assert_eq!(set.decide(ThresholdEvent::Edited, 4), Overload::Keep);
        assert_eq!(set.decide(ThresholdEvent::Edited, 3), Overload::Clear);
    }

    #[test]
    fn missing_lower_threshold_is_three_quarters() {
        assert_eq!(Thresholds { upper: 8, lower: 0 }.effective_lower(), 6);
        assert_eq!(Thresholds { upper: 7, lower: 0 }.effective_lower(), 6);
        assert_eq!(Thresholds { upper: 1, lower: 0 }.effective_lower(), 1);
        assert_eq!(Thresholds { upper: 8, lower: 3 }.effective_lower(), 3);
    }

    #[test]
    fn no_upper_threshold_means_never_overloaded() {
        let set = Thresholds { upper: 0, lower: 0 };
        assert_eq!(
            set.decide(ThresholdEvent::Edited, u32::MAX),
            Overload::Clear
        );
        assert!(!set.is_reached(0) && !set.is_left(0));
    }

    #[test]
    fn mark_owns_alike_in_both_families() {
        let (four, six) = (
            ServiceKey::of_mark(Family::V4, 5),
            ServiceKey::of_mark(Family::V6, 5),
        );
        assert!(four.owns_like(&six));
        assert!(!four.owns_like(&ServiceKey::of_mark(Family::V4, 6)));
        assert_eq!(SERVER.digest(&four), SERVER.digest(&six));
    }

    #[test]
    fn digests_tell_services_apart() {
        let other = |change: ServiceKey| SERVER.digest(&WEB) != SERVER.digest(&change);
        let addr = ipv4([192, 0, 2, 2]);
        let port = Port::from_host(81);
        assert!(other(ServiceKey { addr, ..WEB }));
        assert!(other(ServiceKey { port, ..WEB }));
        assert!(other(ServiceKey::of_mark(Family::V4, 1)));
    }

    #[test]
    fn mark_is_found_whatever_else_is_named_with_it() {
        let named = ServiceKey { mark: 5, ..WEB };
        let plain = ServiceKey::of_mark(Family::V4, 5);
        assert_eq!(named, plain);
        assert_eq!(named.hash(1), plain.hash(1));
        assert_ne!(plain, ServiceKey::of_mark(Family::V6, 5));
        assert_ne!(plain, ServiceKey::of_mark(Family::V4, 6));
        assert_eq!(SERVER.digest(&named), SERVER.digest(&plain));
    }

    #[test]
    fn place_owns_alike_if_all_of_it_is_the_same() {
        let same = |change: ServiceKey| WEB.owns_like(&change);
        let protocol = ServiceProtocol::of(Protocol::UDP);
        let addr = ipv4([192, 0, 2, 2]);
        let port = Port::from_host(81);
        assert!(same(WEB));
        assert!(!same(ServiceKey {
            addr: Family::V6.unspecified(),
            ..WEB
        }));
        assert!(!same(ServiceKey { protocol, ..WEB }));
        assert!(!same(ServiceKey { addr, ..WEB }));
        assert!(!same(ServiceKey { port, ..WEB }));
    }

    #[test]
    fn every_part_of_a_key_moves_its_hash() {
        let moved = |change: ServiceKey| WEB.hash(1) != change.hash(1);
        let protocol = ServiceProtocol::of(Protocol::UDP);
        let addr = ipv4([192, 0, 2, 2]);
        let port = Port::from_host(81);
        assert!(moved(ServiceKey {
            addr: Family::V6.unspecified(),
            ..WEB
        }));
        assert!(moved(ServiceKey { mark: 1, ..WEB }));
        assert!(moved(ServiceKey { protocol, ..WEB }));
        assert!(moved(ServiceKey { addr, ..WEB }));
        assert!(moved(ServiceKey { port, ..WEB }));
        assert!(WEB.hash(1) != WEB.hash(2));
    }

    #[test]
    fn prefix_length_has_a_range_where_a_mask_has_none() {
        let with = |netmask| ServiceSettings { netmask, ..PLAIN };
        assert!(with(0).has_valid_netmask(Family::V4));
        assert!(with(u32::MAX).has_valid_netmask(Family::V4));
        assert!(!with(0).has_valid_netmask(Family::V6));
        assert!(with(1).has_valid_netmask(Family::V6));
        assert!(with(128).has_valid_netmask(Family::V6));
        assert!(!with(129).has_valid_netmask(Family::V6));
    }

    #[test]
    fn service_in_the_table_shows_it() {
        let hashed = PLAIN.hashed();
        assert_eq!(hashed.flags, 2);
        assert!(!hashed.is_persistent() && !hashed.is_one_packet());
        assert!(ServiceSettings { flags: 1, ..PLAIN }.is_persistent());
        assert!(ServiceSettings { flags: 4, ..PLAIN }.is_one_packet());
    }

    #[test]
    fn forwarding_fits_a_word() {
        let forwarding = Forwarding {
            method: Method::Unknown7,
            inherited: INHERITED,
            tunnel: TunnelSettings {
                kind: 0xab,
                port: Port::from_host(0x1234),
                flags: 0x5678,
            },
        };
        assert_eq!(Forwarding::unpack(forwarding.pack()), forwarding);
    }

    #[test]
    fn a_packet_has_the_sender_of_its_protocol_or_of_a_mark() {
        let udp = ServiceProtocol::of(Protocol::UDP);
        let senders = Sender::of_packet(
            Protocol::TCP,
            Endpoint {
                addr: SERVER.addr,
                port: SERVER.port,
            },
        );
        let is_one =
            |server: DestKey, service: &ServiceKey| senders.contains(&Sender::of(&server, service));
        let elsewhere = DestKey {
            port: Port::ANY,
            ..SERVER
        };
        let of_mark = ServiceKey::of_mark(Family::V6, 1);
        assert!(is_one(SERVER, &WEB) && is_one(SERVER, &of_mark));
        assert!(!is_one(elsewhere, &WEB) && !is_one(elsewhere, &of_mark));
        assert!(!is_one(
            SERVER,
            &ServiceKey {
                protocol: udp,
                ..WEB
            }
        ));
    }

    #[test]
    fn every_part_of_a_sender_moves_its_hash() {
        let hash = |server: DestKey, service: &ServiceKey| Sender::of(&server, service).hash(1);
        let (port, addr) = (Port::from_host(81), ipv4([192, 0, 2, 8]));
        let udp = ServiceProtocol::of(Protocol::UDP);
        let hashes = [
            hash(SERVER, &WEB),
            hash(SERVER, &ServiceKey::of_mark(Family::V4, 1)),
            hash(
                SERVER,
                &ServiceKey {
                    protocol: udp,
                    ..WEB
                },
            ),
            hash(DestKey { port, ..SERVER }, &WEB),
            hash(DestKey { addr, ..SERVER }, &WEB),
        ];
        for (index, one) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(one));
        }
    }

    const WEB: ServiceKey =
        ServiceKey::of_address(Protocol::TCP, ipv4([192, 0, 2, 1]), Port::from_host(80));

    const SERVER: DestKey = DestKey {
        addr: ipv4([192, 0, 2, 9]),
        port: Port::from_host(80),
    };

    const PLAIN: ServiceSettings = ServiceSettings {
        scheduler: Scheduler::Rr,
        flags: 0,
        timeout_seconds: 0,
        netmask: u32::MAX,
        engine: None,
    };

    const TUNNEL: TunnelSettings = TunnelSettings {
        kind: 0,
        port: Port::ANY,
        flags: 0,
    };

    const SETTINGS: DestSettings = DestSettings {
        method: Method::Direct,
        inherited: 0,
        weight: 1,
        upper: 0,
        lower: 0,
        tunnel: TUNNEL,
    };
}
