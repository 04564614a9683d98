// SPDX-License-Identifier: GPL-2.0
//! SCTP packets of any chunks: what they say wherever the head ends, and their checksum through rewriting.

use ipvs::addr::{ipv4, Endpoint, Port};
use ipvs::packet::checksum::{Field, Sum};
use ipvs::packet::ipv4::renew_checksum;
use ipvs::packet::sctp::Chunk;
use ipvs::packet::{parse, Header, Packet, Seal, Sealing, Side};
use ipvs::xmit::{Checksum, Edit, HopLimit, Rewrite};
use proptest::prelude::*;

/// Where the checksum is, in bytes after the beginning of the transport header.
const FIELD: usize = 8;

/// The CRC32c of RFC 9260, appendix A, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0x82f6_3b78,
            _ => crc >> 1,
        })
    });
    !crc
}

/// Types that matter more often than others.
fn kind() -> impl Strategy<Value = u8> {
    prop_oneof![0_u8..16, Just(6), Just(10), Just(11), any::<u8>()]
}

/// A packet of up to three chunks, the lengths of which may be wrong, with a good checksum.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![Just(None), Just(None), any::<u16>().prop_map(Some)];
    let chunk = (kind(), length, prop::collection::vec(any::<u8>(), 0..40)).prop_map(
        |(kind, length, body)| {
            let length = length.unwrap_or(4 + body.len() as u16);
            let mut bytes = vec![kind, 0];
            bytes.extend(length.to_be_bytes());
            bytes.extend(&body);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        },
    );
    let chunks = prop::collection::vec(chunk, 0..4).prop_map(|chunks| chunks.concat());
    (any::<([u8; 4], [u8; 4])>(), any::<[u8; 8]>(), chunks).prop_map(
        |((from, to), head, chunks)| {
            let total = u16::try_from(32 + chunks.len()).unwrap();
            let mut bytes = vec![0x45, 0];
            bytes.extend(total.to_be_bytes());
            bytes.extend([0, 1, 0x40, 0, 64, 132, 0, 0]);
            bytes.extend(from);
            bytes.extend(to);
            bytes.extend(head);
            bytes.extend([0; 4]);
            bytes.extend(chunks);
            renew_checksum(&mut bytes[..20]).unwrap();
            seal(&mut bytes);
            bytes
        },
    )
}

/// Gives a packet the checksum that it should have.
fn seal(bytes: &mut [u8]) {
    bytes[20 + FIELD..24 + FIELD].fill(0);
    let crc = crc32c(&bytes[20..]);
    bytes[20 + FIELD..24 + FIELD].copy_from_slice(&crc.to_le_bytes());
}

fn verifies(bytes: &[u8]) -> bool {
    let mut sealed = bytes.to_vec();
    seal(&mut sealed);
    sealed == bytes && Sum::ZERO.bytes(&bytes[..20]).fold() == 0xffff
}

fn read(bytes: &[u8]) -> Packet {
    parse(bytes, bytes.len() as u32).unwrap()
}

/// What the chunks say, read slowly.
fn said(bytes: &[u8]) -> Option<Chunk> {
    let chunks = &bytes[32..];
    let [kind, _, high, low] = *chunks.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let next = chunks.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    let aborts = length >= 4 && next.len() >= 4 && next[0] == 6;
    Some(match kind {
        10 | 11 if aborts => Chunk::CookieAbort,
        10 => Chunk::CookieEcho,
        11 => Chunk::CookieAck,
        1 => Chunk::Init,
        2 => Chunk::InitAck,
        6 => Chunk::Abort,
        7 => Chunk::Shutdown,
        8 => Chunk::ShutdownAck,
        9 => Chunk::Error,
        14 => Chunk::ShutdownComplete,
        _ => Chunk::Data,
    })
}

/// Rewrites a packet as the kernel's side does, and returns what was decided about its checksum.
fn rewrite(bytes: &mut [u8], to: Rewrite, field: Field, makes_crc: bool) -> (Sealing, Seal) {
    let packet = read(bytes);
    let edit = Edit {
        hop_limit: HopLimit::Keep,
        rewrite: Some(to),
    };
    let reach = edit.reach(&packet, None).unwrap();
    let done = edit.apply(&mut bytes[..reach], &packet, None, field);
    let Some(Checksum::Seal(sealing)) = done else {
        panic!("{done:?}");
    };
    let decision = sealing.decide(false, makes_crc);
    if decision == Seal::Renew {
        packet.store_crc(&mut bytes[..reach], 0).unwrap();
        let crc = crc32c(&bytes[usize::from(packet.transport_offset)..]);
        packet.store_crc(&mut bytes[..reach], crc).unwrap();
    }
    (sealing, decision)
}

/// Returns what an end was.
fn before(bytes: &[u8], side: Side) -> Rewrite {
    let packet = read(bytes);
    let (addr, port) = (packet.addr(side), packet.port(side).unwrap());
    Rewrite {
        side,
        to: Endpoint { addr, port },
    }
}

fn change() -> impl Strategy<Value = (Side, [u8; 4], Option<u16>)> {
    let side = prop_oneof![Just(Side::Source), Just(Side::Dest)];
    (side, any::<[u8; 4]>(), any::<Option<u16>>())
}

/// The change of an end, to the port that it has where none is given.
fn changed(bytes: &[u8], (side, addr, port): (Side, [u8; 4], Option<u16>)) -> Rewrite {
    let old = before(bytes, side);
    Rewrite {
        side,
        to: Endpoint {
            addr: ipv4(addr),
            port: port.map_or(old.to.port, Port::from_host),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Wherever the head ends, what it leaves out is asked for.
    #[test]
    fn head_may_end_anywhere(bytes in packet(), cut in any::<prop::sample::Index>()) {
        let end = cut.index(bytes.len() + 1);
        let Ok(packet) = parse(&bytes[..end], bytes.len() as u32) else {
            prop_assert!(end < 20);
            return Ok(());
        };
        prop_assert_eq!(packet.ports.is_some(), end >= 24);
        prop_assert_eq!(packet.header == Header::Missing, end < 32);
        prop_assert_eq!(packet.header.is_complete(), end >= 36 && said(&bytes).is_some());
        if packet.header.is_complete() {
            let next = packet.unread().and_then(|place| bytes.get(place as usize..)?.first_chunk());
            let whole = next.map_or(packet, |next| packet.with_unread(*next));
            prop_assert!(packet.unread().is_none_or(|place| (place as usize) + 4 > end));
            let Header::Sctp(chunks) = whole.header else {
                return Err(TestCaseError::fail("no header of SCTP"));
            };
            prop_assert_eq!(Some(chunks.said), said(&bytes));
        }
    }

    #[test]
    fn right_checksum_stays_right(bytes in packet(), change in change()) {
        prop_assert!(verifies(&bytes));
        let (mut after, to) = (bytes.clone(), changed(&bytes, change));
        let (sealing, decision) = rewrite(&mut after, to, Field::Whole, false);
        prop_assert!(verifies(&after));
        prop_assert_eq!(before(&after, to.side), to);
        prop_assert_eq!(sealing.changed, before(&bytes, to.side).to.port != to.to.port);
        prop_assert_eq!(decision == Seal::Renew, sealing.changed);
        let place = if to.side == Side::Source { 12 } else { 16 };
        for at in (0..bytes.len()).filter(|at| !(10..20).contains(at) && !(20..32).contains(at)) {
            prop_assert_eq!(bytes[at], after[at]);
        }
        prop_assert_eq!(&after[place..place + 4], &to.to.addr.octets()[..4]);
    }

    #[test]
    fn there_and_back_restores_the_packet(bytes in packet(), change in change()) {
        let (mut after, back) = (bytes.clone(), before(&bytes, change.0));
        let to = changed(&bytes, change);
        rewrite(&mut after, to, Field::Whole, false);
        rewrite(&mut after, back, Field::Whole, false);
        prop_assert_eq!(after, bytes);
    }

    /// A checksum that is left to the device is made here, or still left to it.
    #[test]
    fn checksum_left_to_a_device_is_made(bytes in packet(), change in change(), makes_crc: bool) {
        let mut after = bytes.clone();
        after[20 + FIELD..24 + FIELD].fill(0);
        let to = changed(&bytes, change);
        let (sealing, decision) = rewrite(&mut after, to, Field::Partial, makes_crc);
        prop_assert!(decision != Seal::Trust);
        prop_assert_eq!(decision == Seal::Keep, makes_crc && !sealing.changed && to.side == Side::Dest);
        if decision == Seal::Keep {
            seal(&mut after);
        }
        prop_assert!(verifies(&after));
    }

    #[test]
    fn too_few_bytes_are_never_overrun(bytes in packet(), change in change(), cut in any::<prop::sample::Index>()) {
        let packet = read(&bytes);
        let edit = Edit { hop_limit: HopLimit::Keep, rewrite: Some(changed(&bytes, change)) };
        let reach = edit.reach(&packet, None).unwrap();
        prop_assert_eq!(reach, 32);
        let end = cut.index(reach);
        let mut short = bytes[..end].to_vec();
        prop_assert!(edit.apply(&mut short, &packet, None, Field::Whole).is_none() || end >= 24);
        prop_assert!(packet.store_crc(&mut short, 0).is_none());
    }
}
