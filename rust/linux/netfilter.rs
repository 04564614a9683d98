// SPDX-License-Identifier: GPL-2.0
//! Hooks on the way of packets through a namespace.
//!
//! One function of ours at each of three points does what C does with two. It sits where C's last
//! one sits, so what other modules do before and after is the same.
//!
//! C header: `include/linux/netfilter.h`, `include/net/netfilter/ipv6/nf_defrag_ipv6.h`

use crate::bindings;
use crate::inet::{Family, Point};
use crate::net::{Handle, Net};
use crate::rcu::{Arc, Reader};
use crate::skb::{Call, Skb, Verdict};
use core::ffi::{c_uint, c_void};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::prelude::*;

/// What a module does with each packet of a family.
pub trait PacketHook {
    /// Decides about one packet.
    ///
    /// # Locking
    ///
    /// Called with softirqs off or in process context with them on, and again from within itself
    /// when it sends.
    fn packet<'g>(net: &'g Net, skb: Skb<'g>, rcu: Reader<'g>) -> Verdict;
}

/// What netfilter is told about the hooks of one family.
struct HookTable([bindings::nf_hook_ops; 3]);

// SAFETY: A table is never written to, and its pointers are null but for the function's.
unsafe impl Sync for HookTable {}

/// Hooks of one family in one namespace, on for as long as this is there.
///
/// They belong to the namespace's [`Handle`]: when the namespace or the module goes first, they are
/// off already, and dropping this does nothing.
#[must_use]
pub struct Registration {
    handle: Arc<Handle>,
    number: u64,
}

/// Why hooks do not go on.
#[derive(Debug)]
pub enum HookError {
    /// There is no memory.
    Memory,
    /// The kernel does not have the family.
    Family,
    /// The namespace began to go, or takes no more hooks.
    Namespace,
}

impl From<Error> for HookError {
    fn from(error: Error) -> Self {
        match error {
            ENOMEM => Self::Memory,
            EAFNOSUPPORT => Self::Family,
            _ => Self::Namespace,
        }
    }
}

impl Registration {
    /// Has `H` called for every packet of `family` that passes the namespace.
    ///
    /// # Errors
    ///
    /// Any of [`HookError`].
    ///
    /// # Locking
    ///
    /// Process context; sleeps. The same goes for the drop, which does not wait for hooks that are
    /// still running on other CPUs: that takes a grace period.
    pub fn new<H: PacketHook>(handle: Arc<Handle>, family: Family) -> Result<Self, HookError> {
        if !family.is_enabled() {
            return Err(HookError::Family);
        }
        let table: &'static HookTable = match family {
            Family::V4 => &Tables::<H>::V4,
            Family::V6 => &Tables::<H>::V6,
        };
        let number = handle.register(|net| Hooks::new(net, table))?;
        Ok(Self { handle, number })
    }

    /// Has fragments of IPv6 put together before any other hook sees them, whether they come in or
    /// are sent here: hooks of C, which all that ask for them share.
    ///
    /// # Errors
    ///
    /// As for [`Registration::new`].
    ///
    /// # Locking
    ///
    /// As for [`Registration::new`].
    pub fn defragmenting(handle: Arc<Handle>) -> Result<Self, HookError> {
        let number = handle.register(Defragmenting::new)?;
        Ok(Self { handle, number })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.handle.unregister(self.number);
    }
}

/// The hooks as their [`Handle`] keeps them.
///
/// # Invariants
///
/// The hooks of `table` are on in `net`, which is alive.
struct Hooks {
    net: *mut bindings::net,
    /// Also tells the hooks apart from others: C compares the address.
    table: &'static HookTable,
}

// SAFETY: Hooks may be taken off by any task.
unsafe impl Send for Hooks {}

impl Hooks {
    fn new(net: &Net, table: &'static HookTable) -> Result<Self> {
        let net = net.as_raw();
        // SAFETY: The namespace is borrowed, so alive; the table is static and has three entries.
        to_result(unsafe { bindings::nf_register_net_hooks(net, table.0.as_ptr(), 3) })?;
        // INVARIANT: They were just put on; a handle drops what it keeps while the namespace lives.
        Ok(Self { net, table })
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::nf_unregister_net_hooks(self.net, self.table.0.as_ptr(), 3) };
    }
}

/// C's hooks that put fragments of IPv6 together, as a [`Handle`] keeps them.
///
/// # Invariants
///
/// They are on in `net`, which is alive, and one use of them belongs to this value.
struct Defragmenting(*mut bindings::net);

// SAFETY: The hooks may be given up by any task.
unsafe impl Send for Defragmenting {}

impl Defragmenting {
    fn new(net: &Net) -> Result<Self> {
        let net = net.as_raw();
        // SAFETY: The namespace is borrowed, so alive; a handle calls from process context.
        to_result(unsafe { bindings::nf_defrag_ipv6_enable(net) })?;
        // INVARIANT: That was one use; a handle drops what it keeps while the namespace lives.
        Ok(Self(net))
    }
}

impl Drop for Defragmenting {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::nf_defrag_ipv6_disable(self.0) };
    }
}

/// Returns where C's own hook would be found by others.
const fn priority(family: Family, point: Point) -> i32 {
    let (nat_source, nat_dest) = match family {
        Family::V4 => (
            bindings::nf_ip_hook_priorities_NF_IP_PRI_NAT_SRC,
            bindings::nf_ip_hook_priorities_NF_IP_PRI_NAT_DST,
        ),
        Family::V6 => (
            bindings::nf_ip6_hook_priorities_NF_IP6_PRI_NAT_SRC,
            bindings::nf_ip6_hook_priorities_NF_IP6_PRI_NAT_DST,
        ),
    };
    match point {
        Point::LocalIn => nat_source - 1,
        Point::LocalOut => nat_dest + 2,
        Point::Forward => 100,
    }
}

struct Tables<H>(PhantomData<H>);

impl<H: PacketHook> Tables<H> {
    const V4: HookTable = Self::of(Family::V4);
    const V6: HookTable = Self::of(Family::V6);

    const fn of(family: Family) -> HookTable {
        HookTable([
            Self::entry(family, Point::LocalIn),
            Self::entry(family, Point::LocalOut),
            Self::entry(family, Point::Forward),
        ])
    }

    const fn entry(family: Family, point: Point) -> bindings::nf_hook_ops {
        // SAFETY: All zeroes are a valid `struct nf_hook_ops`.
        let zero: bindings::nf_hook_ops = unsafe { core::mem::zeroed() };
        bindings::nf_hook_ops {
            hook: Some(Self::trampoline),
            pf: family.number(),
            hooknum: point.hook(),
            priority: priority(family, point),
            ..zero
        }
    }

    /// # Safety
    ///
    /// Called by netfilter only: with a valid packet that is the callee's until it returns, a valid
    /// state, and inside an RCU read section that ends after the call.
    unsafe extern "C" fn trampoline(
        _private: *mut c_void,
        skb: *mut bindings::sk_buff,
        state: *const bindings::nf_hook_state,
    ) -> c_uint {
        // SAFETY: Netfilter passes a valid state for the time of the call.
        let state = unsafe { &*state };
        let Some(skb) = NonNull::new(skb) else {
            return bindings::NF_ACCEPT;
        };
        // SAFETY: The namespace a packet passes through outlives the hook.
        let net = unsafe { Net::from_raw(state.net) };
        // SAFETY: Netfilter runs its hooks inside an RCU read section.
        let rcu = unsafe { Reader::assume() };
        let call = Call {
            state,
            function: Some(Self::trampoline),
        };
        // SAFETY: Netfilter gave us this packet, and gets back what it is traded for.
        match unsafe { Skb::from_hook(skb, &call) } {
            Some(skb) => H::packet(net, skb, rcu).into_raw(),
            None => bindings::NF_ACCEPT,
        }
    }
}
