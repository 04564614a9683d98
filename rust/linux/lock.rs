// SPDX-License-Identifier: GPL-2.0
//! Locks that keep softirqs off.
//!
//! A lock that the packet path takes is wanted by process context too, where a packet may
//! interrupt the holder and wait for it for ever. So while it is held, softirqs are off.
//!
//! C header: `include/linux/spinlock.h`

use crate::bindings;
use kernel::sync::lock::{Backend, Lock};

/// A spinlock that keeps softirqs off while it is held.
pub type SpinLockBh<T> = Lock<T, SpinLockBhBackend>;

/// The `_bh` way of taking a `spinlock_t`.
pub struct SpinLockBhBackend;

// SAFETY: `spinlock_t` excludes all others; `relock` locks like `lock`.
unsafe impl Backend for SpinLockBhBackend {
    type State = bindings::spinlock_t;
    type GuardState = ();

    unsafe fn init(
        ptr: *mut Self::State,
        name: *const kernel::ffi::c_char,
        key: *mut kernel::bindings::lock_class_key,
    ) {
        // SAFETY: `ptr` is valid for writes, `name` and `key` for ever, says the trait. Both
        // bindings describe the same C type.
        unsafe { bindings::rvs_helper_spin_lock_init(ptr, name, key.cast()) }
    }

    #[inline]
    unsafe fn lock(ptr: *mut Self::State) {
        // SAFETY: The trait promises that `init` was called.
        unsafe { bindings::rvs_helper_spin_lock_bh(ptr) }
    }

    #[inline]
    unsafe fn try_lock(ptr: *mut Self::State) -> Option<()> {
        // SAFETY: The trait promises that `init` was called.
        let taken = unsafe { bindings::rvs_helper_spin_trylock_bh(ptr) };
        (taken != 0).then_some(())
    }

    #[inline]
    unsafe fn unlock(ptr: *mut Self::State, _state: &()) {
        // SAFETY: The trait promises that the caller holds it.
        unsafe { bindings::rvs_helper_spin_unlock_bh(ptr) }
    }

    #[inline]
    unsafe fn assert_is_held(ptr: *mut Self::State) {
        // SAFETY: The trait promises that `init` was called.
        unsafe { bindings::rvs_helper_spin_assert_is_held(ptr) }
    }
}

/// Makes an initialiser of a [`SpinLockBh`] with a lock class of its own.
#[macro_export]
macro_rules! new_spinlock_bh {
    ($inner:expr, $name:literal $(,)?) => {
        $crate::lock::SpinLockBh::new($inner, kernel::c_str!($name), kernel::static_lock_class!())
    };
}
pub use new_spinlock_bh;
