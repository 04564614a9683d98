// SPDX-License-Identifier: GPL-2.0
//! Sums against the definition of RFC 1071, and incremental updates against whole sums.

use ipvs::addr::{ipv4, ipv6, Protocol};
use ipvs::packet::checksum::{pseudo_header, replaced, replaced_partial, Sum};
use ipvs::packet::udp::never_zero;
use proptest::prelude::*;

/// The definition: big-endian words added with end-around carry.
fn defined(bytes: &[u8]) -> u16 {
    let mut sum: u64 = 0;
    for word in bytes.chunks(2) {
        sum += u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Returns a folded sum as the number that the definition gives.
fn number(sum: Sum) -> u16 {
    u16::from_be_bytes(sum.partial())
}

/// Returns whether two sums are the same number of one's complement, which has two zeroes.
fn same(one: u16, other: u16) -> bool {
    one % 0xffff == other % 0xffff
}

fn summed(bytes: &[u8]) -> Sum {
    Sum::ZERO.bytes(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn sums_are_those_of_the_definition(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(number(summed(&bytes)), defined(&bytes));
    }

    #[test]
    fn a_sum_can_be_continued(
        front in prop::collection::vec(any::<[u8; 2]>(), 0..40),
        back in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let front = front.concat();
        let whole = [front.clone(), back.clone()].concat();
        prop_assert_eq!(summed(&front).bytes(&back).fold(), summed(&whole).fold());
        prop_assert_eq!(summed(&front).plus(summed(&back)).fold(), summed(&whole).fold());
        let raw = Sum::from_raw(summed(&front).raw());
        prop_assert_eq!(raw.bytes(&back), summed(&front).bytes(&back));
    }

    /// Also from a sum of the kernel's that has any 32 bits.
    #[test]
    fn folding_keeps_the_number(raw in any::<u32>()) {
        let folded = Sum::from_raw(raw).fold();
        prop_assert!(u32::from(folded) % 0xffff == raw % 0xffff);
        prop_assert_eq!(folded == 0, raw == 0);
    }

    /// Fields of two, four, six and sixteen bytes in the middle of others.
    #[test]
    fn updates_equal_new_sums(
        rest in prop::collection::vec(any::<[u8; 2]>(), 1..20),
        (old, new) in prop_oneof![Just(1_usize), Just(2), Just(3), Just(8)].prop_flat_map(|words| {
            let field = || prop::collection::vec(any::<[u8; 2]>(), words);
            (field(), field())
        }),
    ) {
        let (rest, old, new) = (rest.concat(), old.concat(), new.concat());
        let before = summed(&rest).bytes(&old);
        let after = summed(&rest).bytes(&new);
        let field = replaced(before.checksum(), summed(&old), summed(&new));
        prop_assert!(same(!u16::from_be_bytes(field), number(after)));
        // What carries the updated field verifies.
        prop_assert_eq!(after.word(field).fold(), 0xffff);
        let partial = replaced_partial(before.partial(), summed(&old), summed(&new));
        prop_assert!(same(u16::from_be_bytes(partial), number(after)));
    }

    /// RFC 1624: an update never makes the field 0xffff out of data that are not all zero.
    #[test]
    fn an_update_gives_what_a_new_sum_gives(
        rest in prop::collection::vec(any::<[u8; 2]>(), 1..20).prop_filter("not all zero", |rest| {
            rest.iter().any(|word| *word != [0, 0])
        }),
        old in any::<[u8; 6]>(),
        new in any::<[u8; 6]>(),
    ) {
        let rest = rest.concat();
        let field = replaced(summed(&rest).bytes(&old).checksum(), summed(&old), summed(&new));
        prop_assert_eq!(field, summed(&rest).bytes(&new).checksum());
    }

    #[test]
    fn pseudo_headers_are_those_of_the_standards(
        source in any::<[u8; 16]>(),
        dest in any::<[u8; 16]>(),
        protocol in any::<u8>(),
        length in any::<u32>(),
    ) {
        let v6 = pseudo_header(ipv6(source), ipv6(dest), Protocol(protocol), length);
        let tail = [&length.to_be_bytes()[..], &[0, 0, 0, protocol]].concat();
        prop_assert_eq!(number(v6), defined(&[&source[..], &dest[..], &tail].concat()));
        let (source, dest) = ([source[0], source[1], source[2], source[3]], [dest[0], dest[1], dest[2], dest[3]]);
        let v4 = pseudo_header(ipv4(source), ipv4(dest), Protocol(protocol), length);
        prop_assert_eq!(number(v4), defined(&[&source[..], &dest[..], &tail].concat()));
    }

    #[test]
    fn only_zero_is_written_otherwise(field in any::<[u8; 2]>()) {
        let expected = if field == [0, 0] { [0xff, 0xff] } else { field };
        prop_assert_eq!(never_zero(field), expected);
    }
}
