// SPDX-License-Identifier: GPL-2.0
//! Persistence engines: what in a packet, besides its addresses, keeps clients with one server.
//!
//! An engine finds a few bytes in the first packet of a connection. They become part of the template's
//! key: packets of one network with the same bytes go to the same server.
//!
//! Each engine has a file of its own with its [`Spec`] and its tests. Adding one means: that file, a
//! variant of [`Engine`], and the arms that the compiler then asks for.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::packet::Packet;

mod sip;

/// The known persistence engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The Call-ID of SIP.
    Sip,
}

/// The most bytes that an engine takes from a packet.
pub const DATA_MAX: usize = 255;

/// How many bytes an engine looks at: more than a datagram has.
pub const MOST: usize = u16::MAX as usize;

/// What the module has to know of an engine to serve it.
struct Spec {
    /// What user space calls it.
    name: &'static str,
    /// Where what it looks at begins, in bytes after the network header's beginning; `None` for a packet
    /// that it does not look into.
    begins: fn(&Packet) -> Option<u32>,
    /// Finds the bytes in all that follows that place.
    find: fn(&[u8]) -> Option<&[u8]>,
    /// Whether servers begin connections as well.
    serves_servers: bool,
}

impl Engine {
    /// All engines that a service can have.
    pub const ALL: [Engine; 1] = [Engine::Sip];

    /// Returns the engine that user space calls so.
    pub fn from_name(name: &[u8]) -> Option<Engine> {
        let mut all = Engine::ALL.into_iter();
        all.find(|engine| engine.name().as_bytes() == name)
    }

    /// Returns what user space calls it.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// Returns where what it looks at begins in a packet, in bytes after the network header's beginning;
    /// `None` for a packet that it does not look into.
    pub fn begins(self, packet: &Packet) -> Option<u32> {
        (self.spec().begins)(packet)
    }

    /// Finds the bytes that it takes, one to [`DATA_MAX`], in all that follows [`Engine::begins`].
    ///
    /// Only the first [`MOST`] bytes are looked at, each a bounded number of times.
    pub fn find(self, bytes: &[u8]) -> Option<&[u8]> {
        (self.spec().find)(bytes.get(..MOST).unwrap_or(bytes))
    }

    /// Returns whether servers begin connections as well, which look as if the client had begun them.
    pub const fn serves_servers(self) -> bool {
        self.spec().serves_servers
    }

    const fn spec(self) -> &'static Spec {
        match self {
            Engine::Sip => &sip::SPEC,
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_pe))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn engines_are_known_by_their_whole_name() {
        assert_eq!(Engine::from_name(b"sip"), Some(Engine::Sip));
        for other in [&b""[..], b"si", b"sips", b"SIP"] {
            assert_eq!(Engine::from_name(other), None);
        }
        assert!(Engine::ALL
            .into_iter()
            .all(|engine| Engine::from_name(engine.name().as_bytes()) == Some(engine)));
    }
}
