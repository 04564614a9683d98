// SPDX-License-Identifier: GPL-2.0
//! Reads from a packet what a persistence engine takes, wherever it lies.

use crate::conn::EngineData;
use ipvs::packet::Packet;
use ipvs::pe::{Bytes, Engine, Found};
use kernel::alloc::flags::GFP_ATOMIC;
use kernel::alloc::KVec;
use linux::skb::Skb;

/// How many bytes are copied at once of those that are not in the linear part.
const WINDOW: usize = 64;

/// The bytes of a packet from a place on.
///
/// The packet stays as it is: paged bytes are looked at in a copy of a few.
struct Rest<'a, 'g> {
    skb: &'a Skb<'g>,
    begin: u32,
    /// Copied bytes, and the place of the first.
    window: [u8; WINDOW],
    first: u32,
    len: usize,
}

impl<'a, 'g> Rest<'a, 'g> {
    fn new(skb: &'a Skb<'g>, begin: u32) -> Self {
        Self {
            skb,
            begin,
            window: [0; WINDOW],
            first: 0,
            len: 0,
        }
    }

    /// Returns a byte of the window.
    fn copied(&self, offset: u32) -> Option<u8> {
        let index = offset.checked_sub(self.first)?;
        let window = self.window.get(..self.len)?;
        window.get(usize::try_from(index).ok()?).copied()
    }

    /// Moves the window so that it begins at an offset.
    fn copy(&mut self, offset: u32) -> Option<()> {
        let left = self.skb.len().checked_sub(offset)?;
        let len = WINDOW.min(usize::try_from(left).ok()?);
        let bytes = self.window.get_mut(..len)?;
        self.len = 0;
        self.skb.copy(offset, bytes).then_some(())?;
        (self.first, self.len) = (offset, len);
        Some(())
    }

    /// Copies what was found.
    fn take(&self, found: &Found) -> Option<KVec<u8>> {
        let len = usize::from(found.len);
        let mut bytes = KVec::from_elem(0, len, GFP_ATOMIC).ok()?;
        let offset = self.begin.checked_add(found.place)?;
        self.skb.copy(offset, &mut bytes).then_some(bytes)
    }
}

impl Bytes for Rest<'_, '_> {
    fn at(&mut self, place: u32) -> Option<u8> {
        let offset = self.begin.checked_add(place)?;
        let linear = self.skb.head().get(usize::try_from(offset).ok()?);
        if let Some(byte) = linear.copied().or_else(|| self.copied(offset)) {
            return Some(byte);
        }
        self.copy(offset)?;
        self.copied(offset)
    }
}

/// Reads what an engine takes from a packet; `None` when it takes nothing, or there is no memory.
#[inline(never)]
pub(super) fn read(engine: Engine, skb: &Skb<'_>, packet: &Packet) -> Option<EngineData> {
    let mut rest = Rest::new(skb, engine.begins(packet)?);
    let found = engine.find(&mut rest)?;
    Some(EngineData::new(engine, rest.take(&found)?))
}
