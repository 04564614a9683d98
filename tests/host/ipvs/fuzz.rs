// SPDX-License-Identifier: GPL-2.0
//! The questions of the fuzzers, asked about random bytes: each knows what the right answer is.

use ipvs_fuzz::{Target, TARGETS};
use proptest::prelude::*;
use std::path::Path;

/// The bytes that say what a packet is to be rewritten: its family, what its checksum is, whether it
/// takes a hop; then the ends, the server, the protocol and the rest, all of them random.
fn request(kinds: [u8; 2], takes_hop: bool, rest: &[u8]) -> Vec<u8> {
    let [family, seal] = kinds;
    let off: &[u8] = if seal == 1 { &[0x12, 0x34] } else { &[] };
    let hop = u8::from(takes_hop);
    [&[family, seal], off, &[hop], rest].concat()
}

/// How many bytes of an input are changed: in them is what decides most.
const NEAR: usize = 64;

/// Asks about an input, about all its beginnings, and about all that differ from it in one bit.
fn ask_around(target: &Target, input: &[u8]) {
    for end in 0..=input.len() {
        (target.run)(&input[..end]);
    }
    let mut near = input.to_vec();
    for bit in 0..input.len().min(NEAR) * 8 {
        near[bit / 8] ^= 1 << (bit % 8);
        (target.run)(&near);
        near[bit / 8] = input[bit / 8];
    }
}

/// What the fuzzers found and what is near to it: the other side of every bound.
#[test]
fn inputs_near_those_of_the_corpus_get_right_answers() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for target in TARGETS {
        let inputs =
            std::fs::read_dir(corpus.join(target.name)).expect("a folder for every target");
        for input in inputs {
            let path = input.expect("a file").path();
            let bytes = std::fs::read(&path).expect("a file");
            println!("{}", path.display());
            ask_around(target, &bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_get_right_answers(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for target in TARGETS {
            (target.run)(&bytes);
        }
    }

    /// For every method and family and each kind of checksum: the client gets what it expects.
    #[test]
    fn a_reply_to_a_rewritten_request_is_what_the_client_expects(
        rest in prop::collection::vec(any::<u8>(), 40..300),
        takes_hop in any::<bool>(),
    ) {
        let rewrite = Target::named("rewrite").expect("a target");
        for family in 0..2 {
            for seal in 0..4 {
                (rewrite.run)(&request([family, seal], takes_hop, &rest));
            }
        }
    }
}
