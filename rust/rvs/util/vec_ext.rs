// SPDX-License-Identifier: GPL-2.0
//! What vectors lack: growth and search without a way to panic.

use super::OutOfMemory;
use kernel::prelude::*;

/// The room of a vector that got its first element.
const FIRST: usize = 8;

/// Appends `value`, doubling the room when there is none.
///
/// # Errors
///
/// [`OutOfMemory`]; the vector is as it was then.
///
/// # Locking
///
/// Process context; sleeps.
pub(crate) fn push<T>(list: &mut KVVec<T>, value: T) -> Result<(), OutOfMemory> {
    if list.len() >= list.capacity() {
        let room = list.len().saturating_mul(2).max(FIRST);
        let mut larger = KVVec::with_capacity(room, GFP_KERNEL)?;
        for element in list.drain_all() {
            larger.push_within_capacity(element)?;
        }
        *list = larger;
    }
    Ok(list.push_within_capacity(value)?)
}

/// Returns how many elements `holds` is true of, in a list that has all of these first.
///
/// `slice::partition_point` does the same, but with arithmetic that is checked here and may panic.
pub(crate) fn partition_point<T>(list: &[T], holds: impl Fn(&T) -> bool) -> usize {
    let (mut low, mut high) = (0, list.len());
    while low < high {
        let middle = low.wrapping_add(high.wrapping_sub(low) >> 1);
        if list.get(middle).is_some_and(&holds) {
            low = middle.wrapping_add(1);
        } else {
            high = middle;
        }
    }
    low
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_vec_ext))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn partition_point_is_where_the_condition_does() {
        for len in 0..9_usize {
            assert!(
                (0..9_usize).all(|end| partition_point(numbers(len), |n| *n < end) == end.min(len))
            );
        }
    }

    fn numbers(len: usize) -> &'static [usize] {
        const ALL: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7, 8];
        ALL.get(..len).unwrap_or(&[])
    }
}
