// SPDX-License-Identifier: GPL-2.0
//! VS/TUN: the packet goes into another one, whose destination is the real server.
//!
//! The family of the server's address is that of the outer packet, whatever the family of the inner
//! one. Between the outer network header and the inner packet there is nothing (IPIP), UDP and GUE
//! (draft-ietf-intarea-gue), or GRE (RFC 2784).

use super::{LocalRule, Row, Way};
use crate::addr::{Addr, Family, Port, Protocol};
use crate::packet::checksum::{pseudo_header, Sum};
use crate::packet::{ipv4, ipv6};
use crate::service::TunnelSettings;

/// The row of the table.
pub(super) const ROW: Row = Row {
    way: Way::Wrap,
    local: LocalRule::Unchanged,
    rewrites: false,
    sees_replies: false,
    has_reply_key: false,
};

/// The header of UDP, in bytes.
const UDP: u16 = 8;
/// The header of GUE without fields, in bytes.
const GUE: u16 = 4;
/// The private flags of GUE and the field for remote checksums, in bytes.
const REMOTE: u16 = 8;
/// The header of GRE without fields, in bytes.
const GRE: u16 = 4;
/// The checksum of GRE and what is reserved behind it, in bytes.
const GRE_CHECKSUM: u16 = 4;
/// The most bytes that come in front of an inner packet.
pub const LONGEST: usize = 60;
/// The flag that forbids fragmenting, in the first byte of its field.
const DONT_FRAGMENT: u8 = 0x40;

/// What lies between the outer network header and the inner packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelHeader {
    /// Nothing.
    Plain,
    /// UDP and GUE.
    Gue {
        /// The port at which the server takes such packets.
        port: Port,
        /// UDP has a checksum.
        summed: bool,
        /// The server makes the inner checksum, which is still to be made.
        remote: bool,
    },
    /// GRE.
    Gre {
        /// It has a checksum.
        summed: bool,
    },
}

/// The tunnel that a packet goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The family of the outer packet.
    pub outer: Family,
    /// What lies between.
    pub kind: TunnelHeader,
}

impl Tunnel {
    /// Returns the tunnel for a packet; `is_partial`: its transport checksum is still to be made.
    pub const fn new(outer: Family, settings: TunnelSettings, is_partial: bool) -> Self {
        let has_sum = settings.flags & TunnelSettings::CSUM != 0;
        let is_remote = settings.flags & TunnelSettings::REMCSUM != 0;
        let kind = match settings.kind {
            TunnelSettings::GUE => TunnelHeader::Gue {
                port: settings.port,
                summed: has_sum || is_remote,
                remote: is_remote && is_partial,
            },
            TunnelSettings::GRE => TunnelHeader::Gre { summed: has_sum },
            // As with C, an unknown kind is that without a header of its own.
            _ => TunnelHeader::Plain,
        };
        Self { outer, kind }
    }

    /// Returns the length of the outer network header, in bytes.
    pub const fn network(self) -> u16 {
        match self.outer {
            Family::V4 => ipv4::HEADER,
            Family::V6 => ipv6::HEADER,
        }
    }

    /// Returns the length of what comes in front of the inner packet, in bytes.
    pub const fn overhead(self) -> u16 {
        self.network().saturating_add(self.kind.length())
    }

    /// Returns how long an inner packet may be where the way to the server takes `mtu` bytes; `None` if
    /// that is less than any way must take.
    pub fn room(self, mtu: u32) -> Option<u32> {
        let least = match self.outer {
            Family::V4 => 68,
            Family::V6 => 1280,
        };
        let room = mtu.checked_sub(u32::from(self.overhead()))?;
        (room >= least).then_some(room)
    }

    /// Returns whether an inner packet may be as long as it likes, as the outer one may be cut.
    ///
    /// `discovers` is the setting by which it may not when the inner one may not.
    pub const fn may_cut(inner: Family, discovers: bool) -> bool {
        match inner {
            Family::V4 => !discovers,
            Family::V6 => false,
        }
    }
}

impl TunnelHeader {
    const fn length(self) -> u16 {
        match self {
            TunnelHeader::Plain => 0,
            TunnelHeader::Gue { remote, .. } => {
                let fields = if remote { REMOTE } else { 0 };
                UDP.saturating_add(GUE).saturating_add(fields)
            }
            TunnelHeader::Gre { summed } => {
                GRE.saturating_add(if summed { GRE_CHECKSUM } else { 0 })
            }
        }
    }

    const fn protocol(self, inner: Family) -> Protocol {
        match self {
            TunnelHeader::Plain => Protocol(inner_protocol(inner)),
            TunnelHeader::Gue { .. } => Protocol::UDP,
            TunnelHeader::Gre { .. } => Protocol(GRE_PROTOCOL),
        }
    }
}

/// The number of GRE.
const GRE_PROTOCOL: u8 = 47;

/// Returns the number of the protocol that a packet of a family is to the packet around it.
pub const fn inner_protocol(inner: Family) -> u8 {
    match inner {
        Family::V4 => 4,
        Family::V6 => 41,
    }
}

/// Returns the type of Ethernet's frames for a family, which GRE uses.
pub const fn inner_type(inner: Family) -> u16 {
    match inner {
        Family::V4 => 0x0800,
        Family::V6 => 0x86dd,
    }
}

/// A transport checksum that is still to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Where the bytes begin that it is of, after the beginning of the inner packet.
    pub start: u16,
    /// Where its field is, after `start`.
    pub field: u16,
}

/// A packet that is to go into another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load<'a> {
    /// Its first bytes, as they go into the tunnel.
    pub head: &'a [u8],
    /// How many bytes it has.
    pub length: u32,
    /// Its transport checksum, if that is still to be made.
    pub partial: Option<Partial>,
    /// It becomes many on the wire.
    pub is_gso: bool,
}

/// What the outer packet does not take over from the inner one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The address of this host that it is sent from.
    pub source: Addr,
    /// The server.
    pub dest: Addr,
    /// The port that it is sent from, if it has ports: packets of one flow have the same.
    pub port: Port,
    /// It may not be fragmented when the inner one may not.
    pub discovers: bool,
}

/// What becomes of the checksum that the hardware is to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// What it was.
    Inner,
    /// It is of all that follows the outer network header, with its field so many bytes behind it.
    Outer(u16),
}

/// What comes in front of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    bytes: [u8; LONGEST],
    length: usize,
    /// What becomes of the checksum that the hardware is to make.
    pub left: Left,
}

impl Outer {
    /// Makes the headers; what output fills in (lengths, IPv4's identification and checksum) is zero.
    ///
    /// `None` if the inner packet's header is cut off, or the addresses are not of the tunnel's family.
    pub fn new(tunnel: Tunnel, load: &Load<'_>, ends: &Ends) -> Option<Self> {
        let inner = InnerHeader::read(load.head)?;
        let mut outer = Self {
            bytes: [0; LONGEST],
            length: 0,
            left: Left::Inner,
        };
        outer.put_network(tunnel, inner, ends)?;
        match tunnel.kind {
            TunnelHeader::Plain => {}
            TunnelHeader::Gue {
                port,
                summed,
                remote,
            } => {
                outer.put_udp(tunnel, load, (ends.port, port))?;
                outer.put_gue(load, inner.family, remote)?;
                outer.seal_udp(tunnel, load, ends, (summed, remote))?;
            }
            TunnelHeader::Gre { summed } => {
                outer.put_gre(inner.family, summed)?;
                outer.seal_gre(tunnel, load, summed)?;
            }
        }
        Some(outer)
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn put(&mut self, part: &[u8]) -> Option<()> {
        let end = self.length.checked_add(part.len())?;
        self.bytes.get_mut(self.length..end)?.copy_from_slice(part);
        self.length = end;
        Some(())
    }

    fn put_network(&mut self, tunnel: Tunnel, inner: InnerHeader, ends: &Ends) -> Option<()> {
        let protocol = tunnel.kind.protocol(inner.family).0;
        let tos = outer_tos(inner.tos);
        match tunnel.outer {
            Family::V4 => {
                let flags = match inner.dont_fragment && ends.discovers {
                    true => DONT_FRAGMENT,
                    false => 0,
                };
                let (limit, zero) = (inner.hop_limit, 0);
                self.put(&[0x45, tos, 0, 0, 0, 0, flags, 0, limit, protocol, zero, zero])?;
                self.put(&ends.source.v4()?.octets())?;
                self.put(&ends.dest.v4()?.octets())
            }
            Family::V6 => {
                self.put(&[0x60 | tos >> 4, tos << 4, 0, 0, 0, 0, protocol])?;
                self.put(&[inner.hop_limit])?;
                self.put(&ends.source.v6()?.octets())?;
                self.put(&ends.dest.v6()?.octets())
            }
        }
    }

    fn put_udp(&mut self, tunnel: Tunnel, load: &Load<'_>, ports: (Port, Port)) -> Option<()> {
        // What becomes many has a length that does not fit: each gets its own.
        let length = u16::try_from(udp_length(tunnel, load)).unwrap_or(0);
        self.put(&ports.0.bytes())?;
        self.put(&ports.1.bytes())?;
        self.put(&length.to_be_bytes())?;
        self.put(&[0, 0])
    }

    fn put_gue(&mut self, load: &Load<'_>, inner: Family, remote: bool) -> Option<()> {
        let protocol = inner_protocol(inner);
        let Some(partial) = load.partial.filter(|_| remote) else {
            return self.put(&[0, protocol, 0, 0]);
        };
        // Two words of fields; the flag says that the first is the private flags, and their only one
        // that the second tells where the checksum is of, and where its field is.
        self.put(&[2, protocol, 0, 1, 0x80, 0, 0, 0])?;
        self.put(&partial.start.to_be_bytes())?;
        self.put(&partial.start.checked_add(partial.field)?.to_be_bytes())
    }

    fn put_gre(&mut self, inner: Family, summed: bool) -> Option<()> {
        let [high, low] = inner_type(inner).to_be_bytes();
        match summed {
            false => self.put(&[0, 0, high, low]),
            true => self.put(&[0x80, 0, high, low, 0, 0, 0, 0]),
        }
    }

    fn seal_udp(
        &mut self,
        tunnel: Tunnel,
        load: &Load<'_>,
        ends: &Ends,
        (summed, remote): (bool, bool),
    ) -> Option<()> {
        // The server makes it, instead of the hardware here.
        let partial = load.partial.filter(|_| !remote);
        if !summed {
            return Some(());
        }
        let length = udp_length(tunnel, load);
        let place = OuterChecksum {
            field: 6,
            start: pseudo_header(ends.source, ends.dest, Protocol::UDP, length),
            may_be_zero: false,
        };
        self.seal(tunnel, load, place, partial)
    }

    fn seal_gre(&mut self, tunnel: Tunnel, load: &Load<'_>, summed: bool) -> Option<()> {
        let place = OuterChecksum {
            field: 4,
            start: Sum::ZERO,
            may_be_zero: true,
        };
        match summed {
            true => self.seal(tunnel, load, place, load.partial),
            false => Some(()),
        }
    }

    /// Fills the checksum behind the outer network header, or has the hardware do it; `partial` is the
    /// inner one that the hardware makes.
    fn seal(
        &mut self,
        tunnel: Tunnel,
        load: &Load<'_>,
        place: OuterChecksum,
        partial: Option<Partial>,
    ) -> Option<()> {
        let header = usize::from(tunnel.network());
        let field = match partial {
            // Each segment gets its own.
            _ if load.is_gso => place.start.partial(),
            Some(partial) => {
                let above = place.start.bytes(self.bytes.get(header..self.length)?);
                place.stored(sum_around(above, load.head, partial)?)
            }
            None => {
                self.left = Left::Outer(place.field);
                place.start.partial()
            }
        };
        let at = header.checked_add(usize::from(place.field))?;
        *self.bytes.get_mut(at..)?.first_chunk_mut()? = field;
        Some(())
    }
}

/// An outer checksum.
#[derive(Clone, Copy)]
struct OuterChecksum {
    /// Where it is, after the outer network header.
    field: u16,
    /// What it covers besides what follows that header.
    start: Sum,
    /// Zero would mean that there is none.
    may_be_zero: bool,
}

impl OuterChecksum {
    const fn stored(self, field: [u8; 2]) -> [u8; 2] {
        match field {
            [0, 0] if !self.may_be_zero => [0xff, 0xff],
            field => field,
        }
    }
}

/// Returns the length of the outer UDP packet.
fn udp_length(tunnel: Tunnel, load: &Load<'_>) -> u32 {
    load.length.saturating_add(u32::from(tunnel.kind.length()))
}

/// Returns the outer checksum around a packet whose own is still to be made: from there on all adds up
/// to what is in the field now, complemented.
///
/// `above` is the sum of all that it covers in front of the packet.
fn sum_around(above: Sum, head: &[u8], partial: Partial) -> Option<[u8; 2]> {
    let start = usize::from(partial.start);
    let (before, rest) = head.split_at_checked(start)?;
    let [high, low] = *rest.get(usize::from(partial.field)..)?.first_chunk()?;
    Some(above.bytes(before).word([!high, !low]).checksum())
}

/// Returns the type of service of the outer packet (RFC 3168 9.1.1, full functionality): congestion
/// that was met already is not told once more.
const fn outer_tos(inner: u8) -> u8 {
    const MET: u8 = 3;
    const CAPABLE: u8 = 2;
    match inner & MET {
        MET => inner & !MET | CAPABLE,
        _ => inner,
    }
}

/// What the outer packet takes over from the inner one.
#[derive(Clone, Copy)]
struct InnerHeader {
    family: Family,
    tos: u8,
    dont_fragment: bool,
    hop_limit: u8,
}

impl InnerHeader {
    fn read(head: &[u8]) -> Option<Self> {
        let [first, second, _, _, _, _, flags, limit, ttl, ..] = *head.first_chunk::<20>()?;
        match first >> 4 {
            4 => Some(Self {
                family: Family::V4,
                tos: second,
                dont_fragment: flags & DONT_FRAGMENT != 0,
                hop_limit: ttl,
            }),
            6 => Some(Self {
                family: Family::V6,
                tos: first << 4 | second >> 4,
                // Nothing on the way cuts it; the outer one may be cut.
                dont_fragment: false,
                hop_limit: limit,
            }),
            _ => None,
        }
    }
}
