// SPDX-License-Identifier: GPL-2.0
//! Persistence engines: how far one looks.

use ipvs::pe::{Engine, MOST};

#[test]
fn nothing_is_found_behind_a_datagram() {
    let message = b"\ni:ab\n";
    for engine in Engine::ALL {
        for (begin, is_seen) in [(MOST - 6, true), (MOST - 5, false)] {
            let mut text = vec![b'x'; begin];
            text.extend_from_slice(message);
            assert_eq!(engine.find(&text), is_seen.then_some(&b"ab"[..]));
        }
    }
}
