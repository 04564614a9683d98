// SPDX-License-Identifier: GPL-2.0
//! The match `ipvs` of iptables: rules that ask for packets of connections.
//!
//! A rule sees a packet of the original direction as the server will get it, after the rewriting.
//! Turned round it is a packet that the server might send, so that is how its connection is found;
//! a reply is seen as the client will get it, and belongs to no connection then.

use crate::conn::Conn;
use crate::netns::Netns;
use ipvs::names;
use ipvs::packet::{self, Packet};
use ipvs::proto::Direction;
use ipvs::xt::{ConnInfo, Params};
use kernel::prelude::*;
use kernel::str::CStr;
use linux::rcu::Reader;
use linux::skb::PEEK;
use linux::xtables::{Definition, Match, PacketView, Registration, Way};

/// The match as rules know it.
pub(crate) struct Ipvs;

static DEFINITION: Definition<Ipvs> = Definition::new();

/// Lets rules ask for the match.
///
/// # Errors
///
/// As [`Definition::register`].
pub(crate) fn register() -> Result<Registration<Ipvs>> {
    DEFINITION.register(crate::THIS)
}

impl Match for Ipvs {
    const NAME: &'static CStr = c"ipvs";
    const REVISION: u8 = 0;
    const SIZE: usize = Params::SIZE;
    const PLACE: usize = names::MATCH_PLACE;

    fn matches<'g>(params: &[u8], view: &PacketView<'g>, rcu: Reader<'g>) -> bool {
        let Some(params) = Params::read(params) else {
            return false;
        };
        match params.decide_early(view.is_handled()) {
            Some(decision) => decision,
            None => info(view, rcu).is_some_and(|info| params.matches(&info)),
        }
    }
}

/// Returns what is known of a packet, if it is one on its way to the server of a connection.
fn info<'g>(view: &PacketView<'g>, rcu: Reader<'g>) -> Option<ConnInfo> {
    let packet = packet::parse(view.read(&mut [0; PEEK]), view.len()).ok()?;
    let conn = conn_to_server(view, &packet, rcu)?;
    Some(ConnInfo {
        protocol: packet.protocol,
        virtual_endpoint: conn.virtual_endpoint(),
        method: conn.method(),
        control_port: conn.controller(rcu).map(|one| one.virtual_endpoint().port),
        tracked: view.way().map(direction),
    })
}

/// Finds the connection to whose server a packet goes.
fn conn_to_server<'g>(view: &PacketView<'g>, packet: &Packet, rcu: Reader<'g>) -> Option<Conn<'g>> {
    let turned = packet.conn_flow()?.reversed();
    match Netns::of(view.net(), rcu)?.get().conns.find(&turned, rcu)? {
        (conn, Direction::Reply) => Some(conn),
        (_, Direction::Original) => None,
    }
}

fn direction(way: Way) -> Direction {
    match way {
        Way::Original => Direction::Original,
        Way::Reply => Direction::Reply,
    }
}
