// SPDX-License-Identifier: GPL-2.0
//! The table of methods and what happens with a packet, against `rows.txt` and `plan.txt`.

use crate::api::methods;
use crate::input::Input;
use crate::slow::icmp::is_error;
use crate::slow::plan;
use crate::slow::rows;
use ipvs::addr::{Addr, Endpoint, Family, Protocol};
use ipvs::packet::{Fragment, Header, Packet, Side};
use ipvs::xmit::{
    plan_local, plan_remote, Edit, HopLimit, LocalRoute, LocalRule, Method, NextHop, Place, Plan,
    Rewrite, Way,
};

/// Asks about all methods with one packet and one route.
pub fn run(bytes: &[u8]) {
    let mut input = Input::of(bytes);
    let family = input.family();
    let dest = input.endpoint(family);
    let packet = packet(&mut input, family);
    let fits = input.flag();
    let route = LocalRoute {
        place: input.one_of(&[Place::Host, Place::Forward]),
        is_packet_local: input.flag(),
        is_from_outside: input.flag(),
        is_server_loopback: input.flag(),
    };
    for method in methods() {
        check_row(method);
        check_remote(method, dest, &packet, fits);
        check_local(method, dest, &route);
    }
    let number = input.u32();
    assert_eq!(Method::from_number(number).number(), number % 8);
}

fn check_row(method: Method) {
    let (row, words) = (method.row(), rows::of(method));
    let way = match row.way {
        Way::Route(NextHop::Table) => "table",
        Way::Route(NextHop::Server) => "server",
        Way::Past => "past",
        Way::Wrap => "wrap",
        Way::Deliver => "deliver",
        Way::Pass => "pass",
    };
    let local = match row.local {
        LocalRule::Unchanged => "unchanged",
        LocalRule::Rewritten => "rewritten",
        LocalRule::Never => "never",
    };
    assert_eq!((way, local), (words.way, words.local));
    let said = (row.rewrites, row.sees_replies, row.has_reply_key);
    let listed = (words.rewrites, words.sees_replies, words.has_reply_key);
    assert_eq!(said, listed);
}

/// A packet of which only matters what decides something.
fn packet(input: &mut Input<'_>, family: Family) -> Packet {
    let header = match input.below(6) {
        0 => Header::Missing,
        1 => Header::Other,
        2 => Header::Udp { summed: true },
        _ => Header::Icmp {
            kind: input.byte(),
            code: input.byte(),
        },
    };
    Packet {
        protocol: Protocol(input.byte()),
        source: addr(input, family),
        dest: addr(input, family),
        transport_offset: 40,
        length: input.u32(),
        fragment: Fragment::Whole,
        hop_limit: input.byte(),
        dont_fragment: family == Family::V6 || input.flag(),
        ports: None,
        header,
    }
}

/// An address that often is a loopback address, or nearly so.
fn addr(input: &mut Input<'_>, family: Family) -> Addr {
    match (family, input.below(4)) {
        (Family::V4, 0) => family.read(&[127, input.byte(), 0, 1]),
        (Family::V6, 0) => family.read(&u128::from(input.byte()).to_be_bytes()),
        _ => Some(input.addr(family)),
    }
    .expect("all of an address")
}

fn check_remote(method: Method, dest: Endpoint, packet: &Packet, fits: bool) {
    let is_loopback = match packet.source.to_ip() {
        std::net::IpAddr::V4(addr) => addr.octets()[0] == 127,
        std::net::IpAddr::V6(addr) => addr.segments() == [0, 0, 0, 0, 0, 0, 0, 1],
    };
    let is_error = match packet.header {
        Header::Icmp { kind, .. } => is_error(packet.family(), kind),
        _ => false,
    };
    let what = match packet.family() {
        Family::V4 if is_error => "error",
        Family::V4 if !packet.dont_fragment => "cuttable",
        Family::V4 | Family::V6 => "-",
    };
    let source = if is_loopback { "loopback" } else { "-" };
    let hops = if packet.hop_limit < 2 { "few" } else { "-" };
    let size = if fits { "fits" } else { "-" };
    let edited = |rewrite| Edit {
        hop_limit: HopLimit::Decrement,
        rewrite,
    };
    let expected = match plan(["remote", source, hops, size, what]) {
        "boundary" => Plan::RouteBoundary,
        "hops" => Plan::TooManyHops,
        "send" => Plan::Send(edited(rewrite(method, dest))),
        "big" => Plan::TooBig(edited(None)),
        other => panic!("{other}"),
    };
    assert_eq!(plan_remote(method.row(), dest, packet, || fits), expected);
}

fn check_local(method: Method, dest: Endpoint, route: &LocalRoute) {
    let place = match route.place {
        Place::Host => "-",
        Place::Forward => "forward",
    };
    let stays = if route.is_packet_local { "stays" } else { "-" };
    let is_smuggled = route.is_from_outside && route.is_server_loopback;
    let origin = if is_smuggled { "smuggled" } else { "-" };
    let expected = match plan(["local", rows::of(method).local, place, stays, origin]) {
        "boundary" => Plan::RouteBoundary,
        "deliver" => Plan::Deliver(Edit {
            hop_limit: HopLimit::Keep,
            rewrite: rewrite(method, dest),
        }),
        other => panic!("{other}"),
    };
    assert_eq!(plan_local(method.row(), dest, route), expected);
}

fn rewrite(method: Method, to: Endpoint) -> Option<Rewrite> {
    let side = Side::Dest;
    rows::of(method).rewrites.then_some(Rewrite { side, to })
}
