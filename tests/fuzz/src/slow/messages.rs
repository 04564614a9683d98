// SPDX-License-Identifier: GPL-2.0
//! A reader and a writer of requests by the tables of the ABI: which attribute has which number and
//! form (specification 1.1).

use std::collections::HashMap;

/// What the payload of an attribute has to be.
#[derive(Clone, Copy)]
pub enum Form {
    /// A number of so many bytes, which more may follow.
    Number(usize),
    /// At most so many bytes.
    Bytes(usize),
    /// At most so many bytes, and a zero.
    Text(usize),
    /// Nothing, or attributes.
    Nest,
}

use Form::{Bytes, Nest, Number, Text};

/// The attributes of a message: service, server, daemon and three time-outs.
pub const TOP: &[(u16, Form)] = &[
    (1, Nest),
    (2, Nest),
    (3, Nest),
    (4, Number(4)),
    (5, Number(4)),
    (6, Number(4)),
];

/// The attributes of a service: family, protocol, address, port, mark, scheduler, flags with mask,
/// time-out, netmask, statistics, engine.
pub const SERVICE: &[(u16, Form)] = &[
    (1, Number(2)),
    (2, Number(2)),
    (3, Bytes(16)),
    (4, Number(2)),
    (5, Number(4)),
    (6, Text(15)),
    (7, Bytes(8)),
    (8, Number(4)),
    (9, Number(4)),
    (10, Nest),
    (11, Text(16)),
];

/// The attributes of a server: address, port, method, weight, two thresholds, three counts,
/// statistics, family, and of its tunnel kind, port and flags.
pub const DEST: &[(u16, Form)] = &[
    (1, Bytes(16)),
    (2, Number(2)),
    (3, Number(4)),
    (4, Number(4)),
    (5, Number(4)),
    (6, Number(4)),
    (7, Number(4)),
    (8, Number(4)),
    (9, Number(4)),
    (10, Nest),
    (11, Number(2)),
    (13, Number(1)),
    (14, Number(2)),
    (15, Number(2)),
];

/// Attributes by their numbers.
pub type Values = HashMap<u16, Vec<u8>>;

/// Reads attributes, the last of equal ones counting; `None` if one of the table has another form.
///
/// What is behind the first that does not fit its place is not read.
pub fn read(table: &[(u16, Form)], bytes: &[u8]) -> Option<Values> {
    let mut values = Values::new();
    let mut place = 0;
    while place + 4 <= bytes.len() {
        let number = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let (length, kind) = (usize::from(number(place)), number(place + 2) % 0x4000);
        if length < 4 || place + length > bytes.len() {
            break;
        }
        let payload = &bytes[place + 4..place + length];
        if let Some((_, form)) = table.iter().find(|(number, _)| *number == kind) {
            values.insert(kind, form.read(payload)?);
        }
        place += length.div_ceil(4) * 4;
    }
    Some(values)
}

impl Form {
    /// Returns what a payload says.
    fn read(self, payload: &[u8]) -> Option<Vec<u8>> {
        let length = payload.len();
        match self {
            Number(size) => (length >= size).then(|| payload[..size].to_vec()),
            Bytes(most) => {
                let mut bytes = payload.to_vec();
                bytes.resize(most, 0);
                (length <= most).then_some(bytes)
            }
            Text(most) => {
                let text: Vec<_> = payload
                    .iter()
                    .copied()
                    .take_while(|byte| *byte != 0)
                    .collect();
                let ends = text.len() < length && text.len() <= most;
                // One zero at the end is not counted.
                let counted = length - usize::from(payload.last() == Some(&0));
                (ends && counted <= most).then_some(text)
            }
            Nest => (length == 0 || length >= 4).then(|| payload.to_vec()),
        }
    }

    /// Returns the payload that says it.
    fn written(self, value: &[u8]) -> Vec<u8> {
        match self {
            Text(_) => [value, &[0]].concat(),
            Number(_) | Bytes(_) | Nest => value.to_vec(),
        }
    }
}

/// Writes attributes in the order of their numbers.
pub fn written(table: &[(u16, Form)], values: &Values) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, form) in table {
        let Some(value) = values.get(kind) else {
            continue;
        };
        let payload = form.written(value);
        bytes.extend((payload.len() as u16 + 4).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}
