// SPDX-License-Identifier: GPL-2.0
//! Ends connections against a flood: `drop_entry`.

use super::record::Record;
use super::Conn;
use core::ops::{ControlFlow, RangeInclusive};
use ipvs::defence::{self, Lots, IDLE};
use ipvs::proto::Judgement;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::clock::{Jiffies, Ticks};
use linux::random;
use linux::rcu::Reader;
use linux::table::{Cursor, Table};

/// What sweeps of one namespace go by, one after the other.
pub(super) struct Thinning {
    /// See [`Lots`].
    lots: Atomic<u64>,
}

impl Thinning {
    /// Begins with lots that were not drawn yet.
    pub(super) const fn new() -> Self {
        Self {
            lots: Atomic::new(0),
        }
    }

    /// Meets a 32nd of the entries, from a random place, and ends what is not worth its memory.
    ///
    /// # Locking
    ///
    /// Process context; sleeps. One at a time.
    pub(super) fn sweep(&self, table: &Table<Record>) {
        let [start]: [u64; 1] = random::words();
        let [a, b, c, d, ..] = start.to_le_bytes();
        let mut lots = Lots::unpack(self.lots.load(Relaxed));
        for part in defence::part(u32::from_le_bytes([a, b, c, d]))
            .into_iter()
            .flatten()
        {
            sweep_part(table, part, &mut lots);
        }
        self.lots.store(lots.pack(), Relaxed);
    }
}

fn sweep_part(table: &Table<Record>, part: RangeInclusive<u32>, lots: &mut Lots) {
    let now = Jiffies::now();
    let from = Cursor::before(*part.start());
    // Where it broke off does not matter.
    let _ = table.visit(from, |entry, rcu| {
        if entry.cursor().order() > *part.end() {
            return ControlFlow::Break(());
        }
        meet(Conn(entry), now, lots, rcu);
        ControlFlow::Continue(())
    });
}

/// Ends an entry that is to go.
fn meet<'g>(conn: Conn<'g>, now: Jiffies, lots: &mut Lots, rcu: Reader<'g>) {
    if conn.0.word().is_pinned() {
        return;
    }
    let goes = match defence::judge(conn.transport(), conn.state()) {
        Judgement::Stay => false,
        Judgement::Go => true,
        Judgement::Sample => conn.is_idle(now) && lots.draw(conn.0.packets.load(Relaxed)),
    };
    if goes {
        conn.end_with_unassured_template(rcu);
    }
}

impl Conn<'_> {
    /// Returns whether it was not used for so long that it may be sampled.
    fn is_idle(self, now: Jiffies) -> bool {
        let used = Jiffies(self.0.used.load(Relaxed));
        now.since(used) >= Ticks::from_seconds(IDLE)
    }
}
