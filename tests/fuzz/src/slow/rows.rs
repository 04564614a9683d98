// SPDX-License-Identifier: GPL-2.0
//! The forwarding methods as a table of words: see `rows.txt`.

use super::table;
use ipvs::xmit::Method;
use std::sync::LazyLock;

/// What the table says of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub way: &'static str,
    pub local: &'static str,
    pub rewrites: bool,
    pub sees_replies: bool,
    pub has_reply_key: bool,
}

/// Returns the row of a method.
pub fn of(method: Method) -> &'static Words {
    static TABLE: LazyLock<Vec<Words>> = LazyLock::new(|| {
        let rows = table(include_str!("rows.txt")).into_iter().enumerate();
        rows.map(|(number, row)| words(number, &row)).collect()
    });
    &TABLE[method.number() as usize]
}

fn words(place: usize, row: &[&'static str]) -> Words {
    let [number, way, local, rewrites, replies, key] = *row else {
        panic!("the row {row:?}");
    };
    assert_eq!(number, place.to_string());
    Words {
        way,
        local,
        rewrites: rewrites == "rewrites",
        sees_replies: replies == "replies",
        has_reply_key: key == "key",
    }
}
