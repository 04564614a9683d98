// SPDX-License-Identifier: GPL-2.0
//! Counts, as a plugin of QEMU's translator, how often each instruction of the guest's kernel is executed, and how many of
//! user space are.
//!
//! The guest decides what is counted: it executes a no-operation with a magic displacement (`nopl MARK+n(%rax)`; n is
//! 1: begin, 2: pause, 3: write the counts to a file of the plugin's `out=` folder and start again from zero). Counting
//! costs one addition per translated block, made by the translated code itself.
//!
//! The declarations repeat `qemu-plugin.h` of QEMU 10 (plugin API version 4), which Debian does not package.

use std::collections::hash_map::{Entry, HashMap};
use std::ffi::{c_char, c_int, c_uint, c_void, CStr};
use std::io::Write;
use std::sync::Mutex;

const API_VERSION: c_int = 4;
const ADD_U64: c_int = 0;
const NO_REGISTERS: c_int = 0;
const BLOCKS: usize = 1 << 20;
const KERNEL: u64 = 1 << 63;
const MARK: [u8; 6] = [0x0f, 0x1f, 0x80, 0x73, 0x76, 0x72];
const MARK_SIZE: usize = 7;

/// One counter of a scoreboard, which has a copy of each for every CPU.
#[repr(C)]
#[derive(Clone, Copy)]
struct Counter {
    board: *mut c_void,
    offset: usize,
}

extern "C" {
    fn qemu_plugin_scoreboard_new(size: usize) -> *mut c_void;
    fn qemu_plugin_u64_sum(counter: Counter) -> u64;
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, call: extern "C" fn(u64, *mut c_void));
    fn qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block: *mut c_void, operation: c_int, counter: Counter, value: u64);
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut c_void,
        call: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(block: *const c_void) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const c_void, index: usize) -> *mut c_void;
    fn qemu_plugin_insn_vaddr(instruction: *const c_void) -> u64;
    fn qemu_plugin_insn_size(instruction: *const c_void) -> usize;
    fn qemu_plugin_insn_data(instruction: *const c_void, to: *mut c_void, length: usize) -> usize;
}

/// What has been translated and counted so far.
struct State {
    board: usize,
    numbers: HashMap<Vec<u64>, usize>,
    blocks: Vec<Vec<u64>>,
    begun: Vec<u64>,
    counted: Vec<u64>,
    folder: String,
    files: u32,
}

impl State {
    fn counter(&self, number: usize) -> Counter {
        Counter { board: self.board as *mut c_void, offset: number * 8 }
    }

    /// Returns how often each block has run since the machine started.
    fn totals(&self) -> Vec<u64> {
        // SAFETY: The scoreboard is never freed, and every number is below `BLOCKS`, its length.
        (0..self.blocks.len()).map(|number| unsafe { qemu_plugin_u64_sum(self.counter(number)) }).collect()
    }

    /// Returns the number of a block of instructions; all of user space is block 0, which counts instructions.
    fn number(&mut self, addresses: Vec<u64>) -> usize {
        if addresses.first().is_none_or(|address| address & KERNEL == 0) || self.blocks.len() == BLOCKS {
            return 0;
        }
        match self.numbers.entry(addresses) {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(free) => {
                self.blocks.push(free.key().clone());
                *free.insert(self.blocks.len() - 1)
            }
        }
    }

    fn pause(&mut self) {
        let totals = self.totals();
        self.counted.resize(totals.len(), 0);
        for (number, total) in totals.iter().enumerate() {
            self.counted[number] += total - self.begun.get(number).unwrap_or(&0);
        }
    }

    /// Writes `ADDRESS COUNT` of every instruction that was counted; user space has address 0.
    fn write(&mut self) -> std::io::Result<()> {
        let user_space = self.counted.first().copied().unwrap_or(0);
        let mut counts: HashMap<u64, u64> = HashMap::from([(0, user_space)]);
        for (block, count) in self.blocks.iter().zip(&self.counted) {
            for address in block {
                *counts.entry(*address).or_default() += count;
            }
        }
        let mut file = std::fs::File::create(format!("{}/counts.{}", self.folder, self.files))?;
        for (address, count) in counts.iter().filter(|(_, count)| **count > 0) {
            writeln!(file, "{address:x} {count}")?;
        }
        self.files += 1;
        self.counted.clear();
        Ok(())
    }
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

/// Returns the number of a mark, if an instruction is one.
fn mark(instruction: *const c_void) -> Option<usize> {
    let mut bytes = [0u8; MARK_SIZE];
    // SAFETY: QEMU lends the instruction for the time of the call.
    if unsafe { qemu_plugin_insn_size(instruction) } != MARK_SIZE {
        return None;
    }
    // SAFETY: As above; QEMU writes at most the `MARK_SIZE` bytes that are there.
    unsafe { qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), MARK_SIZE) };
    // The displacement is little endian: its lowest byte, which holds the number, comes first.
    (bytes[..3] == MARK[..3] && bytes[4..] == MARK[3..]).then_some(usize::from(bytes[3]))
}

extern "C" fn translated(_: u64, block: *mut c_void) {
    // SAFETY: QEMU lends the block for the time of the call, here and below.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    let mut addresses = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: `index` is below the number of instructions.
        let instruction = unsafe { qemu_plugin_tb_get_insn(block, index) };
        // SAFETY: The instruction is part of the block.
        addresses.push(unsafe { qemu_plugin_insn_vaddr(instruction) });
        if let Some(number) = mark(instruction) {
            // SAFETY: As above; `marked` takes any number.
            unsafe { qemu_plugin_register_vcpu_insn_exec_cb(instruction, marked, NO_REGISTERS, number as *mut c_void) };
        }
    }
    if let Some(state) = STATE.lock().unwrap().as_mut() {
        let number = state.number(addresses);
        let added = if number == 0 { count as u64 } else { 1 };
        let counter = state.counter(number);
        // SAFETY: The counter is inside the scoreboard.
        unsafe { qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, ADD_U64, counter, added) };
    }
}

extern "C" fn marked(_: c_uint, number: *mut c_void) {
    if let Some(state) = STATE.lock().unwrap().as_mut() {
        match number as usize {
            1 => state.begun = state.totals(),
            2 => state.pause(),
            _ => state.write().expect("the counts cannot be written"),
        }
    }
}

/// The version of the plugin interface that is spoken here.
#[no_mangle]
pub static qemu_plugin_version: c_int = API_VERSION;

/// Is called by QEMU when it loads the plugin.
///
/// # Safety
///
/// `words` are `count` valid strings.
#[no_mangle]
pub unsafe extern "C" fn qemu_plugin_install(id: u64, _: *const c_void, count: c_int, words: *const *const c_char) -> c_int {
    let mut folder = String::new();
    for index in 0..count as usize {
        // SAFETY: By the caller's promise.
        let word = unsafe { CStr::from_ptr(*words.add(index)) }.to_string_lossy();
        if let Some(path) = word.strip_prefix("out=") {
            folder = path.into();
        }
    }
    // SAFETY: Called once, while QEMU starts; the callback lives as long as QEMU.
    let board = unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_scoreboard_new(BLOCKS * 8)
    };
    *STATE.lock().unwrap() = Some(State {
        board: board as usize,
        numbers: HashMap::new(),
        blocks: vec![Vec::new()],
        begun: Vec::new(),
        counted: Vec::new(),
        folder,
        files: 0,
    });
    0
}
