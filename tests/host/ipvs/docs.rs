// SPDX-License-Identifier: GPL-2.0
//! Tables of the documents hold what the source has, no more and no less.

use ipvs::refusal::{Errno, Refusal};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const CONTROL: &str = include_str!("../../../docs/control.md");
const DROPS: &str = include_str!("../../../docs/drops.md");
const DROPS_SOURCE: &str = include_str!("../../../rust/rvs/drops.rs");
const SYSCTL_SOURCE: &str = include_str!("../../../rust/rvs/config.rs");

/// Returns the cells of the table under a heading, without its two head lines.
fn table<'a>(document: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, rest) = document.split_once(heading).expect("the heading is there");
    let rows = rest
        .lines()
        .skip(1)
        .skip_while(|line| !line.starts_with('|'));
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
    rows.take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(cells)
        .collect()
}

/// Returns the strings of a source file in front of whose quote one of the beginnings is, in their order.
fn strings<'a>(source: &'a str, beginnings: &[&str]) -> Vec<&'a str> {
    let pieces: Vec<&str> = source.split('"').collect();
    let found = |pair: &[&'a str]| {
        beginnings
            .iter()
            .any(|one| pair[0].ends_with(one))
            .then_some(pair[1])
    };
    pieces.windows(2).filter_map(found).collect()
}

const fn errno_name(errno: Errno) -> &'static str {
    match errno {
        Errno::NoEntry => "ENOENT",
        Errno::NoService => "ESRCH",
        Errno::NoMemory => "ENOMEM",
        Errno::Fault => "EFAULT",
        Errno::Exists => "EEXIST",
        Errno::NoDevice => "ENODEV",
        Errno::Invalid => "EINVAL",
        Errno::Range => "ERANGE",
        Errno::NoModule => "ENOPROTOOPT",
        Errno::Unsupported => "EOPNOTSUPP",
        Errno::Family => "EAFNOSUPPORT",
    }
}

#[test]
fn every_refusal_is_documented_with_its_errno() {
    let documented: BTreeSet<String> = table(CONTROL, "### Refusals\n")
        .iter()
        .map(|row| row[..2].join(" "))
        .collect();
    let refusals: BTreeSet<String> = Refusal::ALL
        .iter()
        .map(|refusal| {
            let sentence = refusal.sentence().to_str().expect("plain text");
            format!("`{}` {sentence}", errno_name(refusal.errno()))
        })
        .collect();
    assert_eq!(documented, refusals);
}

#[test]
fn every_sysctl_is_documented_in_order() {
    let documented: Vec<String> = table(CONTROL, "## Sysctls\n")
        .iter()
        .map(|row| row[0].to_string())
        .collect();
    let (_, rows) = SYSCTL_SOURCE
        .split_once("\nsettings! {\n")
        .expect("there is a table");
    let (rows, _) = rows.split_once("\n}\n").expect("the table ends");
    let files: Vec<String> = rows
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(": "))
        .filter(|(name, _)| {
            name.chars()
                .all(|letter| letter == '_' || letter.is_lowercase())
        })
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    assert!(files.len() > 30, "{files:?}");
    assert_eq!(documented, files);
}

#[test]
fn every_drop_reason_has_its_section_in_order() {
    let sections: Vec<&str> = DROPS
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let reasons = strings(DROPS_SOURCE, &["=> "]);
    assert!(reasons.len() > 10, "{reasons:?}");
    assert!(
        reasons.iter().all(|name| name.len() <= 16),
        "longer than the column: {reasons:?}"
    );
    assert_eq!(sections, reasons);
}

#[test]
fn every_drop_reason_says_what_to_look_at_and_what_to_set() {
    for section in DROPS.split("\n## ").skip(1) {
        let has = |start: &str| section.lines().any(|line| line.starts_with(start));
        let (name, _) = section.split_once('\n').expect("a section has lines");
        assert!(has("* Look at:"), "{name}");
        assert!(has("* Setting:") || has("* Settings:"), "{name}");
    }
}

/// Returns the pages below a folder.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it is a folder");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let below = paths.map(|path| match path.is_dir() {
        true => pages(&path),
        false => vec![path],
    });
    let all = below.flatten();
    all.filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect()
}

/// Returns the files that a page links to.
fn links(page: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(page).expect("it is text");
    let folder = page.parent().expect("it is in a folder");
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let files = targets.map(|target| target.split('#').next().unwrap_or(target));
    files
        .filter(|file| !file.is_empty() && !file.contains("://"))
        .map(|file| folder.join(file))
        .collect()
}

#[test]
fn every_page_is_one_click_from_the_readme_and_no_link_is_broken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let readme = root.join("README.md");
    let mut all = pages(&root.join("docs"));
    assert!(all.len() > 10, "{all:?}");
    let linked: Vec<PathBuf> = links(&readme)
        .iter()
        .flat_map(|link| link.canonicalize())
        .collect();
    for page in &all {
        let page = page.canonicalize().expect("it is there");
        assert!(
            linked.contains(&page),
            "README.md does not link {}",
            page.display()
        );
    }
    all.push(readme);
    for page in &all {
        for link in links(page) {
            assert!(link.exists(), "{}: {}", page.display(), link.display());
        }
    }
}
