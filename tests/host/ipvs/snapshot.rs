// SPDX-License-Identifier: GPL-2.0
//! Compares text with a stored file; `UPDATE_SNAPSHOTS=1` stores it instead.

use std::path::Path;

/// Fails with the first line that differs from `snapshots/NAME`.
pub fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("snapshots")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    for (number, (stored, found)) in stored.lines().zip(text.lines()).enumerate() {
        assert_eq!(stored, found, "{name}:{}", number + 1);
    }
    assert_eq!(stored, text, "{name}: length");
}
