// SPDX-License-Identifier: GPL-2.0
//! Jiffies and seconds.
//!
//! A moment is the low half of the kernel's `jiffies`, which fits the second half of an atomic
//! word; it wraps after 49 days at 1,000 ticks a second. Two moments can be compared while they
//! are less than half of that apart.
//!
//! C header: `include/linux/jiffies.h`

use crate::bindings;

/// Ticks in a second.
pub const HZ: u32 = bindings::RVS_CONST_HZ;

/// A moment in ticks, wrapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Jiffies(pub u32);

/// A length of time in ticks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticks(pub u32);

impl Jiffies {
    /// Returns the present moment.
    #[inline]
    pub fn now() -> Self {
        // SAFETY: Reads a global counter; may be called anywhere.
        let jiffies = unsafe { bindings::rvs_helper_jiffies() };
        // CAST: The low half is what this type is.
        Self(jiffies as u32)
    }

    /// Returns the moment `ticks` later.
    #[inline]
    pub const fn plus(self, ticks: Ticks) -> Self {
        Self(self.0.wrapping_add(ticks.0))
    }

    /// Returns the moment in which the present second began, the same on all CPUs.
    #[inline]
    pub const fn second(self) -> Self {
        Self(self.0.wrapping_sub(self.0 % HZ))
    }

    /// Returns how long it is until the next second begins.
    #[inline]
    pub const fn to_next_second(self) -> Ticks {
        Ticks(HZ.wrapping_sub(self.0 % HZ))
    }

    /// Returns how long after `earlier` this is; nothing when it is before.
    #[inline]
    pub const fn since(self, earlier: Self) -> Ticks {
        let distance = self.0.wrapping_sub(earlier.0);
        // The upper half of the circle is the past.
        if distance > u32::MAX / 2 {
            return Ticks(0);
        }
        Ticks(distance)
    }

    /// Returns whether this is `other` or later.
    #[inline]
    pub const fn reached(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) <= u32::MAX / 2
    }
}

impl Ticks {
    /// The longest time that two moments can be told apart by.
    pub const MAX: Self = Self(u32::MAX / 2);

    /// Converts seconds, up to [`Ticks::MAX`].
    #[inline]
    pub const fn from_seconds(seconds: u32) -> Self {
        let ticks = seconds.saturating_mul(HZ);
        if ticks > Self::MAX.0 {
            return Self::MAX;
        }
        Self(ticks)
    }

    /// Returns what is left of it after `other`; nothing if that is longer.
    #[inline]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Returns it as C's `unsigned long`.
    #[inline]
    pub(crate) const fn long(self) -> kernel::ffi::c_ulong {
        // CAST: `unsigned long` has 32 bits or more.
        self.0 as kernel::ffi::c_ulong
    }

    /// Returns it as a setting holds it. It must be at most [`Self::MAX`].
    pub const fn int(self) -> i32 {
        // CAST: No span is longer than `MAX`, which is half of what 32 bits count.
        self.0 as i32
    }

    /// Returns the whole seconds in it.
    #[inline]
    pub const fn seconds(self) -> u32 {
        self.0 / HZ
    }
}

/// Returns the number of the present period of `seconds`, all CPUs agreeing; 0 if that is 0.
#[inline]
pub fn periods(seconds: u32) -> u32 {
    // SAFETY: Reads one word that is always there.
    let ticks = unsafe { bindings::rvs_helper_jiffies() };
    let period = u64::from(HZ).wrapping_mul(u64::from(seconds));
    // Cut off after centuries.
    (ticks as u64).checked_div(period).unwrap_or(0) as u32
}
