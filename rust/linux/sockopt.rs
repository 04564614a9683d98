// SPDX-License-Identifier: GPL-2.0
//! Socket options of IPv4 that a module adds.
//!
//! A type that implements [`Options`] names its options and handles them. What programs pass is
//! copied in and out in pieces whose place is checked against the length that they gave.
//!
//! C header: `include/linux/netfilter.h`, `include/linux/sockptr.h`

use crate::bindings;
use crate::inet::Family;
use crate::net::Net;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::error::to_result;
use kernel::ffi::{c_int, c_uint, c_void};
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full};

/// Socket options with numbers that follow each other.
///
/// The handlers run in the task that uses the socket, several at once; no privilege is asked for
/// before. They may sleep.
pub trait Options: Sized + 'static {
    /// The first option, of both kinds.
    const FIRST: c_int;
    /// The last option that can be set.
    const LAST_SET: c_int;
    /// The last option that can be read.
    const LAST_GET: c_int;

    /// Sets an option of a socket of namespace `net`.
    ///
    /// # Errors
    ///
    /// What user space gets to see.
    fn set(net: &Net, option: c_int, argument: &Argument<'_>) -> Result;

    /// Reads an option of a socket of namespace `net`.
    ///
    /// # Errors
    ///
    /// What user space gets to see.
    fn get(net: &Net, option: c_int, buffer: &mut Buffer<'_>) -> Result;
}

/// What a program wants an option to be.
///
/// # Invariants
///
/// `from` is what the socket layer passed with this length, for a call that lasts for all of `'a`.
pub struct Argument<'a> {
    from: bindings::sockptr_t,
    len: usize,
    call: PhantomData<&'a ()>,
}

impl Argument<'_> {
    /// Returns how many bytes the program says there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the first bytes, as many as `to` has.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are not so many, `EFAULT` if they cannot be read.
    pub fn read(&self, to: &mut [u8]) -> Result {
        if to.len() > self.len {
            return Err(EINVAL);
        }
        let place = to.as_mut_ptr().cast::<c_void>();
        // SAFETY: `place` has room for as many bytes as are copied. By the type invariant these are
        // of the program, which C checks, or of a buffer of the kernel with at least as many.
        let left = unsafe { bindings::rvs_helper_copy_from_sockptr(place, self.from, to.len()) };
        complete(left)
    }
}

/// Where a program wants to have an option: memory of its own, which may hold a question.
pub struct Buffer<'a> {
    user: *mut c_void,
    len: &'a mut c_int,
}

impl Buffer<'_> {
    /// Returns how many bytes the program says there are; it may say less than none.
    pub fn room(&self) -> Option<usize> {
        usize::try_from(*self.len).ok()
    }

    /// Copies the first bytes, as many as `to` has.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are not so many, `EFAULT` if they cannot be read.
    pub fn read(&self, to: &mut [u8]) -> Result {
        let from = self.place(0, to.len())?;
        let place = to.as_mut_ptr().cast::<c_void>();
        // SAFETY: `place` has room for as many bytes as are copied; C checks that `from` is memory of
        // the program.
        let left = unsafe { bindings::rvs_helper_copy_from_user(place, from, to.len()) };
        complete(left)
    }

    /// Copies bytes to the place `offset`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if they would not fit, `EFAULT` if they cannot be written.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result {
        let to = self.place(offset, bytes.len())?;
        let from = bytes.as_ptr().cast::<c_void>();
        // SAFETY: `from` is as many bytes as are copied; C checks that `to` is memory of the program.
        let left = unsafe { bindings::rvs_helper_copy_to_user(to, from, bytes.len()) };
        complete(left)
    }

    /// Tells the program that only the first `len` bytes say something.
    pub fn set_len(&mut self, len: usize) {
        if self.room().is_some_and(|before| len <= before) {
            // No more than before, which fits.
            *self.len = len as c_int;
        }
    }

    /// Returns where `len` bytes from `offset` on are.
    fn place(&self, offset: usize, len: usize) -> Result<*mut c_void> {
        let end = offset.checked_add(len);
        let is_inside = end.is_some_and(|end| self.room().is_some_and(|all| end <= all));
        match is_inside {
            true => Ok(self.user.wrapping_byte_add(offset)),
            false => Err(EINVAL),
        }
    }
}

/// Returns the error of a copy that left some bytes out.
fn complete(left: usize) -> Result {
    match left {
        0 => Ok(()),
        _ => Err(EFAULT),
    }
}

/// The static memory of options, which C links into its list.
///
/// # Invariants
///
/// Once `taken` is set, `raw` is used by its one setter until C knows it, and then by C.
pub struct Definition<O: Options> {
    taken: Atomic<u32>,
    raw: UnsafeCell<bindings::nf_sockopt_ops>,
    of: PhantomData<fn() -> O>,
}

// SAFETY: By the type invariant the cell has one user at a time; C has a lock of its own.
unsafe impl<O: Options> Sync for Definition<O> {}

#[expect(clippy::new_without_default, reason = "it lives in a static")]
impl<O: Options> Definition<O> {
    /// Makes options that are not registered.
    pub const fn new() -> Self {
        const { assert!(O::FIRST <= O::LAST_SET && O::FIRST <= O::LAST_GET) };
        // SAFETY: All zeroes are a valid `struct nf_sockopt_ops`.
        let zero: bindings::nf_sockopt_ops = unsafe { core::mem::zeroed() };
        Self {
            taken: Atomic::new(0),
            raw: UnsafeCell::new(bindings::nf_sockopt_ops {
                pf: Family::V4.number(),
                set_optmin: O::FIRST,
                set_optmax: O::LAST_SET.saturating_add(1),
                set: Some(on_set::<O>),
                get_optmin: O::FIRST,
                get_optmax: O::LAST_GET.saturating_add(1),
                get: Some(on_get::<O>),
                ..zero
            }),
            of: PhantomData,
        }
    }

    /// Lets programs use the options.
    ///
    /// Let this be one of the last steps of loading that can fail: a call holds on to the module from
    /// then on.
    ///
    /// # Errors
    ///
    /// `EBUSY` if they were registered before, or if another module has options of these numbers.
    ///
    /// # Locking
    ///
    /// Process context; sleeps. The same goes for the drop of what is returned.
    pub fn register(&'static self, module: &'static ThisModule) -> Result<Registration<O>> {
        self.taken.cmpxchg(0, 1, Full).map_err(|_| EBUSY)?;
        let raw = self.raw.get();
        // SAFETY: The exchange succeeded once, here, and C does not know the options yet.
        unsafe { (*raw).owner = module.as_ptr().cast() };
        // SAFETY: The options are whole, in static memory, and `module`, which a call keeps loaded,
        // has their code.
        to_result(unsafe { bindings::nf_register_sockopt(raw) })?;
        // INVARIANT: They were just registered.
        Ok(Registration(self))
    }
}

/// Options that programs can use; dropping it keeps new calls from coming.
///
/// A call that goes on holds a reference to the module, so that the module stays until it is over.
///
/// # Invariants
///
/// The options are registered.
pub struct Registration<O: Options>(&'static Definition<O>);

impl<O: Options> Drop for Registration<O> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant they are in C's list.
        unsafe { bindings::nf_unregister_sockopt(self.0.raw.get()) };
    }
}

/// Returns the namespace of a socket.
///
/// # Safety
///
/// `sk` is a socket that is open for all of `'a`.
unsafe fn net_of<'a>(sk: NonNull<bindings::sock>) -> &'a Net {
    // SAFETY: By the caller's promise it is a socket.
    let net = unsafe { bindings::rvs_helper_sock_net(sk.as_ptr()) };
    // SAFETY: A socket of a program holds its namespace while it is open.
    unsafe { Net::from_raw(net) }
}

/// Sets an option.
///
/// # Safety
///
/// Called by C only, with a socket that is open during the call and what its program passed.
unsafe extern "C" fn on_set<O: Options>(
    sk: *mut bindings::sock,
    option: c_int,
    from: bindings::sockptr_t,
    len: c_uint,
) -> c_int {
    let Some(sk) = NonNull::new(sk) else {
        return EINVAL.to_errno();
    };
    // SAFETY: The socket is open during the call.
    let net = unsafe { net_of(sk) };
    // INVARIANT: C passes both for this call.
    let argument = Argument {
        from,
        len: len as usize,
        call: PhantomData,
    };
    match O::set(net, option, &argument) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}

/// Reads an option.
///
/// # Safety
///
/// Called by C only, with a socket that is open during the call, and a place of C's own for the
/// length.
unsafe extern "C" fn on_get<O: Options>(
    sk: *mut bindings::sock,
    option: c_int,
    user: *mut c_void,
    len: *mut c_int,
) -> c_int {
    let Some(sk) = NonNull::new(sk) else {
        return EINVAL.to_errno();
    };
    // SAFETY: The socket is open during the call.
    let net = unsafe { net_of(sk) };
    // SAFETY: C passes a place of its own for the time of the call.
    let Some(len) = (unsafe { len.as_mut() }) else {
        return EINVAL.to_errno();
    };
    match O::get(net, option, &mut Buffer { user, len }) {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
