// SPDX-License-Identifier: GPL-2.0
//! Packets for hooks, and a hook that catches those that the suites send, as they leave this host.

use crate::crafted::Crafted;
use crate::inet::{Family, Point};
use crate::net::{Handle, Net, PerNet, Registration, Slot, StaticSlot};
use crate::netfilter::{self, PacketHook};
use crate::rcu::{Arc, Reader};
use crate::route::{NextHop, Route, Sender, Target};
use crate::skb::{Skb, Summed, Verdict};
use crate::sync::{locked, Locked};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use kernel::prelude::*;

/// UDP from 127.0.0.1 to itself.
pub(super) const PACKET: &[u8] = &[
    0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0x7c, 0xca, 127, 0, 0, 1, 127, 0, 0, 1, 0x9c, 0x40, 0, 80,
    0, 12, 0, 0, b'd', b'a', b't', b'a',
];

/// Returns the route to this host.
pub(super) fn here(family: Family, rcu: Reader<'_>) -> Option<Route<'_>> {
    let target = Target {
        addr: match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        },
        hop: NextHop::Table,
        sender: Sender::Host,
    };
    Route::to(Net::init(), target, rcu)
}

/// Does something with a packet in a hook.
pub(super) fn on<R>(crafted: Crafted, what: impl FnOnce(&mut Skb<'_>) -> R) -> Result<R> {
    let passed = crafted.pass((Family::V4, Point::LocalIn), |mut skb, _rcu| {
        let result = what(&mut skb);
        (skb.accept(), result)
    });
    passed.map(|(_packet, result)| result)
}

/// A packet that left.
#[derive(Clone, Copy)]
pub(super) struct Caught {
    /// What was known about its checksum.
    pub(super) summed: Summed,
    /// Which checksum was left to the hardware.
    pub(super) left: Option<(u16, u16)>,
    bytes: [u8; LONGEST],
    len: usize,
}

/// The longest packet that is caught whole.
const LONGEST: usize = 128;

impl Caught {
    /// Returns its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn read(skb: &Skb<'_>) -> Self {
        let (mut bytes, len) = ([0; LONGEST], LONGEST.min(skb.len() as usize));
        if let Some(wanted) = bytes.get_mut(..len) {
            skb.copy(0, wanted);
        }
        Self {
            summed: skb.summed(),
            left: skb.left_checksum(),
            bytes,
            len,
        }
    }
}

/// Runs something that sends a packet and returns the last one that left.
pub(super) fn catch(send: impl FnOnce() -> Result) -> Result<Caught> {
    let module = Registration::<Catcher>::new()?;
    let catcher = SLOT.get(Net::init()).ok_or(ENODEV)?;
    let handle = catcher.handle.clone();
    let hooks = (
        netfilter::Registration::new::<Catcher>(handle.clone(), Family::V4)?,
        netfilter::Registration::new::<Catcher>(handle, Family::V6)?,
    );
    send()?;
    let caught = catcher.caught.lock().take();
    drop(hooks);
    drop(module);
    caught.ok_or(ENOENT)
}

/// Keeps what was caught in a namespace.
struct Catcher {
    handle: Arc<Handle>,
    caught: Locked<Option<Caught>>,
}

static SLOT: Slot<Catcher> = Slot::new();

impl PerNet for Catcher {
    const SLOT: StaticSlot<Self> = StaticSlot::of(&SLOT);

    fn new(_net: &Net, handle: Arc<Handle>) -> Result<Arc<Self>> {
        let caught = locked(None)?;
        Ok(Arc::new(Self { handle, caught }, GFP_KERNEL)?)
    }

    fn exit(&self, _net: &Net) {}
}

impl PacketHook for Catcher {
    fn packet<'g>(net: &'g Net, skb: Skb<'g>, _rcu: Reader<'g>) -> Verdict {
        // Others' packets may leave as well.
        let is_ours = skb.point() == Point::LocalOut && skb.is_handled();
        match SLOT.get(net) {
            Some(catcher) if is_ours => {
                *catcher.caught.lock() = Some(Caught::read(&skb));
                skb.discard()
            }
            Some(_) | None => skb.accept(),
        }
    }
}
