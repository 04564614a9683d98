// SPDX-License-Identifier: GPL-2.0
//! How much memory the machine has, and has left.
//!
//! C header: `include/linux/mm.h`, `include/linux/swap.h`

use crate::bindings;

/// Returns how many pages the kernel could give to buffers when it started.
pub fn buffer_pages() -> usize {
    // SAFETY: May be called anywhere.
    unsafe { bindings::nr_free_buffer_pages() }
}

/// Returns how many pages are free or hold nothing but buffers now.
pub fn free_pages() -> usize {
    let figures = figures();
    figures.freeram.saturating_add(figures.bufferram)
}

/// Returns how many bytes of memory the machine has.
pub fn total_bytes() -> u64 {
    let figures = figures();
    // CAST: `usize` has 64 bits or less.
    (figures.totalram as u64).saturating_mul(u64::from(figures.mem_unit))
}

fn figures() -> bindings::sysinfo {
    let mut figures = bindings::sysinfo::default();
    // SAFETY: The structure is this function's own.
    unsafe { bindings::si_meminfo(&mut figures) };
    figures
}
