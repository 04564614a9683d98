// SPDX-License-Identifier: GPL-2.0
//! What becomes of a packet, as a table of words: see `plan.txt`.

use super::table;
use std::sync::LazyLock;

/// Returns what the first row says that holds.
pub fn decide(kind: &str, facts: [&str; 4]) -> &'static str {
    static TABLE: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| table(include_str!("plan.txt")));
    let holds = |row: &&Vec<&str>| {
        let mut cells = row.iter().skip(1).zip(facts);
        row.first() == Some(&kind) && cells.all(|(cell, fact)| *cell == "-" || *cell == fact)
    };
    let row = TABLE.iter().find(holds).expect("a row for every packet");
    row.last().expect("its answer")
}
