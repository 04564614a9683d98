// SPDX-License-Identifier: GPL-2.0
//! What becomes of a packet, before the hook makes a verdict of it.

use crate::drops::Drop;
use linux::skb::{Skb, Verdict};

/// What becomes of a packet.
pub(super) enum Outcome<'g> {
    /// It goes on.
    Accept(Skb<'g>),
    /// Netfilter drops it: a sender on this host gets an error.
    Drop(Skb<'g>, Drop),
    /// It is freed: no sender gets an error, as for packets that are lost on their way out.
    Free(Skb<'g>, Drop),
    /// It was sent, or waits for the rest of its fragments.
    Taken(Verdict),
    /// It was given up: it lost its route, or cannot take the one that it was to take.
    Lost(Verdict, Drop),
}
