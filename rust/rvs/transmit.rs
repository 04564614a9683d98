// SPDX-License-Identifier: GPL-2.0
//! Carries out a transmit plan: route, headroom, output.

use crate::conn::Conn;
use crate::dest::Dest;
use crate::drops::Drop;
use crate::hook::{Packets, Path};
use ipvs::addr::{Endpoint, IpAddr};
use ipvs::checksum::Sum;
use ipvs::icmp::{self as quoted_icmp, Quoted};
use ipvs::packet::Packet;
use ipvs::proto::Direction;
use ipvs::standing::Standing;
use ipvs::xmit::{self, direct, nat, Hop, Method, Place, Plan, Side};
use linux::conntrack::{self, End, Reply};
use linux::icmp;
use linux::netfilter::Point;
use linux::rcu::Borrow;
use linux::route::{self, NextHop, Route};
use linux::skb::{NoMemory, Skb, Summed, Verdict};

/// Sends a packet of a client to its server, by the method of its connection.
#[inline]
pub(crate) fn request<'g>(
    path: Path<'g>,
    skb: Skb<'g>,
    packet: &Packet,
    conn: Conn<'g>,
) -> Verdict {
    let job = Job::request(packet, conn);
    match job.standing.method() {
        Method::Nat | Method::Direct => along_route(path, skb, &job),
        Method::Local => deliver(skb, &job),
        // Nothing forwards them; commands do not make them.
        Method::Tunnel
        | Method::Bypass
        | Method::Unknown5
        | Method::Unknown6
        | Method::Unknown7 => skb.accept(),
    }
}

/// Sends an ICMP error of a client's side to the server of a NAT connection.
pub(crate) fn error_to_server<'g>(
    path: Path<'g>,
    skb: Skb<'g>,
    packet: &Packet,
    quoted: &Quoted,
    conn: Conn<'g>,
) -> Verdict {
    let job = Job {
        quoted: Some(quoted),
        ..Job::request(packet, conn)
    };
    along_route(path, skb, &job)
}

/// Makes an answer come from the virtual service instead of the server.
///
/// # Errors
///
/// Why it cannot go on.
#[inline(always)]
pub(crate) fn answer<'g>(
    path: Path<'g>,
    skb: &mut Skb<'g>,
    packet: &Packet,
    conn: Conn<'g>,
) -> Result<(), Drop> {
    rewrite(skb, packet, Side::Source, conn.virtual_end(), Hops::Keep)?;
    reroute(path, skb)
}

/// Makes an ICMP error of a server's side one about the virtual service, and come from it.
///
/// # Errors
///
/// Why it cannot go on.
pub(crate) fn error_to_client<'g>(
    path: Path<'g>,
    skb: &mut Skb<'g>,
    packet: &Packet,
    quoted: &Quoted,
    conn: Conn<'g>,
) -> Result<(), Drop> {
    if !is_error_good(skb, packet) {
        return Err(Drop::Checksum);
    }
    let to = conn.virtual_end();
    rewrite_error(skb, packet, quoted, Side::Source, to, Hops::Keep)?;
    reroute(path, skb)
}

/// Tells whether the checksum of an ICMP error is good, or need not be known.
pub(crate) fn is_error_good(skb: &Skb<'_>, packet: &Packet) -> bool {
    let sum = || skb.sum(u32::from(packet.transport_offset), 0);
    skb.is_sum_known_good() || quoted_icmp::is_good(Sum::from_raw(sum()))
}

/// Marks a packet as handled and tells connection tracking what became of it.
#[inline]
pub(crate) fn release(skb: &mut Skb<'_>, conn: Conn<'_>, standing: Standing, way: Direction) {
    skb.set_handled();
    track(skb, conn, standing, way);
}

/// Tells connection tracking what became of a packet.
#[inline]
fn track(skb: &mut Skb<'_>, conn: Conn<'_>, standing: Standing, way: Direction) {
    if !standing.is_tracked() {
        conntrack::untrack(skb);
    } else if standing.method() == Method::Nat {
        let reply = match way {
            Direction::In => end(conn.dest()).map(Reply::From),
            Direction::Out => end(conn.virtual_end()).map(Reply::To),
        };
        if let Some(reply) = reply {
            conntrack::expect_reply(skb, reply);
        }
    }
}

fn end(end: Endpoint) -> Option<End> {
    match end.addr {
        IpAddr::V4(addr) => Some(End {
            addr: addr.octets(),
            port: end.port.bytes(),
        }),
        IpAddr::V6(_) => None,
    }
}

/// A packet that is to go to a server.
struct Job<'a, 'g> {
    packet: &'a Packet,
    conn: Conn<'g>,
    /// How the connection stood when the packet came.
    standing: Standing,
    /// The packet that an ICMP error is about, if this is one and is to be rewritten.
    quoted: Option<&'a Quoted>,
}

impl<'a, 'g> Job<'a, 'g> {
    fn request(packet: &'a Packet, conn: Conn<'g>) -> Self {
        Self {
            packet,
            conn,
            standing: conn.standing(),
            quoted: None,
        }
    }

    /// Decides about the packet when its route is known.
    #[inline]
    fn plan(&self, skb: &Skb<'_>, route: &Route<'_>) -> Plan {
        if route.is_local() {
            return self.staying(skb).plan();
        }
        let packet = self.packet;
        let leaving = xmit::Leaving {
            is_source_loopback: packet.source.is_loopback(),
            hops: packet.ttl,
            fits: skb.fits(route.mtu()),
            may_fragment: !packet.dont_fragment,
            is_error: quoted_icmp::is_error_packet(packet),
        };
        leaving.plan()
    }

    #[inline(never)]
    fn staying(&self, skb: &Skb<'_>) -> xmit::Staying {
        xmit::Staying {
            method: self.standing.method(),
            place: match skb.point() {
                Point::Forward => Place::Forward,
                Point::LocalIn | Point::LocalOut => Place::Host,
            },
            is_packet_local: skb.has_local_route(),
            is_from_outside: skb.has_input_route(),
            is_server_loopback: self.conn.dest().addr.is_loopback(),
        }
    }

    /// Writes the packet as its method wants it.
    #[inline(always)]
    fn rewrite(&self, skb: &mut Skb<'_>, hops: Hops) -> Result<(), Drop> {
        if self.standing.method() != Method::Nat {
            return count_hop(skb, self.packet, hops);
        }
        let to = self.conn.dest();
        match self.quoted {
            None => rewrite(skb, self.packet, Side::Dest, to, hops),
            Some(quoted) => rewrite_error(skb, self.packet, quoted, Side::Dest, to, hops),
        }
    }
}

fn along_route<'g>(path: Path<'g>, mut skb: Skb<'g>, job: &Job<'_, 'g>) -> Verdict {
    let Some(route) = find_route(path, job.conn) else {
        route::link_failure(&mut skb);
        return path.free(skb, Drop::NoRoute);
    };
    match job.plan(&skb, &route) {
        Plan::Send => send(path, skb, job, route),
        Plan::Deliver => deliver_here(path, skb, job),
        Plan::TooManyHops => {
            icmp::send(&mut skb, icmp::Error::TimeExceeded);
            icmp::count_header_error(path.net);
            path.free(skb, Drop::TimeToLive)
        }
        Plan::TooBig => {
            // What the sender sees quoted has taken the hop, as where C finds it too big.
            if let Err(reason) = count_hop(&mut skb, job.packet, Hops::Count) {
                return path.free(skb, reason);
            }
            let mtu = u16::try_from(route.mtu()).unwrap_or(u16::MAX);
            icmp::send(&mut skb, icmp::Error::FragmentationNeeded(mtu));
            path.free(skb, Drop::TooBig)
        }
        Plan::Boundary => path.free(skb, Drop::Boundary),
    }
}

/// Returns the route to a connection's server: the remembered one, or a new one to remember.
#[inline]
fn find_route<'g>(path: Path<'g>, conn: Conn<'g>) -> Option<Route<'g>> {
    let dest = conn.server(path.rcu);
    let known = dest.and_then(|dest| dest.get().route.get(path.rcu));
    match known {
        None => look_up(path, conn, dest),
        known => known,
    }
}

#[cold]
fn look_up<'g>(
    path: Path<'g>,
    conn: Conn<'g>,
    dest: Option<Borrow<'g, Dest>>,
) -> Option<Route<'g>> {
    let hop = match conn.method().hop() {
        Hop::Table => NextHop::Table,
        Hop::Server => NextHop::Address,
    };
    let IpAddr::V4(addr) = conn.dest().addr else {
        return None;
    };
    let route = Route::to_v4(path.net, addr.octets(), hop)?;
    if let Some(dest) = dest.filter(|dest| dest.is_available()) {
        dest.route.fill(&route);
    }
    Some(route)
}

#[inline(always)]
fn send<'g>(path: Path<'g>, mut skb: Skb<'g>, job: &Job<'_, 'g>, route: Route<'g>) -> Verdict {
    let prepared = skb
        .make_room(&route)
        .map_err(Drop::from)
        .and_then(|()| job.rewrite(&mut skb, Hops::Count));
    if let Err(reason) = prepared {
        return path.free(skb, reason);
    }
    skb.allow_fragmenting();
    track(&mut skb, job.conn, job.standing, Direction::In);
    skb.drop_early_socket();
    skb.send::<Packets>(route)
}

/// Lets a packet go on to a server on this host.
#[inline(never)]
fn deliver_here<'g>(path: Path<'g>, mut skb: Skb<'g>, job: &Job<'_, 'g>) -> Verdict {
    if job.standing.method() == Method::Nat {
        if let Err(reason) = job.rewrite(&mut skb, Hops::Keep) {
            return path.free(skb, reason);
        }
        skb.allow_fragmenting();
        if job.conn.dest() != job.conn.virtual_end() {
            // It was found for the address that the packet came with.
            skb.drop_early_socket();
        }
    }
    deliver(skb, job)
}

fn deliver<'g>(mut skb: Skb<'g>, job: &Job<'_, 'g>) -> Verdict {
    release(&mut skb, job.conn, job.standing, Direction::In);
    skb.accept()
}

/// Finds an answer the route that a packet made here would take, where that may be another one.
fn reroute<'g>(path: Path<'g>, skb: &mut Skb<'g>) -> Result<(), Drop> {
    let stays = skb.point() == Point::LocalIn || skb.has_local_route();
    if stays || !path.netns.config.snat_reroute.is_on() {
        return Ok(());
    }
    skb.reroute().map_err(|NoMemory| Drop::NoRoute)
}

/// Whether a packet takes a hop here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hops {
    Count,
    Keep,
}

#[inline]
fn count_hop(skb: &mut Skb<'_>, packet: &Packet, hops: Hops) -> Result<(), Drop> {
    if hops == Hops::Keep {
        return Ok(());
    }
    let header = skb.writable(usize::from(packet.transport_offset))?;
    direct::decrement_ttl(header).ok_or(Drop::Malformed)
}

/// Replaces one end of a packet and makes up for it in its checksums.
#[inline(always)]
fn rewrite(
    skb: &mut Skb<'_>,
    packet: &Packet,
    side: Side,
    to: Endpoint,
    hops: Hops,
) -> Result<(), Drop> {
    let reach = nat::reach(packet).ok_or(Drop::Malformed)?;
    let field = match skb.summed() {
        Summed::Partial => nat::Field::Partial,
        Summed::None | Summed::Unnecessary | Summed::Complete => nat::Field::Whole,
    };
    let change = nat::Change {
        side,
        addr: to.addr,
        port: to.port,
    };
    let bytes = skb.writable(reach)?;
    if hops == Hops::Count {
        direct::decrement_ttl(bytes).ok_or(Drop::Malformed)?;
    }
    match nat::rewrite(bytes, packet, field, change).ok_or(Drop::Malformed)? {
        nat::After::Done => {
            skb.forget_sum();
            Ok(())
        }
        nat::After::Sum(sum) => complete(skb, packet, reach, sum),
    }
}

/// Gives a packet of UDP the checksum that it came without; `sum` is that of its pseudo header.
#[inline(never)]
fn complete(skb: &mut Skb<'_>, packet: &Packet, reach: usize, sum: Sum) -> Result<(), Drop> {
    let sum = skb.sum(u32::from(packet.transport_offset), sum.raw());
    let bytes = skb.writable(reach)?;
    nat::store_udp_checksum(bytes, packet, Sum::from_raw(sum)).ok_or(Drop::Malformed)?;
    skb.set_sum_good();
    Ok(())
}

/// Replaces one end of an ICMP error and the other end of what it quotes.
fn rewrite_error(
    skb: &mut Skb<'_>,
    packet: &Packet,
    quoted: &Quoted,
    side: Side,
    to: Endpoint,
    hops: Hops,
) -> Result<(), Drop> {
    count_hop(skb, packet, hops)?;
    let reach = quoted.reach();
    let bytes = skb.writable(reach)?;
    quoted_icmp::rewrite(bytes, packet, quoted, side, to.addr, to.port).ok_or(Drop::Malformed)?;
    let sum = skb.sum(u32::from(packet.transport_offset), 0);
    let bytes = skb.writable(reach)?;
    quoted_icmp::store_checksum(bytes, packet, Sum::from_raw(sum)).ok_or(Drop::Malformed)?;
    skb.set_sum_good();
    Ok(())
}

impl From<NoMemory> for Drop {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}
