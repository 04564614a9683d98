// SPDX-License-Identifier: GPL-2.0
//! A vector that grows.

#[kernel::prelude::kunit_tests(rvs_grow)]
mod tests {
    use crate::grow;
    use kernel::prelude::*;

    #[test]
    fn elements_keep_their_order() -> Result {
        let mut list = KVVec::new();
        for number in 0..1_000_u32 {
            grow::push(&mut list, number)?;
        }
        assert_eq!(list.len(), 1_000);
        assert!(list.iter().copied().eq(0..1_000));
        Ok(())
    }
}
