// SPDX-License-Identifier: GPL-2.0
//! Network namespaces and what this module keeps in each.
//!
//! A type that implements [`PerNet`] gets one value in every namespace, reached through its
//! [`Slot`]. A look-up finds nothing before the value exists and after it has gone. It is sound for
//! every `&Net` from the moment at which other CPUs can have one: while a namespace is being set up,
//! C stores the place of a value plainly, without an order against the zeroes in it, and the
//! namespace is in no list and has no packets yet.
//!
//! What the module registers in a namespace belongs to the namespace's [`Handle`], which takes it
//! back in time; nothing else can keep it.
//!
//! C header: `include/net/net_namespace.h`, `include/net/netns/generic.h`

use crate::bindings;
use crate::rcu::{self, Arc, Borrow, Reader};
use crate::sync::might_sleep;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::mem::{offset_of, size_of, MaybeUninit};
use core::ptr::{self, NonNull};
use kernel::error::{from_result, to_result};
use kernel::prelude::*;
use kernel::rbtree::RBTree;
use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed, Release};
use kernel::sync::Mutex;
use kernel::types::Opaque;

/// A network namespace that is borrowed from a callback of the kernel.
///
/// # Invariants
///
/// The `struct net` stays allocated for as long as the borrow lasts.
#[repr(transparent)]
pub struct Net(Opaque<bindings::net>);

// SAFETY: Namespaces are shared by all CPUs; what this type offers may be called on any.
unsafe impl Sync for Net {}

impl Net {
    /// Borrows a namespace that C handed out.
    ///
    /// # Safety
    ///
    /// `net` points to a `struct net` that stays allocated for all of `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(net: *const bindings::net) -> &'a Self {
        // SAFETY: The caller promises that it lives long enough; the layout is the same.
        unsafe { &*net.cast() }
    }

    /// Returns the namespace for a call into C.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// Returns the namespace the machine started with.
    pub fn init() -> &'static Self {
        let init = &raw const bindings::init_net;
        // SAFETY: `init_net` is a static of the kernel, which never goes.
        unsafe { Self::from_raw(init) }
    }

    /// Returns whether this is the namespace the machine started with.
    pub fn is_init(&self) -> bool {
        ptr::eq(self, Self::init())
    }

    /// Returns whether the initial user namespace owns this namespace.
    pub fn is_owned_by_init_user(&self) -> bool {
        // SAFETY: By the type invariant the namespace is allocated; `user_ns` is set before any
        // callback sees it and never changes.
        let owner = unsafe { (*self.as_raw()).user_ns };
        ptr::eq(owner, &raw const bindings::init_user_ns)
    }

    /// Returns whether the calling task may administer this namespace (`CAP_NET_ADMIN`).
    pub fn is_admin(&self) -> bool {
        // SAFETY: As in `is_owned_by_init_user`.
        let owner = unsafe { (*self.as_raw()).user_ns };
        // SAFETY: A namespace holds a reference to its owner for life.
        unsafe { bindings::ns_capable(owner, CAP_NET_ADMIN) }
    }

    /// Returns whether there is an interface of this name; a longer one than any has names none.
    pub fn has_device(&self, name: &[u8]) -> bool {
        let mut text = [0_u8; bindings::IFNAMSIZ as usize];
        if name.len() >= text.len() {
            return false;
        }
        for (place, byte) in text.iter_mut().zip(name) {
            *place = *byte;
        }
        rcu::read(|_rcu| {
            let name = text.as_ptr().cast();
            // SAFETY: By the type invariant the namespace is allocated; the name is shorter than its
            // room of zeroes; this is a read section, after which the interface is not used.
            let device = unsafe { bindings::dev_get_by_name_rcu(self.as_raw(), name) };
            !device.is_null()
        })
    }

    /// Returns whether only the privileged may listen on a port, given in host order.
    pub fn is_privileged_port(&self, port: u16) -> bool {
        // SAFETY: By the type invariant the namespace is allocated.
        unsafe { bindings::rvs_helper_inet_port_requires_bind_service(self.as_raw(), port) }
    }

    /// Returns what C keeps for pernet id `id`, or null.
    #[inline]
    fn generic(&self, id: u32, _rcu: Reader<'_>) -> *mut c_void {
        let Some(cell) = self.generic_cell(id) else {
            return ptr::null_mut();
        };
        // SAFETY: The cell is inside the array, which RCU keeps to the end of the section; C and
        // this file write it as one word. What it points to was zeroed before, as seen from here: C
        // stores it while the namespace is unknown to other CPUs, or before the id is found.
        unsafe { Atomic::from_ptr(cell) }.load(Acquire)
    }

    /// Returns the place of pernet id `id`, unless the array is too short to have one or its header
    /// lies there.
    #[inline]
    fn generic_cell(&self, id: u32) -> Option<*mut *mut c_void> {
        // SAFETY: By the type invariant the namespace is allocated; taking an address reads nothing.
        let place = unsafe { &raw mut (*self.as_raw()).gen };
        // SAFETY: C publishes a new array by one release store.
        let array = unsafe { Atomic::from_ptr(place) }.load(Acquire);
        if array.is_null() {
            return None;
        }
        // SAFETY: An array begins with its length, which never changes once it is published; it
        // lives as long as the caller's RCU section, or the lock that keeps it from being replaced.
        let header = unsafe { &(*array).__bindgen_anon_1.s };
        // SAFETY: As the part of the union that is read first, it was written.
        let len = unsafe { header.as_ref() }.len;
        if !(FIRST_ID..len).contains(&id) {
            return None;
        }
        // SAFETY: The pointers overlay the header from the array's first byte on; `id` is below
        // their number and behind the header.
        Some(unsafe { array.cast::<*mut c_void>().add(id as usize) })
    }
}

/// The smallest id that C gives out: the first place behind the header of the array.
const FIRST_ID: u32 = size_of::<bindings::net_generic>().div_ceil(size_of::<*mut c_void>()) as u32;

/// Returns the link behind another one in C's list of namespaces.
fn next(link: *mut bindings::list_head, _rcu: Reader<'_>) -> *mut bindings::list_head {
    // SAFETY: The list's head is static, and a link that was in the list inside the section is
    // freed after it; taking an address reads nothing.
    let place = unsafe { &raw mut (*link).next };
    // SAFETY: C writes it as one word, by a release store where it adds a link.
    unsafe { Atomic::from_ptr(place) }.load(Acquire)
}

/// Calls `visit` with every namespace that is complete and has not begun to go.
fn for_each(rcu: Reader<'_>, mut visit: impl FnMut(&Net)) {
    let head = &raw mut bindings::net_namespace_list;
    let mut link = next(head, rcu);
    while !ptr::eq(link, head) {
        let offset = offset_of!(bindings::net, list);
        // SAFETY: Every link but the head is the `list` of a namespace.
        let net = unsafe { link.byte_sub(offset) }.cast::<bindings::net>();
        // SAFETY: A namespace that was in the list inside the section is freed after it.
        visit(unsafe { Net::from_raw(net) });
        link = next(link, rcu);
    }
}

/// `CAP_NET_ADMIN` of the user space API.
const CAP_NET_ADMIN: i32 = bindings::CAP_NET_ADMIN as i32;

/// Returns whether the calling task may administer the network of the whole machine.
pub fn is_machine_admin() -> bool {
    // SAFETY: May be called in any task's context.
    unsafe { bindings::capable(CAP_NET_ADMIN) }
}

/// What the module keeps once per network namespace.
pub trait PerNet: Sized + Send + Sync + 'static {
    /// The static place through which values of this type are found.
    const SLOT: StaticSlot<Self>;

    /// Makes the value of a new namespace and opens its ways in. `handle` leads back to the
    /// namespace from places that no callback of its reaches, like a timer; hooks, files and
    /// sysctls are registered through it.
    ///
    /// When the namespace or the module begins to go, all that is still registered is taken back;
    /// a grace period passes between that and [`PerNet::exit`], once for all namespaces that go
    /// together.
    ///
    /// [`Slot::read`] finds it soon after the return, so what comes in earlier finds nothing.
    ///
    /// # Errors
    ///
    /// Any: the namespace is not created then, or the module is not loaded.
    fn new(net: &Net, handle: Arc<Handle>) -> Result<Arc<Self>>;

    /// Ends the rest: no hook runs any more and no packet of one waits for user space. Afterwards
    /// the value is found no longer; it is dropped when its last reference goes, which may be after
    /// the namespace has gone.
    ///
    /// So what refers to something of the namespace is let go here, by [`Arc::new_prompt`] where
    /// readers may look at it: C goes on when all such objects are dropped.
    fn exit(&self, net: &Net);
}

/// A way to a namespace that ends before the namespace does, and what is registered through it.
///
/// A registration cannot be used with another namespace, nor outlive its own or the module: it
/// stays in here, and what asked for it has no more than its number.
///
/// # Invariants
///
/// `net` is null, or a namespace that stays allocated for a grace period after this became null. It
/// is not null while `registered` holds something.
#[pin_data]
pub struct Handle {
    net: Atomic<*mut bindings::net>,
    /// What is taken back when it is dropped, by number; `None` once the namespace began to go.
    #[pin]
    registered: Mutex<Option<RBTree<u64, KBox<dyn Send>>>>,
}

impl Handle {
    /// Makes a handle.
    ///
    /// # Safety
    ///
    /// It is revoked, and a grace period waited for, before `net` may be freed.
    unsafe fn new(net: &Net) -> Result<Arc<Self>> {
        // INVARIANT: By the caller's promise.
        let handle = try_pin_init!(Self {
            net: Atomic::new(net.as_raw()),
            registered <- kernel::new_mutex!(Some(RBTree::new())),
        }? Error);
        Arc::pin_init(handle, GFP_KERNEL)
    }

    /// Returns the namespace, for the reader's section; `None` once it began to go.
    #[inline]
    pub fn read<'g>(&self, _rcu: Reader<'g>) -> Option<&'g Net> {
        let net = NonNull::new(self.net.load(Acquire))?;
        // SAFETY: By the type invariant it stays allocated to the end of the present section.
        Some(unsafe { Net::from_raw(net.as_ptr()) })
    }

    /// Keeps what `make` registers in the namespace until [`Handle::unregister`] is called with the
    /// number returned, or until the namespace begins to go.
    ///
    /// Dropping it must take it back; that happens while the namespace is alive.
    ///
    /// # Errors
    ///
    /// `ENODEV` once the namespace began to go, `ENOMEM`, or what `make` returns.
    ///
    /// # Locking
    ///
    /// Process context; sleeps. Not from the functions of a file or sysctl, for whose end taking one
    /// back waits.
    pub(crate) fn register<R: Send + 'static>(
        &self,
        make: impl FnOnce(&Net) -> Result<R>,
    ) -> Result<u64> {
        might_sleep();
        let mut registered = self.registered.lock();
        let all = (*registered).as_mut().ok_or(ENODEV)?;
        // SAFETY: By the type invariant it is a namespace: `revoke` takes the lock first.
        let net = unsafe { Net::from_raw(self.net.load(Relaxed)) };
        let one = KBox::new(make(net)?, GFP_KERNEL)?;
        let last = all.cursor_back().map_or(0, |last| *last.current().0);
        let number = last.wrapping_add(1);
        all.try_create_and_insert(number, one, GFP_KERNEL)?;
        Ok(number)
    }

    /// Takes back what was registered under a number, unless the end of the namespace did.
    ///
    /// # Locking
    ///
    /// As for [`Handle::register`].
    pub(crate) fn unregister(&self, number: u64) {
        might_sleep();
        // Under the lock, which the end of the namespace waits for.
        if let Some(all) = &mut *self.registered.lock() {
            drop(all.remove(&number));
        }
    }

    /// Takes back all that is registered and leads nowhere from now on.
    fn revoke(&self) {
        // Not under the lock: this may wait for a task that waits for the lock.
        let registered = self.registered.lock().take();
        drop(registered);
        // INVARIANT: Nothing can be registered any more.
        self.net.store(ptr::null_mut(), Release);
    }
}

/// What C allocates, zeroed, for each namespace and [`Slot`].
#[repr(C)]
struct Memory<T: 'static> {
    value: rcu::Slot<T>,
    handle: rcu::Slot<Handle>,
    /// Frees the memory after its readers.
    head: Opaque<bindings::callback_head>,
}

/// Not registered. No id is this small.
const IDLE: u32 = 0;
/// Being registered or unregistered. No id is this large.
const BUSY: u32 = u32::MAX;

/// The static place through which a [`PerNet`] type finds its values.
///
/// # Invariants
///
/// While `found` holds an id, that id belongs to this slot; it is withdrawn a grace period before
/// the id is given back.
pub struct Slot<T: PerNet> {
    /// The id that readers use; nothing is found while it is [`IDLE`] or [`BUSY`].
    found: Atomic<u32>,
    /// The id that C writes and uses.
    id: UnsafeCell<u32>,
    ops: UnsafeCell<MaybeUninit<bindings::pernet_operations>>,
    values: core::marker::PhantomData<fn() -> T>,
}

// SAFETY: `found` is atomic; `id` and `ops` are written by C alone, under its own lock, and read
// by callbacks that it calls afterwards.
unsafe impl<T: PerNet> Sync for Slot<T> {}

#[expect(clippy::new_without_default, reason = "it lives in a static")]
impl<T: PerNet> Slot<T> {
    /// Makes a slot that is not registered.
    pub const fn new() -> Self {
        Self {
            found: Atomic::new(IDLE),
            id: UnsafeCell::new(0),
            ops: UnsafeCell::new(MaybeUninit::uninit()),
            values: core::marker::PhantomData,
        }
    }

    /// Returns the value of `net`, for the reader's section.
    #[inline]
    pub fn read<'g>(&self, net: &Net, rcu: Reader<'g>) -> Option<Borrow<'g, T>> {
        // Pairs with the store in `Registration::new`: the memory is seen as C made it before. `IDLE`
        // and `BUSY` are below and above all ids, so that nothing is found there.
        let id = self.found.load(Acquire);
        let memory = NonNull::new(net.generic(id, rcu))?.cast::<Memory<T>>();
        // SAFETY: By the type invariant the id is this slot's for the whole section, so the memory
        // is what `init` wrote, and `exit_batch` frees it after a grace period.
        let value = unsafe { &memory.as_ref().value };
        value.read(rcu)
    }

    /// Returns a counted reference to the value of `net`.
    pub fn get(&self, net: &Net) -> Option<Arc<T>> {
        rcu::read(|rcu| self.read(net, rcu)?.upgrade())
    }

    /// Returns the id that C gave to this slot.
    ///
    /// # Safety
    ///
    /// Only while this slot is registered, or from the callbacks of its registration.
    unsafe fn own_id(&self) -> u32 {
        // SAFETY: C wrote the id before it called any callback, and keeps it until the last one.
        unsafe { *self.id.get() }
    }
}

/// The address of a static [`Slot`], for a constant: a type's is always the same, which unsafe code
/// here relies on. A constant cannot hold a reference to what changes.
///
/// # Invariants
///
/// The pointer was a `&'static`.
pub struct StaticSlot<T: PerNet>(*const Slot<T>);

impl<T: PerNet> StaticSlot<T> {
    /// Takes the address of a static.
    pub const fn of(slot: &'static Slot<T>) -> Self {
        // INVARIANT: It is one.
        Self(slot)
    }

    /// Returns the slot.
    #[inline]
    pub const fn slot(self) -> &'static Slot<T> {
        // SAFETY: By the type invariant.
        unsafe { &*self.0 }
    }
}

/// The registration of a [`PerNet`] type; its values exist while this does.
pub struct Registration<T: PerNet>(&'static Slot<T>);

impl<T: PerNet> Registration<T> {
    /// Makes a value in every namespace, now and whenever one is created.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the type is registered already, `ENOMEM`, or what [`PerNet::new`] returns.
    pub fn new() -> Result<Self> {
        let slot = T::SLOT.slot();
        if slot.found.cmpxchg(IDLE, BUSY, Full).is_err() {
            return Err(EBUSY);
        }
        let ops = bindings::pernet_operations {
            init: Some(init::<T>),
            pre_exit: Some(pre_exit::<T>),
            exit_batch: Some(exit_batch::<T>),
            id: slot.id.get(),
            size: size_of::<Memory<T>>(),
            ..Default::default()
        };
        // SAFETY: The state was idle, so C does not know the structure, and the exchange above
        // keeps others from coming here.
        unsafe { (*slot.ops.get()).write(ops) };
        // SAFETY: The structure is static and complete; the callbacks fit it.
        let result = to_result(unsafe { bindings::register_pernet_subsys(slot.ops.get().cast()) });
        if let Err(error) = result {
            slot.found.store(IDLE, Release);
            return Err(error);
        }
        // SAFETY: The registration is complete, and its end needs the value returned here.
        let id = unsafe { slot.own_id() };
        slot.found.store(id, Release);
        Ok(Self(slot))
    }
}

impl<T: PerNet> Drop for Registration<T> {
    fn drop(&mut self) {
        // Readers find nothing from here on; C waits for a grace period before it calls
        // `exit_batch` and gives the id back.
        self.0.found.store(BUSY, Release);
        // SAFETY: `new` registered it, and only once.
        unsafe { bindings::unregister_pernet_subsys(self.0.ops.get().cast()) };
        self.0.found.store(IDLE, Release);
        drop_requeued();
    }
}

/// Throws away the packets of a namespace that wait for user space.
///
/// One that this module sent to the hooks of what goes out goes on, when user space lets it, through a
/// function of this module: C's `dst_output`, which is inlined here and so has no address of the kernel's.
/// Nothing else of this module can be reached from a packet that waits: C looks the next hook up anew,
/// by its number, the route is counted, and neither socket nor destructor is this module's. Unregistering
/// hooks drops those that wait then, not those that hooks which still ran queued afterwards: so this is
/// for the end of the namespace, a grace period later.
fn drop_queued(net: &Net) {
    // SAFETY: The namespace is borrowed, so alive; may be called anywhere.
    unsafe { bindings::nf_queue_nf_hook_drop(net.as_raw()) };
}

/// Throws away packets that came back from user space while `exit_batch` threw away the rest, and
/// that another hook gave to a queue which was empty already.
///
/// No packet is sent through this module any more, so there are no others. C lets a packet go on inside a
/// read section, up to the next queue or out: to be missed here as well, one would have to be let go twice,
/// each time at the moment at which its queue is emptied.
fn drop_requeued() {
    // What user space let go on before is in a queue now, or through.
    rcu::synchronize();
    rcu::read(|rcu| for_each(rcu, drop_queued));
}

/// Makes the value of a namespace.
///
/// # Safety
///
/// Called by C only, through the registration of `T`.
unsafe extern "C" fn init<T: PerNet>(net: *mut bindings::net) -> i32 {
    // SAFETY: C lends the namespace for the call.
    let net = unsafe { Net::from_raw(net) };
    // SAFETY: This is a callback of the registration.
    let result = unsafe { make_value::<T>(net) }.map(|()| 0);
    if result.is_err() {
        // C frees the memory at once: readers must be done with it.
        // SAFETY: This is a callback of the registration.
        unsafe { withdraw::<T>(net) };
        rcu::synchronize();
    }
    from_result(|| result)
}

/// Makes the value of a namespace and publishes it.
///
/// # Safety
///
/// Only for callbacks that C calls because of the registration of `T`.
unsafe fn make_value<T: PerNet>(net: &Net) -> Result {
    // SAFETY: By the caller's promise.
    let memory = unsafe { own_memory::<T>(net) }.ok_or(EINVAL)?;
    // SAFETY: C put zeroed memory there, which is two empty slots, and frees it after the callback
    // at the earliest.
    let memory = unsafe { memory.as_ref() };
    // SAFETY: `pre_exit` revokes it, before the grace period that C waits for; below, on failure,
    // this function does, and its caller waits.
    let handle = unsafe { Handle::new(net) }?;
    match T::new(net, handle.clone()) {
        Ok(value) => {
            memory.handle.replace(Some(handle));
            memory.value.replace(Some(value));
            Ok(())
        }
        Err(error) => {
            handle.revoke();
            Err(error)
        }
    }
}

/// Closes the ways into a namespace.
///
/// # Safety
///
/// Called by C only, through the registration of `T`.
unsafe extern "C" fn pre_exit<T: PerNet>(net: *mut bindings::net) {
    // SAFETY: C lends the namespace for the call.
    let net = unsafe { Net::from_raw(net) };
    // SAFETY: This is a callback of the registration.
    let Some(memory) = (unsafe { own_memory::<T>(net) }) else {
        return;
    };
    // SAFETY: It is withdrawn by the last callback of the namespace, at the end.
    if let Some(handle) = unsafe { &memory.as_ref().handle }.replace(None) {
        handle.revoke();
    }
}

/// Ends the values of all namespaces that go together.
///
/// # Safety
///
/// Called by C only, through the registration of `T`, with a list of namespaces.
unsafe extern "C" fn exit_batch<T: PerNet>(nets: *mut bindings::list_head) {
    // SAFETY: C lends the list for the call.
    let mut link = unsafe { (*nets).next };
    while !ptr::eq(link, nets) {
        let offset = offset_of!(bindings::net, exit_list);
        // SAFETY: Every link but the head is the `exit_list` of a namespace.
        let net = unsafe { link.byte_sub(offset) }.cast::<bindings::net>();
        // SAFETY: C keeps the namespaces of the list until after the call.
        let net = unsafe { Net::from_raw(net) };
        drop_queued(net);
        // SAFETY: This is a callback of the registration.
        if let Some(value) = unsafe { own_value::<T>(net) } {
            value.exit(net);
        }
        // SAFETY: This is a callback of the registration.
        if let Some(memory) = unsafe { withdraw::<T>(net) } {
            // SAFETY: It was withdrawn, so only this ends it.
            unsafe { release(memory) };
        }
        // SAFETY: The list does not change during the call.
        link = unsafe { (*link).next };
    }
    // What C needs for the release of routes goes with the next callbacks.
    rcu::prompt_barrier();
}

/// Returns the memory of a namespace whether or not readers may find it yet.
///
/// # Safety
///
/// Only for callbacks that C calls because of the registration of `T`.
unsafe fn own_memory<T: PerNet>(net: &Net) -> Option<NonNull<Memory<T>>> {
    // SAFETY: By the caller's promise.
    let id = unsafe { T::SLOT.slot().own_id() };
    rcu::read(|rcu| NonNull::new(net.generic(id, rcu))).map(NonNull::cast)
}

/// Returns the value of a namespace whether or not readers may find it yet.
///
/// # Safety
///
/// Only for callbacks that C calls because of the registration of `T`.
unsafe fn own_value<T: PerNet>(net: &Net) -> Option<Arc<T>> {
    // SAFETY: By the caller's promise.
    let memory = unsafe { own_memory::<T>(net) }?;
    // SAFETY: It is withdrawn by the last callback of the namespace, at the end.
    let value = unsafe { &memory.as_ref().value };
    rcu::read(|rcu| value.read(rcu)?.upgrade())
}

/// Takes a namespace's memory out of C's hands, so that no new reader finds it.
///
/// # Safety
///
/// Only for callbacks that C calls because of the registration of `T`, as the last step.
unsafe fn withdraw<T: PerNet>(net: &Net) -> Option<NonNull<Memory<T>>> {
    // SAFETY: By the caller's promise.
    let id = unsafe { T::SLOT.slot().own_id() };
    let cell = net.generic_cell(id)?;
    // SAFETY: The cell is inside the array. C replaces the array of a namespace only under a lock
    // that excludes the callbacks.
    let memory = unsafe { Atomic::from_ptr(cell) }.xchg(ptr::null_mut(), Full);
    NonNull::new(memory.cast())
}

/// Lets go of a value and frees its memory after the readers.
///
/// C, which would free it at once, finds null in its place.
///
/// # Safety
///
/// `memory` was withdrawn, and C does not free it.
unsafe fn release<T: PerNet>(memory: NonNull<Memory<T>>) {
    // SAFETY: By the caller's promise it is this function's; readers may still look.
    let shared = unsafe { memory.as_ref() };
    drop(shared.value.replace(None));
    drop(shared.handle.replace(None));
    let head = shared.head.get();
    // SAFETY: C got the memory from kzalloc; the head is inside it and used once.
    unsafe { bindings::kvfree_call_rcu(head.cast(), memory.as_ptr().cast()) };
}
