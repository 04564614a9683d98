// SPDX-License-Identifier: GPL-2.0
//! References: slow, written from the standards and from tables, and sharing no code with what they
//! judge.

pub mod edit;
pub mod headers;
pub mod icmp;
pub mod machine;
pub mod messages;
pub mod rows;
pub mod sip;
pub mod sum;

use std::sync::LazyLock;

/// Returns what becomes of a packet: see `plan.txt`.
pub fn plan(facts: [&str; 5]) -> &'static str {
    static TABLE: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| table(include_str!("slow/plan.txt")));
    decide(&TABLE, &facts)
}

/// Returns the words of a table, row by row, without its comments.
fn table(text: &'static str) -> Vec<Vec<&'static str>> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.split_whitespace().collect()).collect()
}

/// Returns what the first row of a table says whose cells all hold; a dash is any.
fn decide(table: &[Vec<&'static str>], facts: &[&str]) -> &'static str {
    let holds = |row: &&Vec<&str>| {
        let mut cells = row.iter().zip(facts);
        row.len() == facts.len() + 1 && cells.all(|(cell, fact)| *cell == "-" || cell == fact)
    };
    let row = table.iter().find(holds).expect("a row for everything");
    row.last().expect("an answer")
}
