// SPDX-License-Identifier: GPL-2.0
//! Carries plans out: route, headroom, the edit of the bytes, output.

use super::context::PacketContext;
use super::outcome::Outcome;
use crate::conn::{end, Conn};
use crate::dest::Dest;
use crate::drops::Drop;
use ipvs::conn::state::ConnState;
use ipvs::packet::checksum::{Field, Sum};
use ipvs::packet::icmp::{self as icmp_header, Quoted};
use ipvs::packet::{Packet, Seal, Sealing, Side};
use ipvs::xmit::{self, Checksum, Edit, HopLimit, LocalRoute, NextHop, Place, Plan, Rewrite, Row};
use linux::conntrack::{self, Reply};
use linux::icmp;
use linux::inet::Point;
use linux::rcu::Borrow;
use linux::route::{self, Route, Sender, Target};
use linux::skb::{NoMemory, Skb, Summed, Unrouted};

/// A packet that is to go to a server.
pub(super) struct Transmit<'a, 'g> {
    pub(super) packet: &'a Packet,
    pub(super) conn: Conn<'g>,
    /// The state of the connection when the packet came.
    pub(super) state: ConnState,
    /// The packet that is quoted, if this is an ICMP error.
    pub(super) quoted: Option<&'a Quoted>,
}

impl<'a, 'g> Transmit<'a, 'g> {
    /// Makes it for a packet that quotes no other.
    #[inline]
    pub(super) fn new(packet: &'a Packet, conn: Conn<'g>) -> Self {
        Self {
            packet,
            conn,
            state: conn.state(),
            quoted: None,
        }
    }

    #[inline(never)]
    pub(super) fn local_facts(&self, skb: &Skb<'_>) -> LocalRoute {
        LocalRoute {
            place: match skb.point() {
                Point::Forward => Place::Forward,
                Point::LocalIn | Point::LocalOut => Place::Host,
            },
            is_packet_local: skb.has_local_route(),
            is_from_outside: skb.has_input_route(),
            is_server_loopback: self.conn.dest().addr.is_loopback(),
        }
    }
}

/// Sends a packet to where it is going, whatever server its connection may have.
#[inline(never)]
pub(super) fn past_servers<'g>(
    context: PacketContext<'g>,
    skb: Skb<'g>,
    transmit: &Transmit<'_, 'g>,
    row: Row,
) -> Outcome<'g> {
    let target = Target {
        addr: transmit.packet.dest.to_ip(),
        hop: route::NextHop::Table,
        sender: Sender::Other,
    };
    let route = Route::to(context.net, target, context.rcu);
    along_route(skb, transmit, row, route)
}

#[inline(always)]
pub(super) fn along_route<'g>(
    mut skb: Skb<'g>,
    transmit: &Transmit<'_, 'g>,
    row: Row,
    route: Option<Route<'g>>,
) -> Outcome<'g> {
    let Some(route) = route else {
        icmp::send_unreachable(&mut skb);
        return Outcome::Free(skb, Drop::NoRoute);
    };
    let (packet, dest) = (transmit.packet, transmit.conn.dest());
    let plan = match route.is_local() {
        true => xmit::plan_local(row, dest, &transmit.local_facts(&skb)),
        false => xmit::plan_remote(row, dest, packet, || skb.fits(route.mtu())),
    };
    match plan {
        Plan::Send(edit) => send(skb, transmit, edit, route),
        Plan::Deliver(edit) => deliver_here(skb, transmit, edit),
        Plan::TooManyHops => reject_hops(skb),
        Plan::TooBig(edit) => {
            let mtu = route.mtu();
            reject_size(skb, packet, edit, mtu)
        }
        Plan::RouteBoundary => Outcome::Free(skb, Drop::RouteBoundary),
    }
}

/// Tells the sender of a packet that it took too many hops.
#[cold]
pub(super) fn reject_hops(mut skb: Skb<'_>) -> Outcome<'_> {
    icmp::count_header_error(&skb);
    icmp::send(&mut skb, icmp::Error::TimeExceeded);
    Outcome::Free(skb, Drop::TimeToLive)
}

/// Tells the sender of a packet how much would fit.
#[cold]
pub(super) fn reject_size<'g>(
    mut skb: Skb<'g>,
    packet: &Packet,
    planned: Edit,
    mtu: u32,
) -> Outcome<'g> {
    if let Err(reason) = edit_rarely(&mut skb, (packet, None), planned) {
        return Outcome::Free(skb, reason);
    }
    icmp::send(&mut skb, icmp::Error::TooBig(mtu));
    Outcome::Free(skb, Drop::TooBig)
}

/// Returns the route to a connection's server: the remembered one, or a new one to remember.
#[inline]
pub(super) fn find_route<'g>(
    context: PacketContext<'g>,
    conn: Conn<'g>,
    way: (NextHop, Sender),
) -> Option<Route<'g>> {
    let dest = conn.server(context.rcu);
    let known = dest.and_then(|dest| dest.get().route.get(context.rcu));
    match known {
        None => look_up(context, conn, dest, way),
        known => known,
    }
}

#[cold]
fn look_up<'g>(
    context: PacketContext<'g>,
    conn: Conn<'g>,
    dest: Option<Borrow<'g, Dest>>,
    (next_hop, sender): (NextHop, Sender),
) -> Option<Route<'g>> {
    let target = Target {
        addr: conn.dest().addr.to_ip(),
        hop: match next_hop {
            NextHop::Table => route::NextHop::Table,
            NextHop::Server => route::NextHop::Address,
        },
        sender,
    };
    let route = Route::to(context.net, target, context.rcu)?;
    if let Some(dest) = dest {
        dest.route.fill(&route, || dest.is_available());
    }
    Some(route)
}

#[inline(always)]
fn send<'g>(
    mut skb: Skb<'g>,
    transmit: &Transmit<'_, 'g>,
    planned: Edit,
    route: Route<'g>,
) -> Outcome<'g> {
    if let Err(NoMemory) = skb.make_room(&route) {
        return Outcome::Free(skb, Drop::NoMemory);
    }
    let edited = match transmit.quoted {
        None => edit(&mut skb, (transmit.packet, None), planned, |_| {
            route.makes_crc32c()
        }),
        quoted => edit_rarely(&mut skb, (transmit.packet, quoted), planned),
    };
    if let Err(reason) = edited {
        return Outcome::Free(skb, reason);
    }
    skb.allow_fragmenting();
    update_conntrack(&mut skb, transmit.state, planned.rewrite);
    skb.drop_early_socket();
    match skb.send(route) {
        Ok(verdict) => Outcome::Taken(verdict),
        Err(verdict) => Outcome::Lost(verdict, Drop::Malformed),
    }
}

/// Lets a packet go on to a server on this host.
#[inline(never)]
pub(super) fn deliver_here<'g>(
    mut skb: Skb<'g>,
    transmit: &Transmit<'_, 'g>,
    planned: Edit,
) -> Outcome<'g> {
    if let Some(rewrite) = planned.rewrite {
        let read = (transmit.packet, transmit.quoted);
        if let Err(reason) = edit_rarely(&mut skb, read, planned) {
            return Outcome::Free(skb, reason);
        }
        skb.allow_fragmenting();
        if rewrite.to != transmit.conn.virtual_endpoint() {
            // It was found for the address that the packet came with.
            skb.drop_early_socket();
        }
    }
    deliver(skb, transmit, planned.rewrite)
}

pub(super) fn deliver<'g>(
    mut skb: Skb<'g>,
    transmit: &Transmit<'_, 'g>,
    rewrite: Option<Rewrite>,
) -> Outcome<'g> {
    mark_handled(&mut skb, transmit.state, rewrite);
    Outcome::Accept(skb)
}

/// Makes a reply come from the virtual service instead of the server.
///
/// # Errors
///
/// What became of it where it cannot go on.
#[inline(always)]
pub(super) fn reply<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    packet: &Packet,
    rewrite: Rewrite,
) -> Result<Skb<'g>, Outcome<'g>> {
    match edit(&mut skb, (packet, None), kept(rewrite), |skb| {
        skb.route_makes_crc32c()
    }) {
        Ok(()) => reroute(context, skb).map_err(|lost| Outcome::Lost(lost.free(), Drop::NoRoute)),
        Err(reason) => Err(Outcome::Free(skb, reason)),
    }
}

/// Makes an ICMP error of a server's side one about the virtual service, and come from it.
///
/// # Errors
///
/// What became of it where it cannot go on.
pub(super) fn error_to_client<'g>(
    context: PacketContext<'g>,
    mut skb: Skb<'g>,
    (packet, quoted): (&Packet, &Quoted),
    rewrite: Rewrite,
) -> Result<Skb<'g>, Outcome<'g>> {
    if !is_error_good(&skb, packet) {
        return Err(Outcome::Drop(skb, Drop::Checksum));
    }
    match edit_rarely(&mut skb, (packet, Some(quoted)), kept(rewrite)) {
        Ok(()) => {
            reroute(context, skb).map_err(|lost| Outcome::Lost(lost.discard(), Drop::NoRoute))
        }
        Err(reason) => Err(Outcome::Drop(skb, reason)),
    }
}

/// Returns the edit of a packet that takes no hop here.
fn kept(rewrite: Rewrite) -> Edit {
    Edit {
        hop_limit: HopLimit::Keep,
        rewrite: Some(rewrite),
    }
}

/// Returns whether the checksum of an ICMP error is good, or need not be known.
pub(super) fn is_error_good(skb: &Skb<'_>, packet: &Packet) -> bool {
    let start = || icmp_header::start(packet, (packet.source, packet.dest));
    let sum = || skb.sum(u32::from(packet.transport_offset), start().raw());
    skb.is_sum_known_good() || icmp_header::is_good(Sum::from_raw(sum()))
}

/// Marks a packet as handled and tells connection tracking what became of it.
#[inline]
pub(super) fn mark_handled(skb: &mut Skb<'_>, state: ConnState, rewrite: Option<Rewrite>) {
    skb.set_handled();
    update_conntrack(skb, state, rewrite);
}

/// Tells connection tracking what became of a packet.
#[inline(always)]
fn update_conntrack(skb: &mut Skb<'_>, state: ConnState, rewrite: Option<Rewrite>) {
    if !state.is_tracked() {
        conntrack::untrack(skb);
    } else if let Some(rewrite) = rewrite.filter(|_| !state.is_one_packet()) {
        // No reply is expected of a connection for one packet.
        conntrack::expect_reply(skb, || expected_reply(rewrite));
    }
}

/// Returns the end of the tracked connection's replies that a rewrite changes.
fn expected_reply(rewrite: Rewrite) -> Reply {
    let end = end(rewrite.to);
    match rewrite.side {
        Side::Dest => Reply::From(end),
        Side::Source => Reply::To(end),
    }
}

/// Finds a reply the route that a packet made here would take, where that may be another one.
fn reroute<'g>(context: PacketContext<'g>, skb: Skb<'g>) -> Result<Skb<'g>, Unrouted<'g>> {
    let stays = skb.point() == Point::LocalIn || skb.has_local_route();
    if stays || !context.netns.config.snat_reroute.is_on() {
        return Ok(skb);
    }
    skb.reroute()
}

/// Does an edit to the bytes of a packet and to what is known about its checksum.
///
/// `makes_crc` tells whether the device that it leaves by makes checksums by CRC32c.
#[inline(always)]
fn edit(
    skb: &mut Skb<'_>,
    (packet, quoted): (&Packet, Option<&Quoted>),
    planned: Edit,
    makes_crc: impl FnOnce(&Skb<'_>) -> bool,
) -> Result<(), Drop> {
    let reach = planned.reach(packet, quoted).ok_or(Drop::Malformed)?;
    let field = match skb.summed() {
        Summed::Partial => Field::Partial,
        Summed::None | Summed::Unnecessary | Summed::Complete => Field::Whole,
    };
    let bytes = skb.writable(reach)?;
    let done = planned.apply(bytes, packet, quoted, field);
    match done.ok_or(Drop::Malformed)? {
        Checksum::Untouched => Ok(()),
        Checksum::Updated => {
            skb.forget_sum();
            Ok(())
        }
        Checksum::Sum(sum) => store_checksum(skb, packet, reach, sum),
        Checksum::Start(start) => leave_checksum(skb, packet, reach, start),
        Checksum::Seal(sealing) => {
            let makes_crc = makes_crc(skb);
            seal(skb, (packet, reach), sealing, makes_crc)
        }
    }
}

/// The same for what few packets need: it is not compiled into the way of all others.
#[inline(never)]
pub(super) fn edit_rarely(
    skb: &mut Skb<'_>,
    read: (&Packet, Option<&Quoted>),
    planned: Edit,
) -> Result<(), Drop> {
    edit(skb, read, planned, |skb| skb.route_makes_crc32c())
}

/// Gives a packet the checksum of the sum so far and of all that begins with its transport header.
#[inline(never)]
fn store_checksum(skb: &mut Skb<'_>, packet: &Packet, reach: usize, sum: Sum) -> Result<(), Drop> {
    let sum = skb.sum(u32::from(packet.transport_offset), sum.raw());
    let bytes = skb.writable(reach)?;
    let stored = packet.store_checksum(bytes, Sum::from_raw(sum));
    stored.ok_or(Drop::Malformed)?;
    skb.set_sum_good();
    Ok(())
}

/// Leaves the checksum of an ICMP message to the hardware, if that can be.
#[inline(never)]
fn leave_checksum(skb: &mut Skb<'_>, packet: &Packet, reach: usize, sum: Sum) -> Result<(), Drop> {
    if !skb.leave_sum(packet.transport_offset, icmp_header::CHECKSUM) {
        return store_checksum(skb, packet, reach, sum);
    }
    let bytes = skb.writable(reach)?;
    let stored = packet.store_checksum_start(bytes, sum);
    stored.ok_or(Drop::Malformed)
}

/// Does what is decided about the checksum of a packet whose checksum is a CRC32c.
#[inline(never)]
fn seal(
    skb: &mut Skb<'_>,
    (packet, reach): (&Packet, usize),
    sealing: Sealing,
    makes_crc: bool,
) -> Result<(), Drop> {
    match sealing.decide(skb.is_gso(), makes_crc) {
        Seal::Keep => return Ok(()),
        Seal::Trust => {}
        Seal::Renew => {
            let cleared = packet.store_crc(skb.writable(reach)?, 0);
            cleared.ok_or(Drop::Malformed)?;
            let crc = skb.crc32c(u32::from(packet.transport_offset));
            let stored = packet.store_crc(skb.writable(reach)?, crc.ok_or(Drop::Checksum)?);
            stored.ok_or(Drop::Malformed)?;
        }
    }
    skb.set_sum_good();
    Ok(())
}

impl From<NoMemory> for Drop {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}
