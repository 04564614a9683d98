// SPDX-License-Identifier: GPL-2.0
//! Reads from a packet what a persistence engine takes, wherever it lies.

use crate::conn::EngineData;
use ipvs::packet::Packet;
use ipvs::pe::{Bytes, Engine};
use kernel::alloc::flags::GFP_ATOMIC;
use kernel::alloc::KVec;
use linux::skb::Skb;

/// The most bytes that are looked at: more than a datagram has.
const MOST: usize = u16::MAX as usize;

/// The bytes of a packet from a place on.
struct Rest<'a>(&'a [u8]);

impl Bytes for Rest<'_> {
    fn at(&mut self, place: u32) -> Option<u8> {
        self.0.get(usize::try_from(place).ok()?).copied()
    }
}

/// Reads what an engine takes from a packet; `None` when it takes nothing, or there is no memory.
///
/// The packet stays as it is. If it is in parts, all of it is copied once: a part is found by going
/// through those before it, and paged bytes may change.
#[inline(never)]
pub(super) fn read(engine: Engine, skb: &Skb<'_>, packet: &Packet) -> Option<EngineData> {
    let begin = engine.begins(packet)?;
    let head = skb.head();
    match head.len() < skb.len() as usize {
        true => find(engine, &copy(skb, begin)?),
        false => find(engine, head.get(usize::try_from(begin).ok()?..)?),
    }
}

fn copy(skb: &Skb<'_>, begin: u32) -> Option<KVec<u8>> {
    let left = usize::try_from(skb.len().checked_sub(begin)?).ok()?;
    let mut bytes = KVec::from_elem(0, left.min(MOST), GFP_ATOMIC).ok()?;
    skb.copy(begin, &mut bytes).then_some(bytes)
}

fn find(engine: Engine, bytes: &[u8]) -> Option<EngineData> {
    let found = engine.find(&mut Rest(bytes))?;
    let from = bytes.get(usize::try_from(found.place).ok()?..)?;
    let mut data = KVec::new();
    let taken = from.get(..usize::from(found.len))?;
    data.extend_from_slice(taken, GFP_ATOMIC).ok()?;
    Some(EngineData::new(engine, data))
}
