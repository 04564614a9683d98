// SPDX-License-Identifier: GPL-2.0
//! What a persistence engine took from a packet: part of a template's key.

use ipvs::pe::Engine;
use kernel::prelude::*;

/// What a persistence engine took from a packet.
pub(crate) struct EngineData {
    engine: Engine,
    bytes: KVec<u8>,
}

impl EngineData {
    /// Makes it of the bytes that the engine found.
    pub(crate) const fn new(engine: Engine, bytes: KVec<u8>) -> Self {
        Self { engine, bytes }
    }

    /// Returns the engine.
    pub(crate) const fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns the bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for EngineData {
    fn eq(&self, other: &Self) -> bool {
        self.engine == other.engine && self.bytes() == other.bytes()
    }
}
