// SPDX-License-Identifier: GPL-2.0
//! The schedulers with a table, read from the specification.

use super::models::{gcd, Event, Model};
use super::server::{List, Server};
use ipvs::addr::{Addr, Endpoint, Family};
use ipvs::flow::Flow;
use ipvs::sched::Options;

/// Names of servers.
pub type Slots = Vec<Option<u32>>;

pub fn fold(family: Family, addr: Addr) -> u32 {
    let bytes = addr.octets();
    let word = |at| u32::from_be_bytes(*bytes[at..].first_chunk().unwrap());
    match family {
        Family::V4 => word(0),
        Family::V6 => word(0) ^ word(4) ^ word(8) ^ word(12),
    }
}

/// 5.10.
pub fn hash32(value: u32, bits: u32) -> usize {
    let product = u64::from(value) * 0x61C8_8647 % (1 << 32);
    usize::try_from(product >> (32 - bits)).unwrap()
}

fn port(flow: &Flow, options: Options) -> u32 {
    if options.port {
        u32::from(flow.source.port.host())
    } else {
        0
    }
}

/// The server at a place, if it is still there.
fn usable(list: &List, name: u32) -> Option<u32> {
    list.iter()
        .any(|server| server.name == name && server.takes())
        .then_some(name)
}

/// The server in the first slot if usable, or else in the first of the others, up to an empty one.
fn search(
    list: &List,
    slots: &Slots,
    first: usize,
    others: impl Iterator<Item = usize>,
) -> Option<u32> {
    for place in std::iter::once(first).chain(others) {
        let name = (*slots.get(place)?)?;
        if usable(list, name).is_some() {
            return Some(name);
        }
    }
    None
}

/// 5.10.
#[derive(Default)]
pub struct Dh {
    slots: Slots,
}

impl Model for Dh {
    fn changed(&mut self, event: &Event<'_>, list: &List) {
        if !matches!(event, Event::Edited) {
            let name = |place: usize| {
                list.get(place % list.len().max(1))
                    .map(|server| server.name)
            };
            self.slots = (0..256).map(name).collect();
        }
    }

    fn pick(&mut self, list: &List, flow: &Flow) -> Option<u32> {
        let place = hash32(fold(flow.family(), flow.dest.addr), 8);
        search(list, &self.slots, place, std::iter::empty())
    }
}

/// 5.11.
pub struct Sh {
    slots: Slots,
    options: Options,
}

impl Sh {
    pub fn new(options: Options) -> Sh {
        Sh {
            slots: Slots::new(),
            options,
        }
    }
}

impl Model for Sh {
    fn changed(&mut self, _event: &Event<'_>, list: &List) {
        self.slots.clear();
        while !list.is_empty() && self.slots.len() < 256 {
            for server in list {
                let times = usize::try_from(server.weight.clamp(1, 256)).unwrap();
                self.slots
                    .extend(std::iter::repeat_n(Some(server.name), times));
            }
        }
        self.slots.resize(256, None);
    }

    fn pick(&mut self, list: &List, flow: &Flow) -> Option<u32> {
        let key = port(flow, self.options).wrapping_add(fold(flow.family(), flow.source.addr));
        let hash = hash32(key, 8);
        let others = (0..256).map(|offset| ((offset + hash) % 256 + hash) & 255);
        let tries = if self.options.fallback { 256 } else { 0 };
        search(list, &self.slots, hash, others.take(tries))
    }
}

/// Slots in mh's table.
pub const SLOTS: usize = 4093;
const KEY1: u64 = 2_654_435_761;
const KEY2: u64 = 2_654_446_892;

/// SipHash-1-3 of four bytes, the low half: the paper's algorithm, spelled out.
pub fn hsiphash(value: u32, key: u64) -> u32 {
    let mut v = [
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573,
    ];
    // C hashes the bytes in memory; SipHash reads them as little-endian.
    let block = 4 << 56 | u64::from(u32::from_le_bytes(value.to_ne_bytes()));
    v[3] ^= block;
    sip_round(&mut v);
    v[0] ^= block;
    v[2] ^= 0xff;
    for _ in 0..3 {
        sip_round(&mut v);
    }
    u32::try_from((v[0] ^ v[1] ^ v[2] ^ v[3]) & 0xffff_ffff).unwrap()
}

fn sip_round(v: &mut [u64; 4]) {
    let mut half = |a: usize, b: usize, by: u32| {
        v[a] = v[a].wrapping_add(v[b]);
        v[b] = v[b].rotate_left(by) ^ v[a];
    };
    half(0, 1, 13);
    half(2, 3, 16);
    v[0] = v[0].rotate_left(32);
    let mut half = |a: usize, b: usize, by: u32| {
        v[a] = v[a].wrapping_add(v[b]);
        v[b] = v[b].rotate_left(by) ^ v[a];
    };
    half(0, 3, 21);
    half(2, 1, 17);
    v[2] = v[2].rotate_left(32);
}

fn mh_hash(folded: u32, port: u32, key: u64, offset: u32) -> usize {
    let value = offset.wrapping_add(port).wrapping_add(folded);
    usize::try_from(hsiphash(value, key)).unwrap()
}

/// Offset and skip.
pub fn permutation(family: Family, endpoint: Endpoint) -> (usize, usize) {
    let (folded, port) = (fold(family, endpoint.addr), u32::from(endpoint.port.host()));
    let skip = mh_hash(folded, port, KEY2, 0) % (SLOTS - 1) + 1;
    (mh_hash(folded, port, KEY1, 0) % SLOTS, skip)
}

/// How many places each takes in a row.
pub fn turns(list: &List) -> Vec<u32> {
    let weights = || list.iter().map(|server| server.last_weight);
    let divisor = weights().fold(0, |all, weight| gcd(i64::from(weight), all));
    let divisor = u32::try_from(divisor).unwrap().max(1);
    let greatest = weights().max().unwrap_or(0) / divisor;
    let bits = 32 - greatest.leading_zeros();
    let shift = bits.saturating_sub(6);
    let turns = |weight: u32| (weight / divisor >> shift).max(weight.min(1));
    weights().map(turns).collect()
}

/// 5.12: every slot is asked for.
pub fn slots(family: Family, list: &List) -> Slots {
    let mut slots = vec![None; SLOTS];
    let turns = turns(list);
    let way = |server: &Server| permutation(family, server.endpoint);
    let mut walks: Vec<_> = list.iter().map(way).collect();
    let mut free = if turns.iter().any(|turns| *turns > 0) {
        SLOTS
    } else {
        0
    };
    while free > 0 {
        for (at, server) in list.iter().enumerate() {
            let (cursor, skip) = &mut walks[at];
            for _ in 0..turns[at].min(u32::try_from(free).unwrap()) {
                while slots[*cursor].is_some() {
                    *cursor = (*cursor + *skip) % SLOTS;
                }
                slots[*cursor] = Some(server.name);
                free -= 1;
            }
        }
    }
    slots
}

/// 5.12.
pub struct Mh {
    slots: Slots,
    family: Family,
    options: Options,
}

impl Mh {
    pub fn new(family: Family, options: Options) -> Mh {
        Mh {
            slots: Slots::new(),
            family,
            options,
        }
    }
}

impl Model for Mh {
    fn changed(&mut self, _event: &Event<'_>, list: &List) {
        self.slots = slots(self.family, list);
    }

    fn pick(&mut self, list: &List, flow: &Flow) -> Option<u32> {
        let (folded, port) = (
            fold(flow.family(), flow.source.addr),
            port(flow, self.options),
        );
        let place =
            |offset: usize| mh_hash(folded, port, KEY1, u32::try_from(offset).unwrap()) % SLOTS;
        let first = place(0);
        let others = (0..SLOTS).map(|offset| place((offset + first) % SLOTS));
        let tries = if self.options.fallback { SLOTS } else { 0 };
        search(list, &self.slots, first, others.take(tries))
    }
}
