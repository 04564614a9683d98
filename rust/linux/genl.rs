// SPDX-License-Identifier: GPL-2.0
//! A generic netlink family with operations.
//!
//! A type that implements [`Handler`] says what the family looks like and answers its messages; the
//! family itself is a static of the module. Messages go in and out as plain attribute bytes: what
//! they mean is not this crate's business.
//!
//! C header: `include/net/genetlink.h`, `include/linux/netlink.h`

use crate::bindings;
use crate::net::Net;
use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi::c_int;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full as FullOrder};

/// What the core checks about a top-level attribute.
#[derive(Clone, Copy)]
pub enum Policy {
    /// Empty, or long enough for an attribute inside.
    Nested,
    /// At least four bytes.
    U32,
}

/// How a command may be sent.
#[derive(Clone, Copy)]
pub enum Mode {
    /// As a plain request.
    Do,
    /// As a request for all of something.
    Dump,
    /// As either.
    Both,
}

/// A command that the family knows.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its number.
    pub number: u8,
    /// How it may be sent; the core refuses the rest.
    pub mode: Mode,
}

/// A family and what it does.
///
/// Every command needs `CAP_NET_ADMIN` in the initial user namespace, works in every network
/// namespace, and may run on several CPUs at once. Attributes are checked liberally.
pub trait Handler: Sized + 'static {
    /// The name by which user space finds the family, at most 15 bytes.
    const NAME: &'static CStr;
    /// The version in the header of messages.
    const VERSION: u8;
    /// The first command whose header the core checks strictly.
    const FIRST_STRICT: u8;
    /// The top-level attributes, from number 1 on.
    const POLICY: &'static [Policy];
    /// The commands.
    const COMMANDS: &'static [Command];

    /// Carries out a plain request.
    ///
    /// # Errors
    ///
    /// What user space gets to see.
    ///
    /// # Locking
    ///
    /// Process context; may sleep.
    fn request(request: &Request<'_>) -> Result;

    /// Writes as many messages of a dump as fit, from [`Dump::cursor`] on.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is more to write: it is called again, with the cursor left behind.
    ///
    /// # Locking
    ///
    /// Process context; may sleep.
    fn dump(dump: &mut Dump<'_>) -> Result<(), Full>;
}

/// No more fits into the buffer of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// More than any family has.
const MAX_COMMANDS: usize = 32;
/// More than any family has, with the unused number 0.
const MAX_POLICY: usize = 16;

/// The static memory of a family.
///
/// # Invariants
///
/// `raw` and `policy` are written once, by the caller that set `taken`, before the core sees them.
pub struct Family<H: Handler> {
    taken: Atomic<u32>,
    raw: UnsafeCell<MaybeUninit<bindings::genl_family>>,
    policy: UnsafeCell<MaybeUninit<[bindings::nla_policy; MAX_POLICY]>>,
    handler: PhantomData<fn() -> H>,
}

// SAFETY: By the type invariant the cells are written by one context only; the core, which uses
// them afterwards, has locks of its own.
unsafe impl<H: Handler> Sync for Family<H> {}

#[expect(clippy::new_without_default, reason = "it lives in a static")]
impl<H: Handler> Family<H> {
    /// Makes a family that is not registered.
    pub const fn new() -> Self {
        Self {
            taken: Atomic::new(0),
            raw: UnsafeCell::new(MaybeUninit::zeroed()),
            policy: UnsafeCell::new(MaybeUninit::zeroed()),
            handler: PhantomData,
        }
    }

    /// The commands as C wants them.
    const COMMANDS: [bindings::genl_small_ops; MAX_COMMANDS] = {
        let mut table = [UNUSED; MAX_COMMANDS];
        let mut place = 0;
        while place < H::COMMANDS.len() {
            table[place] = Self::command(H::COMMANDS[place]);
            place += 1;
        }
        table
    };

    /// Returns one command as C wants it.
    const fn command(command: Command) -> bindings::genl_small_ops {
        bindings::genl_small_ops {
            doit: match command.mode {
                Mode::Do | Mode::Both => Some(on_request::<H>),
                Mode::Dump => None,
            },
            dumpit: match command.mode {
                Mode::Dump | Mode::Both => Some(on_dump::<H>),
                Mode::Do => None,
            },
            cmd: command.number,
            internal_flags: 0,
            flags: bindings::GENL_ADMIN_PERM as u8,
            validate: (bindings::genl_validate_flags_GENL_DONT_VALIDATE_STRICT
                | bindings::genl_validate_flags_GENL_DONT_VALIDATE_DUMP)
                as u8,
        }
    }

    /// Opens the family to user space.
    ///
    /// Let this be the last step of loading that can fail: user space may use the family at once.
    ///
    /// # Errors
    ///
    /// `EEXIST` if another family has the name; `EBUSY` if it was registered before: its memory
    /// may still be in use by a dump that has not ended.
    pub fn register(&'static self, module: &'static ThisModule) -> Result<Registration<H>> {
        self.taken.cmpxchg(0, 1, FullOrder).map_err(|_| EBUSY)?;
        // SAFETY: The exchange succeeded once, here.
        unsafe { self.fill(module) };
        // SAFETY: `fill` made a whole family, in static memory; `module`, which the core keeps
        // loaded while a handler runs, is the module with the handlers.
        to_result(unsafe { bindings::genl_register_family(self.raw.get().cast()) })?;
        Ok(Registration(self))
    }

    /// Writes what the core is to know.
    ///
    /// # Safety
    ///
    /// Called once, before the core knows the family.
    unsafe fn fill(&self, module: &'static ThisModule) {
        // SAFETY: By the caller's promise nothing else has the cell.
        let policy = unsafe { &mut *self.policy.get() };
        // SAFETY: It was made of zeroes, which are a policy.
        let policy = unsafe { policy.assume_init_mut() };
        for (place, wanted) in policy.iter_mut().skip(1).zip(H::POLICY) {
            place.type_ = match wanted {
                Policy::Nested => bindings::NLA_NESTED,
                Policy::U32 => bindings::NLA_U32,
            } as u8;
        }
        // SAFETY: By the caller's promise nothing else has the cell.
        let raw = unsafe { &mut *self.raw.get() };
        // SAFETY: It was made of zeroes, which are a family.
        let raw = unsafe { raw.assume_init_mut() };
        for (place, byte) in raw.name.iter_mut().zip(H::NAME.to_bytes()).take(15) {
            *place = kernel::ffi::c_char::from(*byte);
        }
        raw.version = u32::from(H::VERSION);
        raw.maxattr = H::POLICY.len() as u32;
        raw.policy = policy.as_ptr();
        raw.set_netnsok(1);
        raw.set_parallel_ops(1);
        raw.resv_start_op = H::FIRST_STRICT;
        raw.small_ops = const { Self::COMMANDS }.as_ptr();
        raw.n_small_ops = H::COMMANDS.len() as u8;
        raw.module = module.as_ptr().cast();
        const { assert!(H::POLICY.len() < MAX_POLICY && H::COMMANDS.len() <= MAX_COMMANDS) };
    }
}

/// A place in the table of commands that is not used.
const UNUSED: bindings::genl_small_ops = bindings::genl_small_ops {
    doit: None,
    dumpit: None,
    cmd: 0,
    internal_flags: 0,
    flags: 0,
    validate: 0,
};

/// A family that user space can use; dropping it closes the family and waits for plain requests.
///
/// # Invariants
///
/// The family is registered.
pub struct Registration<H: Handler>(&'static Family<H>);

impl<H: Handler> Drop for Registration<H> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is registered. A dump that goes on holds a reference to
        // the module and touches nothing but static memory of it.
        let result = unsafe { bindings::genl_unregister_family(self.0.raw.get().cast()) };
        // It fails only for a family that is not registered.
        debug_assert!(result == 0);
    }
}

/// A message from user space.
///
/// # Invariants
///
/// `info` and what it points to stay valid and unchanged for `'a`, but for its `extack`, which this
/// context alone writes.
pub struct Request<'a> {
    info: NonNull<bindings::genl_info>,
    lifetime: PhantomData<&'a bindings::genl_info>,
}

impl<'a> Request<'a> {
    /// Borrows what the core hands to a handler.
    ///
    /// # Safety
    ///
    /// `info` is that of a message whose handler runs for all of `'a`.
    unsafe fn from_raw(info: NonNull<bindings::genl_info>) -> Self {
        // INVARIANT: The core keeps all of it while the handler runs.
        Self {
            info,
            lifetime: PhantomData,
        }
    }

    fn info(&self) -> &bindings::genl_info {
        // SAFETY: By the type invariant it is valid; `extack` is a pointer, which does not change.
        unsafe { self.info.as_ref() }
    }

    /// Returns the number of the command.
    pub fn command(&self) -> u8 {
        // SAFETY: By the type invariant the header is valid.
        unsafe { (*self.info().genlhdr).cmd }
    }

    /// Returns the namespace of the socket.
    pub fn net(&self) -> &'a Net {
        // SAFETY: By the type invariant `info` is valid.
        let net = unsafe { bindings::rvs_helper_genl_info_net(self.info.as_ptr()) };
        // SAFETY: The socket that sent the message is open and holds its namespace.
        unsafe { Net::from_raw(net) }
    }

    /// Returns the top-level attributes, as they were sent.
    pub fn attributes(&self) -> &'a [u8] {
        let header = self.info().nlhdr;
        // SAFETY: The core checked that the message holds both headers.
        let data = unsafe { bindings::rvs_helper_nlmsg_attrdata(header) };
        // SAFETY: The core checked that the message holds both headers.
        let len = unsafe { bindings::rvs_helper_nlmsg_attrlen(header) };
        let Ok(len) = usize::try_from(len) else {
            return &[];
        };
        // SAFETY: The core checked that the buffer holds the message's length; it is a copy that
        // is not written, kept while the handler runs.
        unsafe { core::slice::from_raw_parts(data.cast(), len) }
    }

    /// Sets the sentence that user space gets with an error, if it asked for sentences.
    ///
    /// Kept to 79 bytes, for the buffers of programs that print it.
    pub fn explain(&self, sentence: &'static CStr) {
        let Some(extack) = NonNull::new(self.info().extack) else {
            return;
        };
        // SAFETY: By the type invariant only this context writes it; the sentence is static, and
        // the core copies it before the module can go.
        unsafe { (*extack.as_ptr())._msg = sentence.as_char_ptr() };
    }

    /// Returns where a reply's attributes begin, as far as that matters to how they are written:
    /// nowhere in particular where numbers may be read from any address.
    pub fn start(&self) -> Option<usize> {
        // A message of its own begins at the start of its buffer, which the allocator aligned.
        aligned().then_some(HEADERS)
    }

    /// Sends one message back to the sender.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; or what the sender's socket says, such as `EAGAIN` when it is full.
    pub fn reply(&self, command: u8, attributes: &[u8]) -> Result {
        // SAFETY: Process context.
        let skb = unsafe { bindings::rvs_helper_genlmsg_new(attributes.len()) };
        let message = Message(NonNull::new(skb).ok_or(ENOMEM)?);
        self.append(message.0, 0, command, attributes)
            .map_err(|_: Full| ENOMEM)?;
        let skb = message.into_raw();
        // SAFETY: The buffer was ours and is given up; `info` is valid by the type invariant.
        to_result(unsafe { bindings::rvs_helper_genlmsg_reply(skb, self.info.as_ptr()) })
    }

    /// Writes one whole message, or nothing.
    fn append(
        &self,
        skb: NonNull<bindings::sk_buff>,
        flags: c_int,
        command: u8,
        attributes: &[u8],
    ) -> Result<(), Full> {
        let skb = skb.as_ptr();
        let len = c_int::try_from(attributes.len()).map_err(|_| Full)?;
        let info = self.info();
        // SAFETY: The callers hold the buffer for writing; the family is that of the message.
        let header = unsafe {
            bindings::genlmsg_put(
                skb,
                info.snd_portid,
                info.snd_seq,
                info.family,
                flags,
                command,
            )
        };
        if header.is_null() {
            return Err(Full);
        }
        // SAFETY: As above; it writes only if there is room, and reads `len` bytes.
        let failed = unsafe { bindings::nla_append(skb, len, attributes.as_ptr().cast()) } != 0;
        if failed {
            // SAFETY: The header is the last thing begun in this buffer.
            unsafe { bindings::rvs_helper_genlmsg_cancel(skb, header) };
            return Err(Full);
        }
        // SAFETY: The header is the last thing begun in this buffer, and now complete.
        unsafe { bindings::rvs_helper_genlmsg_end(skb, header) };
        Ok(())
    }
}

/// The bytes of a message before its attributes.
const HEADERS: usize = size_of::<bindings::nlmsghdr>() + size_of::<bindings::genlmsghdr>();

/// Returns whether this machine wants numbers of eight bytes at multiples of eight.
fn aligned() -> bool {
    // SAFETY: It only tells what this kernel was built for.
    unsafe { bindings::rvs_helper_nla_aligns_64bit() }
}

/// A buffer for one message.
///
/// # Invariants
///
/// It belongs to this value.
struct Message(NonNull<bindings::sk_buff>);

impl Message {
    fn into_raw(self) -> *mut bindings::sk_buff {
        let skb = self.0.as_ptr();
        core::mem::forget(self);
        skb
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is ours.
        unsafe { bindings::rvs_helper_nlmsg_free(self.0.as_ptr()) };
    }
}

/// How many numbers a dump keeps between its parts: what fits into the 48 bytes that C offers.
pub const CURSOR: usize = 6;

/// One part of a dump: a buffer for messages, and the place reached before.
///
/// # Invariants
///
/// `skb` and `cb` are valid for `'a` and used by this context alone.
pub struct Dump<'a> {
    request: Request<'a>,
    skb: NonNull<bindings::sk_buff>,
    cb: NonNull<bindings::netlink_callback>,
    written: bool,
}

impl<'a> Dump<'a> {
    /// Borrows what the core hands to a dump's handler.
    ///
    /// # Safety
    ///
    /// `skb` and `cb` are those of a dump whose handler runs for all of `'a`.
    unsafe fn from_raw(
        skb: NonNull<bindings::sk_buff>,
        cb: NonNull<bindings::netlink_callback>,
    ) -> Option<Self> {
        // SAFETY: By the caller's promise; the core made the info when the dump began.
        let info = unsafe { bindings::rvs_helper_genl_info_dump(cb.as_ptr()) };
        let info = NonNull::new(info.cast_mut())?;
        // SAFETY: The info is the dump's, which runs for all of `'a` by the caller's promise.
        let request = unsafe { Request::from_raw(info) };
        // INVARIANT: A dump runs under its socket's lock.
        Some(Self {
            request,
            skb,
            cb,
            written: false,
        })
    }

    /// Returns the message that asked for the dump.
    pub fn request(&self) -> &Request<'a> {
        &self.request
    }

    /// Returns where the part before left off: zeroes for the first.
    pub fn cursor(&self) -> [u64; CURSOR] {
        // SAFETY: By the type invariant `cb` is valid and ours; the union is 48 plain bytes, as
        // aligned as a `long`, and the core zeroed them.
        unsafe { self.place().read_unaligned() }
    }

    /// Leaves behind where the next part goes on.
    pub fn set_cursor(&mut self, cursor: [u64; CURSOR]) {
        // SAFETY: As in `cursor`.
        unsafe { self.place().write_unaligned(cursor) };
    }

    fn place(&self) -> *mut [u64; CURSOR] {
        // SAFETY: By the type invariant `cb` is valid; taking an address reads nothing.
        let place = unsafe { &raw mut (*self.cb.as_ptr()).__bindgen_anon_1 };
        const { assert!(size_of::<bindings::netlink_callback__bindgen_ty_1>() == 8 * CURSOR) };
        place.cast()
    }

    /// Returns where the next message's attributes begin, as [`Request::start`] does.
    pub fn start(&self) -> Option<usize> {
        // SAFETY: By the type invariant the buffer is the dump's, which runs.
        let start = unsafe { bindings::rvs_helper_genlmsg_start(self.skb.as_ptr()) };
        aligned().then_some(start)
    }

    /// Writes one message.
    ///
    /// # Errors
    ///
    /// [`Full`], and nothing is written, if it does not fit into this part.
    pub fn put(&mut self, command: u8, attributes: &[u8]) -> Result<(), Full> {
        let flags = bindings::NLM_F_MULTI as c_int;
        self.request.append(self.skb, flags, command, attributes)?;
        self.written = true;
        Ok(())
    }
}

/// The core's call for a plain request.
///
/// # Safety
///
/// Called by the generic netlink core only.
unsafe extern "C" fn on_request<H: Handler>(
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    let Some(info) = NonNull::new(info) else {
        return EINVAL.to_errno();
    };
    // SAFETY: The core keeps the message for this call.
    let request = unsafe { Request::from_raw(info) };
    match H::request(&request) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// The core's call for a part of a dump.
///
/// # Safety
///
/// Called by the generic netlink core only.
unsafe extern "C" fn on_dump<H: Handler>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    let (Some(skb), Some(cb)) = (NonNull::new(skb), NonNull::new(cb)) else {
        return EINVAL.to_errno();
    };
    // SAFETY: The core keeps both for this call and holds the socket's lock.
    let Some(mut dump) = (unsafe { Dump::from_raw(skb, cb) }) else {
        return EINVAL.to_errno();
    };
    match H::dump(&mut dump) {
        // Zero ends the dump; anything above asks for another call.
        Ok(()) => 0,
        Err(Full) if dump.written => 1,
        Err(Full) => EMSGSIZE.to_errno(),
    }
}
