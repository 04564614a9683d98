// SPDX-License-Identifier: GPL-2.0
//! Appending to a vector that grows: fallible, and without a way to panic.

use kernel::prelude::*;

/// The room of a vector that got its first element.
const FIRST: usize = 8;

/// Appends `value`, doubling the room when there is none.
///
/// # Errors
///
/// `ENOMEM`; the vector is as it was then.
///
/// # Locking
///
/// Process context; sleeps.
pub(crate) fn push<T>(list: &mut KVVec<T>, value: T) -> Result {
    if list.len() >= list.capacity() {
        let room = list.len().saturating_mul(2).max(FIRST);
        let mut larger = KVVec::with_capacity(room, GFP_KERNEL)?;
        for element in list.drain_all() {
            larger
                .push_within_capacity(element)
                .map_err(|_full| ENOMEM)?;
        }
        *list = larger;
    }
    list.push_within_capacity(value).map_err(|_full| ENOMEM)
}
