// SPDX-License-Identifier: GPL-2.0
//! A reader of headers that takes one field after the other, as the standards draw them.
//!
//! These are RFC 791, RFC 8200, RFC 4302, RFC 768, RFC 9293, RFC 792 and RFC 4443.

use std::fmt::Debug;

/// What a packet is, in the words and numbers of the standards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub version: u8,
    pub protocol: u8,
    pub source: Vec<u8>,
    pub dest: Vec<u8>,
    pub transport: usize,
    pub length: u64,
    /// Where in its datagram it begins, and whether more follows, if the headers say it.
    pub fragment: Option<(u16, bool)>,
    pub hops: u8,
    pub may_be_cut: bool,
    pub ports: Option<(u16, u16)>,
    pub header: Seen,
}

/// What of a transport header is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Nothing,
    Flags(u8),
    HasChecksum(bool),
    TypeAndCode(u8, u8),
    Chunks(Chunks),
    NotLookedInto,
}

/// What the first chunk of SCTP says, together with the one behind a cookie (RFC 9260 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    pub said: &'static str,
    /// Where the chunk behind a cookie is if it is not there, after the beginning of the header.
    pub unread: Option<usize>,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Short,
    Version,
    Length,
    /// More extension headers than the kernel goes over.
    Headers,
}

/// Bits that are taken from the front.
struct Bits<'a> {
    bytes: &'a [u8],
    taken: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<u64, Fault> {
        let mut number = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.taken / 8).ok_or(Fault::Short)?;
            let bit = byte >> (7 - self.taken % 8) & 1;
            number = number * 2 + u64::from(bit);
            self.taken += 1;
        }
        Ok(number)
    }

    fn number<T: TryFrom<u64>>(&mut self, count: usize) -> Result<T, Fault>
    where
        T::Error: Debug,
    {
        Ok(T::try_from(self.take(count)?).expect("so many bits"))
    }

    fn octets(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        (0..count).map(|_| self.number(8)).collect()
    }
}

fn bits(bytes: &[u8]) -> Bits<'_> {
    Bits { bytes, taken: 0 }
}

/// Reads a packet of which the first bytes are there, and which says its length itself.
pub fn read(head: &[u8]) -> Result<Facts, Fault> {
    let mut facts = match bits(head).take(4)? {
        4 => version_4(head)?,
        6 => version_6(head)?,
        _ => return Err(Fault::Version),
    };
    if facts.fragment.is_none_or(|(offset, _)| offset == 0) {
        (facts.ports, facts.header) = transport(&facts, head.get(facts.transport..).unwrap_or(&[]));
    }
    Ok(facts)
}

/// Reads a packet that lies in a buffer of `length` bytes.
///
/// A packet too long for its length field has a field that says 0; then the buffer says it.
pub fn read_in(head: &[u8], length: u32) -> Result<Facts, Fault> {
    let mut facts = read(head)?;
    let nothing = if facts.version == 4 { 0 } else { 40 };
    if facts.length == nothing && length > 65535 {
        facts.length = length.into();
    }
    if facts.length < facts.transport as u64 || facts.length > length.into() {
        return Err(Fault::Length);
    }
    Ok(facts)
}

fn version_4(head: &[u8]) -> Result<Facts, Fault> {
    let mut bits = bits(head);
    let version = bits.number(4)?;
    let words: usize = bits.number(4)?;
    let _tos: u8 = bits.number(8)?;
    let length = bits.take(16)?;
    let _identification: u16 = bits.number(16)?;
    let _reserved = bits.take(1)?;
    let may_be_cut = bits.take(1)? == 0;
    let more = bits.take(1)? == 1;
    let offset: u16 = bits.number(13)?;
    let hops = bits.number(8)?;
    let protocol = bits.number(8)?;
    let _checksum: u16 = bits.number(16)?;
    let (source, dest) = (bits.octets(4)?, bits.octets(4)?);
    if words < 5 {
        return Err(Fault::Length);
    }
    bits.octets((words - 5) * 4)?;
    Ok(Facts {
        version,
        protocol,
        source,
        dest,
        transport: words * 4,
        length,
        fragment: Some((offset, more)),
        hops,
        may_be_cut,
        ports: None,
        header: Seen::Nothing,
    })
}

fn version_6(head: &[u8]) -> Result<Facts, Fault> {
    let mut bits = bits(head);
    let version = bits.number(4)?;
    let _class_and_label = bits.take(28)?;
    let payload = bits.take(16)?;
    let next = bits.number(8)?;
    let hops = bits.number(8)?;
    let (source, dest) = (bits.octets(16)?, bits.octets(16)?);
    let mut facts = Facts {
        version,
        protocol: next,
        source,
        dest,
        transport: 40,
        length: payload + 40,
        fragment: None,
        hops,
        may_be_cut: false,
        ports: None,
        header: Seen::Nothing,
    };
    for _ in 0..=12 {
        if !extension(&mut facts, head)? {
            return Ok(facts);
        }
    }
    Err(Fault::Headers)
}

/// Goes over one extension header; returns whether there was one to go over.
fn extension(facts: &mut Facts, head: &[u8]) -> Result<bool, Fault> {
    // 0: hop-by-hop, 43: routing, 44: fragment, 51: authentication, 60: destination (RFC 8200 4.1).
    if !matches!(facts.protocol, 0 | 43 | 44 | 51 | 60) {
        return Ok(false);
    }
    let mut bits = bits(head.get(facts.transport..).ok_or(Fault::Short)?);
    let is_fragment = facts.protocol == 44;
    if is_fragment {
        let next = bits.number(8)?;
        let _reserved = bits.take(8)?;
        let offset = bits.number(13)?;
        let _reserved = bits.take(2)?;
        facts.fragment = Some((offset, bits.take(1)? == 1));
        facts.protocol = next;
        // Of a later part nothing follows that could be read.
        if offset > 0 {
            return Ok(false);
        }
        bits.take(32)?;
    } else {
        let next = bits.number(8)?;
        let units: usize = bits.number(8)?;
        // RFC 4302 2.2: its length is in words, less two.
        let length = if facts.protocol == 51 {
            units * 4 + 8
        } else {
            units * 8 + 8
        };
        bits.octets(length - 2)?;
        facts.protocol = next;
    }
    facts.transport += bits.taken / 8;
    Ok(true)
}

/// Reads the ports, and of the rest what decides something.
fn transport(facts: &Facts, bytes: &[u8]) -> (Option<(u16, u16)>, Seen) {
    let there = |count: usize| bytes.get(..count).is_some();
    let number = |place: usize| u16::from(bytes[place]) * 256 + u16::from(bytes[place + 1]);
    let has_ports = matches!(facts.protocol, 6 | 17 | 132);
    let ports = (has_ports && there(4)).then(|| (number(0), number(2)));
    let icmp = if facts.version == 4 { 1 } else { 58 };
    let seen = match facts.protocol {
        6 if there(20) => Seen::Flags(bytes[13]),
        17 if there(8) => Seen::HasChecksum(number(6) != 0),
        132 if there(12) => Seen::Chunks(chunks(bytes)),
        6 | 17 | 132 => Seen::Nothing,
        number if number != icmp => Seen::NotLookedInto,
        _ if there(8) => Seen::TypeAndCode(bytes[0], bytes[1]),
        _ => Seen::Nothing,
    };
    (ports, seen)
}

/// Reads the chunks of a packet of SCTP, whose header is there.
pub fn chunks(transport: &[u8]) -> Chunks {
    let [kind, _, high, low] = match transport.get(12..16) {
        Some(header) => [header[0], header[1], header[2], header[3]],
        None => {
            return Chunks {
                said: "nothing",
                unread: None,
            }
        }
    };
    let length = usize::from(high) * 256 + usize::from(low);
    let place = 12 + length.div_ceil(4) * 4;
    // No chunk is shorter than its header, and no packet longer than its length can say.
    let is_cookie = kind == 10 || kind == 11;
    let place = (is_cookie && length >= 4 && place < 65536).then_some(place);
    let next = place.map(|place| transport.get(place..place + 4));
    let said = match (kind, next) {
        (10 | 11, Some(Some([6, ..]))) => "COOKIE_ABORT",
        (1, _) => "INIT",
        (2, _) => "INIT_ACK",
        (6, _) => "ABORT",
        (7, _) => "SHUTDOWN",
        (8, _) => "SHUTDOWN_ACK",
        (9, _) => "ERROR",
        (10, _) => "COOKIE_ECHO",
        (11, _) => "COOKIE_ACK",
        (14, _) => "SHUTDOWN_COMPLETE",
        _ => "DATA",
    };
    let unread = place.filter(|_| next == Some(None));
    Chunks { said, unread }
}
