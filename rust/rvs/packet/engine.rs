// SPDX-License-Identifier: GPL-2.0
//! Reads from a packet what a persistence engine takes, wherever it lies.

use crate::conn::EngineData;
use crate::drops::Drop;
use ipvs::packet::Packet;
use ipvs::pe::{Engine, MOST};
use kernel::alloc::flags::GFP_ATOMIC;
use kernel::alloc::KVec;
use linux::skb::Skb;

/// Reads what an engine takes from a packet.
///
/// The packet stays as it is. If it is in parts, all of it is copied once: a part is found by going
/// through those before it, and paged bytes may change.
///
/// # Errors
///
/// [`Drop::Engine`] when it takes nothing, [`Drop::NoMemory`].
#[inline(never)]
pub(super) fn read(engine: Engine, skb: &Skb<'_>, packet: &Packet) -> Result<EngineData, Drop> {
    let begin = engine.begins(packet).ok_or(Drop::Engine)?;
    let head = skb.head();
    match head.len() < skb.len() as usize {
        true => find(engine, &copy(skb, begin)?),
        false => find(engine, from(head, begin).ok_or(Drop::Engine)?),
    }
}

fn copy(skb: &Skb<'_>, begin: u32) -> Result<KVec<u8>, Drop> {
    let left = skb.len().checked_sub(begin).ok_or(Drop::Engine)?;
    let left = usize::try_from(left).unwrap_or(MOST).min(MOST);
    let mut bytes = KVec::from_elem(0, left, GFP_ATOMIC).map_err(|_| Drop::NoMemory)?;
    match skb.copy(begin, &mut bytes) {
        true => Ok(bytes),
        false => Err(Drop::Engine),
    }
}

fn find(engine: Engine, bytes: &[u8]) -> Result<EngineData, Drop> {
    let taken = engine.find(bytes).ok_or(Drop::Engine)?;
    let mut data = KVec::new();
    data.extend_from_slice(taken, GFP_ATOMIC)
        .map_err(|_| Drop::NoMemory)?;
    Ok(EngineData::new(engine, data))
}

/// Returns the bytes from a place on, if they go so far.
fn from(bytes: &[u8], place: u32) -> Option<&[u8]> {
    bytes.get(usize::try_from(place).ok()?..)
}
