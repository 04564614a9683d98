// SPDX-License-Identifier: GPL-2.0
//! Defence against floods: when a measure is taken, which packets and which connections go.
//!
//! Three measures have a mode each: `drop_packet` drops some of the packets that would be the first
//! of a connection, `drop_entry` ends some of the connections, `secure_tcp` makes the state machine
//! of TCP wary. An automatic one is taken while the machine is short of memory.

use crate::conn::state::ConnState;
use crate::flags;
use crate::proto::{Judgement, Transport};
use core::ops::RangeInclusive;

/// When a measure is taken, as users set it and see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Never.
    Off = 0,
    /// While memory is short, which it is not.
    Watching = 1,
    /// While memory is short, which it is.
    Acting = 2,
    /// Always.
    Always = 3,
}

impl Mode {
    /// Returns the mode with a number.
    pub const fn of(number: i32) -> Option<Mode> {
        match number {
            0 => Some(Mode::Off),
            1 => Some(Mode::Watching),
            2 => Some(Mode::Acting),
            3 => Some(Mode::Always),
            _ => None,
        }
    }

    /// Returns its number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Returns what it is after a look at the memory.
    pub const fn evaluated(self, is_short: bool) -> Mode {
        match (self, is_short) {
            (Mode::Off, _) => Mode::Off,
            (Mode::Watching | Mode::Acting, false) => Mode::Watching,
            (Mode::Watching | Mode::Acting, true) => Mode::Acting,
            (Mode::Always, _) => Mode::Always,
        }
    }

    /// Returns whether the measure is taken.
    #[inline]
    pub const fn is_active(self) -> bool {
        match self {
            Mode::Off | Mode::Watching => false,
            Mode::Acting | Mode::Always => true,
        }
    }
}

/// The memory that is there and the memory that there should be, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What is free, or holds nothing but buffers.
    pub free: usize,
    /// The setting `amemthresh`.
    pub wanted: i32,
}

impl Memory {
    /// Returns how many pages are missing, if any are.
    fn missing(self) -> Option<i32> {
        // What does not fit is enough.
        let free = i32::try_from(self.free).ok()?;
        let missing = self.wanted.checked_sub(free)?;
        (missing > 0).then_some(missing)
    }

    /// Returns whether there is too little.
    pub fn is_short(self) -> bool {
        self.missing().is_some()
    }

    /// Returns of how many packets one is dropped by an automatic measure: the more is missing, the
    /// fewer.
    fn drop_rate(self) -> i32 {
        let rate = |missing| self.wanted.checked_div(missing);
        self.missing().and_then(rate).unwrap_or(0)
    }
}

/// Returns of how many packets `drop_packet` drops one: 0 for none.
///
/// `always` is the setting `am_droprate`.
pub fn drop_rate(mode: Mode, memory: Memory, always: i32) -> i32 {
    match mode {
        Mode::Off | Mode::Watching => 0,
        Mode::Acting => memory.drop_rate(),
        Mode::Always => always,
    }
}

/// Counts a packet where one of `rate` is dropped: returns whether it is this one, and how many are
/// left to the next one, which is `left` now.
pub const fn count_down(left: i32, rate: i32) -> (bool, i32) {
    let left = left.saturating_sub(1);
    if left > 0 {
        return (false, left);
    }
    (true, rate)
}

/// Returns what becomes of an entry.
pub fn judge(transport: Transport, conn: ConnState) -> Judgement {
    if !conn.is_template() {
        return transport.judge(conn.state);
    }
    if conn.flags & flags::conn::ONE_PACKET != 0 {
        return Judgement::Sample;
    }
    match conn.is_assured() {
        true => Judgement::Stay,
        false => Judgement::Go,
    }
}

/// As many incoming packets as are told apart; that many or more say that a connection is in use.
pub const MOST_PACKETS: i8 = 9;

/// How long an entry that is sampled was idle at least, in seconds.
pub const IDLE: u32 = 60;

/// The lots that idle entries draw: of those with one packet every one goes, of those with two every
/// second, and so on up to eight; with more they stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lots([u8; 8]);

impl Lots {
    /// Takes them out of a word; those of the first sweep are out of 0.
    pub const fn unpack(word: u64) -> Lots {
        Lots(word.to_le_bytes())
    }

    /// Puts them into a word.
    pub const fn pack(self) -> u64 {
        u64::from_le_bytes(self.0)
    }

    /// Draws for an entry that got so many packets; returns whether it goes.
    pub fn draw(&mut self, packets: i8) -> bool {
        let place = usize::try_from(packets)
            .ok()
            .and_then(|count| count.checked_sub(1));
        let Some(left) = place.and_then(|place| self.0.get_mut(place)) else {
            return false;
        };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return false;
        }
        *left = packets.unsigned_abs();
        true
    }
}

/// A sweep meets the entries whose hash is in this part of all hashes.
const PART: u32 = 1 << 27;

/// Returns the hashes of the entries that a sweep meets which begins at `start`: a 32nd of all, which
/// may go round the end.
pub const fn part(start: u32) -> [Option<RangeInclusive<u32>>; 2] {
    match start.checked_add(PART - 1) {
        Some(last) => [Some(start..=last), None],
        None => [
            Some(start..=u32::MAX),
            Some(0..=start.wrapping_add(PART - 1)),
        ],
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_defence))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::proto::{sctp, tcp, StateCode};
    use crate::xmit::Method;

    const MODES: [Mode; 4] = [Mode::Off, Mode::Watching, Mode::Acting, Mode::Always];

    #[test]
    fn modes_have_their_numbers() {
        for (number, mode) in (0..).zip(MODES) {
            assert_eq!((Mode::of(number), mode.number()), (Some(mode), number));
        }
        assert_eq!((Mode::of(-1), Mode::of(4)), (None, None));
    }

    #[test]
    fn automatic_modes_follow_the_memory_and_others_do_not() {
        let after = |is_short| MODES.map(|mode| mode.evaluated(is_short).number());
        assert_eq!(after(false), [0, 1, 1, 3]);
        assert_eq!(after(true), [0, 2, 2, 3]);
        assert_eq!(MODES.map(Mode::is_active), [false, false, true, true]);
    }

    #[test]
    fn memory_is_short_below_the_threshold() {
        let is_short = |free, wanted| Memory { free, wanted }.is_short();
        assert!(is_short(99, 100) && !is_short(100, 100) && !is_short(101, 100));
        assert!(!is_short(0, 0) && !is_short(0, -5) && !is_short(0, i32::MIN));
        assert!(is_short(0, i32::MAX) && !is_short(usize::MAX, i32::MAX));
    }

    #[test]
    fn automatic_rate_drops_more_the_more_is_missing() {
        let rate = |free| drop_rate(Mode::Acting, Memory { free, wanted: 100 }, 7);
        assert_eq!([0, 1, 50, 80, 99].map(rate), [1, 1, 2, 5, 100]);
        assert_eq!(rate(100), 0);
    }

    #[test]
    fn other_modes_drop_none_or_by_the_setting() {
        let memory = Memory {
            free: 0,
            wanted: 100,
        };
        let rate = |mode| drop_rate(mode, memory, 7);
        assert_eq!(MODES.map(rate), [0, 0, 1, 7]);
    }

    #[test]
    fn one_packet_of_so_many_is_dropped() {
        let dropped = |rate| {
            let mut left = 0;
            [(); 8].map(|()| {
                let (is_dropped, next) = count_down(left, rate);
                left = next;
                u8::from(is_dropped)
            })
        };
        assert_eq!(dropped(3), [1, 0, 0, 1, 0, 0, 1, 0]);
        assert_eq!(dropped(1), [1; 8]);
        assert_eq!(dropped(-4), [1; 8]);
        assert_eq!(count_down(i32::MIN, i32::MIN), (true, i32::MIN));
    }

    fn conn(state: StateCode) -> ConnState {
        ConnState {
            state,
            ..ConnState::new(Method::Nat, 0)
        }
    }

    #[test]
    fn half_open_connections_go_and_established_ones_are_sampled() {
        for state in tcp::State::ALL {
            let expected = match state {
                tcp::State::SynRecv | tcp::State::SynAck => Judgement::Go,
                tcp::State::Established => Judgement::Sample,
                _ => Judgement::Stay,
            };
            assert_eq!(judge(Transport::Tcp, conn(state.code())), expected);
        }
        assert_eq!(
            judge(Transport::Udp, conn(StateCode::NEW)),
            Judgement::Sample
        );
        let of_sctp = |state: sctp::State| judge(Transport::Sctp, conn(state.code()));
        assert_eq!(of_sctp(sctp::State::Established), Judgement::Sample);
        assert_eq!(of_sctp(sctp::State::Init), Judgement::Go);
        assert_eq!(of_sctp(sctp::State::Closed), Judgement::Stay);
    }

    #[test]
    fn templates_go_unless_a_connection_was_established() {
        let template = |more| ConnState::new(Method::Nat, flags::conn::TEMPLATE | more);
        assert_eq!(judge(Transport::Tcp, template(0)), Judgement::Go);
        assert_eq!(
            judge(Transport::Tcp, template(0).assured()),
            Judgement::Stay
        );
        let of_one_packet = template(flags::conn::ONE_PACKET);
        assert_eq!(judge(Transport::Udp, of_one_packet), Judgement::Sample);
    }

    #[test]
    fn one_of_as_many_entries_goes_as_they_have_packets() {
        for packets in 1..MOST_PACKETS {
            let mut lots = Lots::default();
            let gone = (0..840).filter(|_| {
                let is_gone = lots.draw(packets);
                lots = Lots::unpack(lots.pack());
                is_gone
            });
            assert_eq!(gone.count(), 840 / usize::try_from(packets).unwrap_or(0));
        }
        let mut lots = Lots::default();
        assert!(![-1, 0, MOST_PACKETS, i8::MAX]
            .into_iter()
            .any(|count| lots.draw(count)));
    }

    #[test]
    fn part_is_a_32nd_wherever_it_begins() {
        for start in [
            0,
            1,
            1 << 31,
            u32::MAX - PART,
            u32::MAX - PART + 1,
            u32::MAX - PART + 2,
            u32::MAX,
        ] {
            let ranges = part(start).into_iter().flatten();
            let length: u64 = ranges
                .map(|range| u64::from(range.end() - range.start()) + 1)
                .sum();
            assert_eq!(length, u64::from(PART));
        }
        assert_eq!(u64::from(PART) * 32, 1 << 32);
        assert_eq!(
            part(u32::MAX),
            [Some(u32::MAX..=u32::MAX), Some(0..=PART - 2)]
        );
    }
}
