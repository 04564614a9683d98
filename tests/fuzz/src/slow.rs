// SPDX-License-Identifier: GPL-2.0
//! References: slow, written from the standards and from tables, and sharing no code with what they
//! judge.

pub mod edit;
pub mod headers;
pub mod icmp;
pub mod machine;
pub mod messages;
pub mod plan;
pub mod rows;
pub mod sum;

/// Returns the words of a table, row by row, without its comments.
fn table(text: &'static str) -> Vec<Vec<&'static str>> {
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.split_whitespace().collect()).collect()
}
