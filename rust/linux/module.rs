// SPDX-License-Identifier: GPL-2.0
//! References that keep a module loaded, and which others are.
//!
//! C header: `include/linux/module.h`

use crate::bindings;
use kernel::prelude::*;
use kernel::str::CStr;

/// A reference that keeps this module loaded; unloading is refused while one exists.
///
/// Drop it where the user sees the thing end that needs it, not in a deferred drop: unloading right
/// after must succeed.
///
/// # Invariants
///
/// One reference of the module belongs to this value.
pub struct ModuleRef(*mut bindings::module);

// SAFETY: The reference belongs to no task or CPU.
unsafe impl Send for ModuleRef {}
// SAFETY: As above; a shared `ModuleRef` offers nothing.
unsafe impl Sync for ModuleRef {}

impl ModuleRef {
    /// Takes a reference, unless the module is being unloaded.
    pub fn get(module: &'static ThisModule) -> Option<Self> {
        let module = module.as_ptr().cast();
        // SAFETY: `module` is the module this code is part of.
        let taken = unsafe { bindings::try_module_get(module) };
        // INVARIANT: The reference taken belongs to the new value.
        taken.then_some(Self(module))
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant a reference is given back that was taken.
        unsafe { bindings::module_put(self.0) };
    }
}

/// Returns whether a module of this name is loaded or built in, whatever its state.
pub fn is_loaded(name: &CStr, this: &'static ThisModule) -> bool {
    let this = this.as_ptr().cast::<bindings::module>();
    // SAFETY: `this` is the module this code is part of; it is listed with all others.
    let all = unsafe { (*this).mkobj.kobj.kset };
    let name = name.to_bytes_with_nul().as_ptr().cast();
    // SAFETY: The list of modules is never freed; the name ends with a zero byte.
    let found = unsafe { bindings::kset_find_obj(all, name) };
    if found.is_null() {
        return false;
    }
    // SAFETY: Finding it took a reference.
    unsafe { bindings::kobject_put(found) };
    true
}
