// SPDX-License-Identifier: GPL-2.0
//! Whole packets from a fuzzer's bytes, with checksums that are right, wrong, missing or half made.

use crate::api::{carried, octets};
use crate::input::Input;
use crate::slow::sum;
use ipvs::addr::{Addr, Endpoint, Family, Protocol};
use std::ops::Range;

/// What is in the transport checksum field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The right checksum.
    Right,
    /// One that is off by so much.
    Off(u32),
    /// None, where the protocol allows that.
    Absent,
    /// The sum of the pseudo header.
    Partial,
}

impl Seal {
    /// Takes one.
    pub fn of(input: &mut Input<'_>) -> Seal {
        match input.below(4) {
            0 => Seal::Right,
            1 => Seal::Off(u32::from(input.u16()) % 0xfffe + 1),
            2 => Seal::Absent,
            _ => Seal::Partial,
        }
    }
}

/// A packet, and where its parts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    pub family: Family,
    pub protocol: Protocol,
    pub bytes: Vec<u8>,
    /// Where the transport header begins.
    pub transport: usize,
}

/// Where the checksum is in a transport header.
pub fn checksum_place(protocol: Protocol) -> Option<Range<usize>> {
    match protocol.0 {
        1 | 58 => Some(2..4),
        6 => Some(16..18),
        17 => Some(6..8),
        132 => Some(8..12),
        _ => None,
    }
}

impl Whole {
    /// Makes a packet of a connection; its transport checksum is not made.
    pub fn new(input: &mut Input<'_>, (source, dest): (Endpoint, Endpoint)) -> Whole {
        let protocol = input.one_of(&carried(source.addr.family()));
        let network = Network::new(input, (source.addr, dest.addr));
        let mut payload = [source.port.bytes(), dest.port.bytes()].concat();
        payload.extend(input.bytes(match protocol.0 {
            6 => 16,
            _ => 8,
        }));
        payload.extend(input.rest(64));
        if protocol == Protocol::UDP {
            let length = (payload.len() as u16).to_be_bytes();
            payload[4..6].copy_from_slice(&length);
        }
        Whole::wrap(network, protocol, &payload)
    }

    /// Puts a network header in front of a payload of a protocol.
    pub fn wrap(network: Network, protocol: Protocol, payload: &[u8]) -> Whole {
        let (family, mut bytes) = (network.family, network.bytes);
        bytes[network.next] = protocol.0;
        let transport = bytes.len();
        bytes.extend(payload);
        match family {
            Family::V4 => {
                let length = (bytes.len() as u16).to_be_bytes();
                bytes[2..4].copy_from_slice(&length);
            }
            Family::V6 => {
                let length = (bytes.len() as u16 - 40).to_be_bytes();
                bytes[4..6].copy_from_slice(&length);
            }
        }
        let mut whole = Whole {
            family,
            protocol,
            bytes,
            transport,
        };
        whole.renew_network();
        whole
    }

    /// Makes the checksum of the network header, if it has one.
    pub fn renew_network(&mut self) {
        if self.family == Family::V4 {
            self.bytes[10..12].fill(0);
            let field = sum::field(&self.bytes[..self.transport]);
            self.bytes[10..12].copy_from_slice(&field);
        }
    }

    /// Returns the source and the destination address.
    pub fn addrs(&self) -> (&[u8], &[u8]) {
        match self.family {
            Family::V4 => (&self.bytes[12..16], &self.bytes[16..20]),
            Family::V6 => (&self.bytes[8..24], &self.bytes[24..40]),
        }
    }

    /// Returns the place of the transport checksum field.
    pub fn field(&self) -> Option<Range<usize>> {
        let place = checksum_place(self.protocol)?;
        Some(self.transport + place.start..self.transport + place.end)
    }

    /// Returns whether the transport header begins with two ports.
    pub fn has_ports(&self) -> bool {
        [6, 17, 132].contains(&self.protocol.0)
    }

    /// Returns the pseudo header, which SCTP and the ICMP of IPv4 do not have.
    pub fn pseudo_header(&self) -> Vec<u8> {
        let (source, dest) = self.addrs();
        let length = self.bytes.len() - self.transport;
        match self.protocol {
            Protocol::ICMP | Protocol::SCTP => Vec::new(),
            protocol => sum::pseudo_header(source, dest, protocol.0, length),
        }
    }

    /// Returns what the transport checksum covers, with zero in its field.
    fn covered(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        self.field()
            .into_iter()
            .for_each(|field| bytes[field].fill(0));
        [self.pseudo_header(), bytes[self.transport..].to_vec()].concat()
    }

    /// Returns the right transport checksum of words.
    pub fn right(&self) -> [u8; 2] {
        match (sum::field(&self.covered()), self.protocol) {
            // RFC 768: zero says that there is none.
            ([0, 0], Protocol::UDP) => [0xff, 0xff],
            (field, _) => field,
        }
    }

    /// Returns what the transport checksum field says now, if it is one of words.
    pub fn present(&self) -> Option<[u8; 2]> {
        self.bytes[self.field()?].try_into().ok()
    }

    /// Puts a checksum into the transport header, and returns what it is then: what cannot be
    /// absent is right.
    pub fn seal(&mut self, seal: Seal) -> Seal {
        let seal = match (seal, self.protocol) {
            (Seal::Absent, Protocol::UDP) => seal,
            (Seal::Absent, _) => Seal::Right,
            (seal, _) => seal,
        };
        let bytes = match self.protocol {
            Protocol::SCTP => self.sealed_by_crc(seal).to_vec(),
            _ => self.sealed_by_words(seal).to_vec(),
        };
        if let Some(field) = self.field() {
            self.bytes[field].copy_from_slice(&bytes);
        }
        seal
    }

    fn sealed_by_words(&self, seal: Seal) -> [u8; 2] {
        match seal {
            Seal::Right => self.right(),
            Seal::Off(more) => match sum::plus(self.right(), more) {
                [0, 0] if self.protocol == Protocol::UDP => [0xff, 0xff],
                bytes => bytes,
            },
            Seal::Absent => [0, 0],
            Seal::Partial => sum::words(&self.pseudo_header()).to_be_bytes(),
        }
    }

    /// Returns the field of SCTP, whose lowest byte comes first (RFC 9260, appendix A).
    fn sealed_by_crc(&self, seal: Seal) -> [u8; 4] {
        let crc = sum::crc32c(&self.covered());
        match seal {
            Seal::Right | Seal::Absent => crc.to_le_bytes(),
            Seal::Off(more) => crc.wrapping_add(more).to_le_bytes(),
            Seal::Partial => [0; 4],
        }
    }
}

impl Whole {
    /// Compares all bytes; a checksum has two ways to say zero.
    #[track_caller]
    pub fn assert_same(&self, other: &Whole) {
        let [mut one, mut other] = [self, other].map(Whole::clone);
        let fields = (one.present(), other.present());
        if let (Some(first), Some(second)) = fields {
            assert!(sum::same(first, second), "{fields:x?} in {one:x?}");
            // To UDP one of them says that there is no checksum.
            let is_udp = self.protocol == Protocol::UDP;
            assert!(!is_udp || (first == [0, 0]) == (second == [0, 0]));
            for whole in [&mut one, &mut other] {
                let field = whole.field().expect("it is there");
                whole.bytes[field].fill(0);
            }
        }
        assert_eq!(one.bytes, other.bytes);
    }
}

/// A network header to which the transport header is missing.
pub struct Network {
    family: Family,
    bytes: Vec<u8>,
    /// Where it says what follows.
    next: usize,
}

impl Network {
    /// Makes one, with options or extension headers.
    pub fn new(input: &mut Input<'_>, (source, dest): (Addr, Addr)) -> Network {
        let addrs = [octets(source), octets(dest)].concat();
        let family = source.family();
        let hops = input.byte();
        match family {
            Family::V4 => {
                let words = input.below(11);
                let mut bytes = vec![0x45 + words as u8, 0, 0, 0, 0x12, 0x34, 0, 0, hops, 0, 0, 0];
                bytes[6] = if input.flag() { 0x40 } else { 0 };
                bytes.extend(addrs);
                bytes.extend(input.bytes(words * 4));
                let next = 9;
                Network {
                    family,
                    bytes,
                    next,
                }
            }
            Family::V6 => {
                let mut bytes = vec![0x60, 1, 2, 3, 0, 0, 0, hops];
                bytes.extend(addrs);
                let next = 6;
                let mut header = Network {
                    family,
                    bytes,
                    next,
                };
                (0..input.below(4)).for_each(|_| header.extend(input));
                header
            }
        }
    }

    /// Puts an extension header behind it.
    fn extend(&mut self, input: &mut Input<'_>) {
        let kind = input.one_of(&[0, 43, 44, 60, 51]);
        self.bytes[self.next] = kind;
        self.next = self.bytes.len();
        if kind == 44 {
            // The only part of a datagram.
            self.bytes.extend([0, input.byte(), 0, 0, 1, 2, 3, 4]);
        } else {
            let units = input.below(3);
            let length = if kind == 51 {
                units * 4 + 8
            } else {
                units * 8 + 8
            };
            self.bytes.extend([0, units as u8]);
            self.bytes.extend(input.bytes(length - 2));
        }
    }
}
