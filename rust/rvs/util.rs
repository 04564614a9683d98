// SPDX-License-Identifier: GPL-2.0
//! What the module's parts share: containers that the kernel crate does not have, and one refusal.

pub(crate) mod hash_index;
pub(crate) mod vec_ext;

use ipvs::refusal::Refusal;
use kernel::error::Error;

/// Returns the refusal for what can only fail for lack of memory.
pub(crate) fn out_of_memory(_error: Error) -> Refusal {
    Refusal::Memory
}
