// SPDX-License-Identifier: GPL-2.0
//! What is registered in a namespace goes with it, in a live kernel.

#[kernel::prelude::kunit_tests(rvs_linux_net)]
mod tests {
    use super::*;
    use crate::inet::Family;
    use crate::net::{Net, Registration};
    use crate::netfilter;
    use crate::sync::Relaxed;

    #[test]
    fn what_is_registered_goes_with_its_number() -> Result {
        let module = Registration::<Probe>::new()?;
        let handle = SLOT.get(Net::init()).ok_or(ENODEV)?.handle.clone();
        let before = THERE.load(Relaxed);
        let first = handle.register(|_net| Ok(Counted::new()))?;
        let second = handle.register(|_net| Ok(Counted::new()))?;
        assert_eq!(THERE.load(Relaxed), before + 2);
        handle.unregister(first);
        handle.unregister(first);
        assert_eq!(THERE.load(Relaxed), before + 1);
        handle.unregister(second);
        assert_eq!(THERE.load(Relaxed), before);
        drop(module);
        Ok(())
    }

    #[test]
    fn nothing_is_found_without_a_registration() -> Result {
        assert!(SLOT.get(Net::init()).is_none());
        let module = Registration::<Probe>::new()?;
        assert!(SLOT.get(Net::init()).is_some());
        drop(module);
        assert!(SLOT.get(Net::init()).is_none());
        Ok(())
    }

    #[test]
    fn registrations_end_before_the_module_does() -> Result {
        let module = Registration::<Probe>::new()?;
        let handle = SLOT.get(Net::init()).ok_or(ENODEV)?.handle.clone();
        let before = THERE.load(Relaxed);
        handle.register(|_net| Ok(Counted::new()))?;
        let v4 = netfilter::Registration::new::<Nothing>(handle.clone(), Family::V4)?;
        let v6 = netfilter::Registration::new::<Nothing>(handle.clone(), Family::V6)?;
        let whole = netfilter::Registration::defragmenting(handle.clone())?;
        drop(netfilter::Registration::defragmenting(handle.clone())?);
        drop(module);
        assert_eq!(THERE.load(Relaxed), before);
        assert!(handle.register(|_net| Ok(Counted::new())).is_err());
        assert_eq!(THERE.load(Relaxed), before);
        // They are off already.
        drop((v4, v6, whole));
        Ok(())
    }
}

use crate::net::{Handle, Net, PerNet, Slot, StaticSlot};
use crate::netfilter::PacketHook;
use crate::rcu::{Arc, Reader};
use crate::skb::{Skb, Verdict};
use crate::sync::{AtomicU64, Relaxed};
use kernel::prelude::*;

/// Values of [`Counted`] that are there.
static THERE: AtomicU64 = AtomicU64::new(0);

/// Something registered.
struct Counted;

impl Counted {
    fn new() -> Self {
        THERE.fetch_add(1, Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        THERE.fetch_sub(1, Relaxed);
    }
}

/// A hook that lets everything pass.
struct Nothing;

impl PacketHook for Nothing {
    fn packet<'g>(_net: &'g Net, skb: Skb<'g>, _rcu: Reader<'g>) -> Verdict {
        skb.accept()
    }
}

/// Keeps the handle of each namespace.
struct Probe {
    handle: Arc<Handle>,
}

static SLOT: Slot<Probe> = Slot::new();

impl PerNet for Probe {
    const SLOT: StaticSlot<Self> = StaticSlot::of(&SLOT);

    fn new(_net: &Net, handle: Arc<Handle>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { handle }, GFP_KERNEL)?)
    }

    fn exit(&self, _net: &Net) {}
}

/// A test ends with an errno, whatever fails in it.
impl From<crate::netfilter::HookError> for Error {
    fn from(_error: crate::netfilter::HookError) -> Self {
        ENODEV
    }
}
