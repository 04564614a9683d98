// SPDX-License-Identifier: GPL-2.0
//! Gives every input of a corpus to its target: `replay FOLDER`.
//!
//! The inputs of a target are in the folder of its name. Prints how many there are, and how many of
//! them do not pass.

use ipvs_fuzz::{Target, TARGETS};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Returns how many inputs a target has, and how many of them it does not pass.
fn replay(target: &Target, folder: &Path) -> (usize, usize) {
    let paths = inputs(folder);
    let fails = |path: &&PathBuf| {
        let bytes = std::fs::read(path).expect("a file of the corpus");
        let is_wrong = catch_unwind(|| (target.run)(&bytes)).is_err();
        if is_wrong {
            eprintln!("{}: {}", target.name, path.display());
        }
        is_wrong
    };
    (paths.len(), paths.iter().filter(fails).count())
}

fn main() -> ExitCode {
    let corpus = std::env::args().nth(1).expect("the folder of the corpus");
    let mut is_good = true;
    for target in TARGETS {
        let (count, wrong) = replay(target, &Path::new(&corpus).join(target.name));
        println!("{} {count} {wrong}", target.name);
        is_good &= count > 0 && wrong == 0;
    }
    match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
