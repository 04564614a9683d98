// SPDX-License-Identifier: GPL-2.0
//! Sends packets the way that their connection's method asks for.

use super::context::PacketContext;
use super::outcome::Outcome;
use super::transmit::{self, Transmit};
use super::tunnel;
use ipvs::xmit::Way;
use linux::route::Sender;
use linux::skb::Skb;

/// Sends a packet of a client to its server.
pub(super) fn original<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    of: &Transmit<'_, 'g>,
) -> Outcome<'g> {
    let row = of.state.method().row();
    match row.way {
        Way::Route(next_hop) => {
            let route = transmit::find_route(context, of.conn, (next_hop, Sender::Other));
            transmit::along_route(skb, of, row, route)
        }
        Way::Past => transmit::past_servers(context, skb, of, row),
        Way::Wrap => tunnel::original(context, skb, of),
        Way::Deliver => transmit::deliver(skb, of, None),
        Way::Pass => Outcome::Accept(skb),
    }
}
