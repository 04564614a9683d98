// SPDX-License-Identifier: GPL-2.0
//! Modules without code that bear names by which programs look for this one.
//!
//! One is in use for as long as there is something that a program of its name would keep in use:
//! see [`Use`]. The first of them has a parameter whose value is kept here.
//!
//! C header: `include/linux/module.h`, `rust/linux/exports.h`

use crate::bindings;
use core::{ptr, slice};
use kernel::prelude::*;
use kernel::sync::atomic::{Acquire, Atomic, Full, Relaxed, Release};
use kernel::sync::{global_lock, GlobalGuard};

/// The place of the first name.
const FIRST: usize = 0;
/// How many names there may be.
pub const MOST: usize = 32;

/// A name: which module bears it now, if any, and how many uses it has.
///
/// # Invariants
///
/// `module` is null or a module that is there, and is null at the latest when its memory goes. Unless
/// `is_going`, `uses` references on it belong to this value.
struct Bearer {
    module: *mut bindings::module,
    uses: usize,
    is_going: bool,
}

// SAFETY: References on modules belong to no task or CPU.
unsafe impl Send for Bearer {}

global_lock! {
    // SAFETY: Only `bearers` takes the lock, once `begin` has initialised it.
    unsafe(uninit) static BEARERS: Mutex<[Bearer; MOST]> = [const { Bearer::none() }; MOST];
}

/// How far [`begin`] has come: 0, [`BEGINNING`] or [`BEGUN`].
static STAGE: Atomic<u32> = Atomic::new(0);
const BEGINNING: u32 = 1;
const BEGUN: u32 = 2;

/// Lets names be used and borne.
///
/// # Errors
///
/// `EBUSY` at the second call.
pub(crate) fn begin() -> Result {
    STAGE.cmpxchg(0, BEGINNING, Full).map_err(|_| EBUSY)?;
    // SAFETY: The exchange succeeded once, here.
    unsafe { BEARERS.init() };
    STAGE.store(BEGUN, Release);
    Ok(())
}

/// Returns all names, locked; none before [`begin`].
fn bearers() -> Option<GlobalGuard<BEARERS>> {
    (STAGE.load(Acquire) == BEGUN).then(|| BEARERS.lock())
}

/// Does something with the name at a place, if there is that place.
fn with(place: usize, act: impl FnOnce(&mut Bearer)) {
    if let Some(mut all) = bearers() {
        all.get_mut(place).map(act);
    }
}

impl Bearer {
    const fn none() -> Self {
        // INVARIANT: There is no module.
        Self {
            module: ptr::null_mut(),
            uses: 0,
            is_going: false,
        }
    }

    /// Takes a reference on the module, unless it is on its way out.
    fn take(&mut self) {
        if self.module.is_null() || self.is_going {
            return;
        }
        // INVARIANT: None belongs to this value if it is on its way out: one would have kept it.
        // SAFETY: By the type invariant the module is there.
        self.is_going = !unsafe { bindings::try_module_get(self.module) };
    }

    /// Gives a reference on the module back.
    fn give(&mut self) {
        if !self.module.is_null() && !self.is_going {
            // SAFETY: By the type invariant a reference is given back that was taken.
            unsafe { bindings::module_put(self.module) };
        }
    }
}

/// Something for whose sake a name is in use.
///
/// # Invariants
///
/// It is counted in the uses of the name at its place.
pub struct Use(usize);

impl Use {
    /// Counts a use of the name at a place below [`MOST`]; above, none is counted.
    ///
    /// # Locking
    ///
    /// Process context; sleeps. The same goes for the drop. Types do not hold this: see
    /// [`read`](crate::rcu::read).
    pub fn of(place: usize) -> Self {
        with(place, |bearer| {
            bearer.uses = bearer.uses.saturating_add(1);
            bearer.take();
        });
        // INVARIANT: It was just counted.
        Self(place)
    }

    /// Leaves the use counted, for [`Use::kept`].
    pub(crate) fn keep(self) {
        core::mem::forget(self);
    }

    /// Returns a use that was kept.
    ///
    /// # Safety
    ///
    /// [`Use::keep`] was called for the place once more than this.
    pub(crate) unsafe fn kept(place: usize) -> Self {
        // INVARIANT: It is counted since `keep`.
        Self(place)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        with(self.0, |bearer| {
            bearer.uses = bearer.uses.saturating_sub(1);
            bearer.give();
        });
    }
}

/// A module that bears the name at a place has been loaded.
///
/// # Safety
///
/// `module` is loaded, and stays so during the call; [`went`] is called before its memory goes.
pub(crate) unsafe fn came<N: Names>(place: usize, module: *mut bindings::module) {
    with(place, |bearer| {
        // INVARIANT: It is there, and the references follow.
        (bearer.module, bearer.is_going) = (module, false);
        for _ in 0..bearer.uses {
            bearer.take();
        }
    });
    if N::is_part(place) {
        Use::of(FIRST).keep();
    }
    if place == FIRST {
        N::parameter_given();
    }
}

/// The module that bears the name at a place, if it does, goes, and its references with it.
pub(crate) fn went<N: Names>(place: usize, module: *mut bindings::module) {
    let mut came = false;
    with(place, |bearer| {
        came = bearer.module == module;
        if came {
            // INVARIANT: There is no module.
            bearer.module = ptr::null_mut();
        }
    });
    if came && N::is_part(place) {
        // SAFETY: `came` kept a use for the module that goes.
        drop(unsafe { Use::kept(FIRST) });
    }
    // Also if it came half way.
    if place == FIRST {
        N::parameter_gone();
    }
}

/// Returns whether a module that wants to come in may: of the first name, only our own.
///
/// # Safety
///
/// `module` is being loaded, and stays during the call.
pub(crate) unsafe fn may_come<N: Names>(place: usize, module: *mut bindings::module) -> bool {
    // SAFETY: The caller vouches for the module.
    let ours = place != FIRST || unsafe { has_parameter(module) };
    if !ours {
        N::refused();
    }
    ours
}

/// Returns whether the value of one of a module's parameters is kept here.
///
/// # Safety
///
/// `module` is being loaded, and stays during the call.
unsafe fn has_parameter(module: *mut bindings::module) -> bool {
    // SAFETY: The module is there.
    let module = unsafe { &*module };
    if module.kp.is_null() {
        return false;
    }
    // SAFETY: A module's parameters are an array, which stays as long as the module.
    let all = unsafe { slice::from_raw_parts(module.kp, module.num_kp as usize) };
    all.iter().any(|one| {
        // SAFETY: Each of the union's members is a pointer.
        let value = unsafe { one.__bindgen_anon_1.arg };
        value == parameter().as_ptr().cast()
    })
}

/// The parameter of the module that bears the first name.
fn parameter() -> &'static Atomic<i32> {
    let value = &raw mut bindings::rvs_conn_tab_bits;
    // SAFETY: It is there as long as this module; the kernel reads and writes it as a whole.
    unsafe { Atomic::from_ptr(value) }
}

/// Returns the parameter.
pub fn conn_tab_bits() -> i32 {
    parameter().load(Relaxed)
}

/// Lets users see another value of the parameter.
pub fn show_conn_tab_bits(bits: i32) {
    parameter().store(bits, Relaxed);
}

/// The parameter's value until a user gives one.
pub const CONN_TAB_BITS: i32 = bindings::RVS_CONN_TAB_BITS as i32;

/// Names that modules of our own bear. Another module of the first name has to stay out.
pub trait Names: 'static {
    /// Returns the place of a module's name, if it is one of them. The first is 0.
    fn place(name: &[u8]) -> Option<usize>;

    /// Returns whether the module that bears the name at a place keeps the first name in use.
    fn is_part(place: usize) -> bool;

    /// Another module of the first name wanted to come in and was refused.
    ///
    /// # Locking
    ///
    /// Process context; no module may be loaded or unloaded from here. The same goes for the others.
    fn refused();

    /// Our own module of the first name came, and the parameter is set.
    fn parameter_given();

    /// Our own module of the first name is about to go.
    fn parameter_gone();
}
