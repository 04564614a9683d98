// SPDX-License-Identifier: GPL-2.0
//! The vectors A.1 to A.5 of the specification.

use super::fixture::{World, FULL};
use super::server::{some_flow, Server};
use super::tables::{hash32, hsiphash, SLOTS};
use ipvs::addr::{ipv4, ipv6, words, Addr, Endpoint, Family, Port};
use ipvs::flow::Flow;
use ipvs::hash::{self, Seed};
use ipvs::sched::{Options, Permutation, Scheduler, CHUNK};
use std::net::IpAddr;

const PLAIN: Options = Options {
    fallback: false,
    port: false,
};
const WITH_PORT: Options = Options {
    fallback: false,
    port: true,
};

fn addr(text: &str) -> Addr {
    match text.parse::<IpAddr>().unwrap() {
        IpAddr::V4(addr) => ipv4(addr.octets()),
        IpAddr::V6(addr) => ipv6(addr.octets()),
    }
}

fn from(client: &str) -> Flow {
    let end = Endpoint {
        addr: addr(client),
        port: Port::from_host(40_000),
    };
    Flow {
        source: end,
        dest: end,
        ..some_flow()
    }
}

fn to(service: &str) -> Flow {
    let end = Endpoint {
        addr: addr(service),
        port: Port::ANY,
    };
    Flow {
        source: end,
        dest: end,
        ..some_flow()
    }
}

/// Servers named A, B and so on in the order of addition.
fn named(scheduler: Scheduler, weights: &[u32]) -> World {
    let mut world = World::new(scheduler, Family::V4, PLAIN);
    for weight in weights {
        world.add(*weight, FULL);
    }
    world
}

fn letter(name: Option<u32>) -> char {
    name.map_or('-', |name| char::from(b'@' + u8::try_from(name).unwrap()))
}

fn slots(world: &World) -> String {
    world.slots().into_iter().map(letter).collect()
}

fn counts(world: &World) -> [usize; 3] {
    let slots = slots(world);
    ['C', 'B', 'A'].map(|name| slots.matches(name).count())
}

/// Picks for packets, to compare with the letters of the servers.
fn picks(world: &World, flows: impl IntoIterator<Item = Flow>) -> String {
    flows
        .into_iter()
        .map(|flow| letter(world.pick_for(&flow)))
        .collect()
}

/// A1: address, 8 bits, 10 bits, 8 bits with port 40000.
const HASHES: [(&str, usize, usize, Option<usize>); 9] = [
    ("10.0.0.1", 39, 159, Some(203)),
    ("10.0.0.2", 137, 550, Some(45)),
    ("192.0.2.1", 50, 203, Some(214)),
    ("192.0.2.254", 214, 856, Some(121)),
    ("198.51.100.7", 171, 684, Some(79)),
    ("203.0.113.99", 160, 643, Some(68)),
    ("2001:db8::1", 63, 252, None),
    ("2001:db8:1::2", 26, 106, None),
    ("fd00::1234", 33, 132, None),
];

#[test]
fn a1_dh_sh_and_lblc_use_the_places_of_the_specification() {
    // As many servers as places: the server picked tells the place.
    let place =
        |world: &World, flow| 256 - usize::try_from(world.pick_for(&flow).unwrap()).unwrap();
    let dh = World::of(Scheduler::Dh, &[1; 256]);
    let mut sh = World::of(Scheduler::Sh, &[1; 256]);
    for (text, eight, ten, with_port) in HASHES {
        let addr = addr(text);
        let folded = super::tables::fold(Family::of(addr), addr);
        assert_eq!((hash32(folded, 8), hash32(folded, 10)), (eight, ten));
        assert_eq!(place(&dh, to(text)), eight);
        sh.options = PLAIN;
        assert_eq!(place(&sh, from(text)), eight);
        sh.options = WITH_PORT;
        assert!(with_port.is_none_or(|port| place(&sh, from(text)) == port));
    }
}

#[test]
fn a2_dh() {
    let world = named(Scheduler::Dh, &[1, 1, 1]);
    assert!(slots(&world).starts_with("CBACBACBA"));
    assert_eq!(counts(&world), [86, 85, 85]);
    let services = ["10.0.0.1", "192.0.2.1", "198.51.100.7"];
    assert_eq!(picks(&world, services.map(to)), "CAC");
}

#[test]
fn a3_sh() {
    let world = named(Scheduler::Sh, &[1, 2, 3]);
    assert_eq!(slots(&world), "CCCBBA".repeat(43)[..256]);
    assert_eq!(counts(&world), [129, 85, 42]);
    let clients = ["10.0.0.1", "10.0.0.2", "192.0.2.1", "198.51.100.7"];
    assert_eq!(picks(&world, clients.map(from)), "BACB");

    let mut world = named(Scheduler::Sh, &[1, 0]);
    assert_eq!(slots(&world), "BA".repeat(128));
    assert_eq!(
        picks(&world, ["10.0.0.1", "10.0.0.2", "192.0.2.1"].map(from)),
        "AA-"
    );
    world.options.fallback = true;
    assert_eq!(picks(&world, ["192.0.2.1"].map(from)), "A");
}

/// A.4: client, hash, place and server without port, place and server with port 40000.
type Client = (&'static str, u32, usize, char, usize, char);

/// What mh does with A, B and C. It hashes four bytes as they are in memory, so that each byte order has numbers of its own.
struct Maglev {
    /// Offset and step of C, B and A.
    lists: [(u32, u32); 3],
    slots: &'static str,
    clients: [Client; 6],
    /// The servers of 10.0.0.1, 10.0.0.2, 192.0.2.1 and 198.51.100.7 with the weights 1, 2 and 4.
    weighted: &'static str,
}

/// Computed from the formulas, and seen on C.
const LITTLE: Maglev = Maglev {
    lists: [(2586, 2286), (870, 874), (4032, 1541)],
    slots: "BCCABBAACBBAABBBACBCAACBACCBCBAC",
    clients: [
        ("10.0.0.1", 0x0308_0ce4, 3711, 'B', 2940, 'C'),
        ("10.0.0.2", 0x41cf_de13, 1884, 'C', 273, 'B'),
        ("192.0.2.1", 0x9288_9c88, 2891, 'C', 3651, 'C'),
        ("192.0.2.254", 0x9106_f3ac, 2578, 'C', 3676, 'C'),
        ("198.51.100.7", 0xadb9_8ab6, 924, 'A', 1707, 'C'),
        ("203.0.113.99", 0x6ca4_10b8, 845, 'C', 1578, 'A'),
    ],
    weighted: "CCCA",
};

/// Computed from the same formulas over bytes in the other order; not taken from a run of C.
const BIG: Maglev = Maglev {
    lists: [(752, 2610), (860, 2262), (155, 1793)],
    slots: "CBCABACBCBBBCBAABBABCABACBCABACA",
    clients: [
        ("10.0.0.1", 0x59a4_2bb5, 3490, 'A', 1280, 'A'),
        ("10.0.0.2", 0x8f31_f850, 1719, 'C', 897, 'C'),
        ("192.0.2.1", 0x24a6_4ac8, 2878, 'C', 3936, 'C'),
        ("192.0.2.254", 0x99ea_2503, 1619, 'C', 171, 'B'),
        ("198.51.100.7", 0x72c4_ada1, 1674, 'A', 862, 'C'),
        ("203.0.113.99", 0x4c05_8cf0, 167, 'C', 2889, 'A'),
    ],
    weighted: "CCCC",
};

/// The vectors of the machine that the tests run on.
const MAGLEV: Maglev = if cfg!(target_endian = "big") {
    BIG
} else {
    LITTLE
};

/// Servers A to C at 10.0.0.11 to 13, port 80, as the vectors have them.
fn maglev(weights: [u32; 3]) -> World {
    let mut world = World::new(Scheduler::Mh, Family::V4, PLAIN);
    for (weight, last) in weights.into_iter().zip(11..) {
        let port = Port::from_host(80);
        let addr = ipv4([10, 0, 0, last]);
        let endpoint = Endpoint { addr, port };
        let permutation = Permutation::of(Family::V4, endpoint);
        let name = u32::from(last) - 10;
        world.join(
            Server {
                endpoint,
                permutation,
                ..Server::new(Family::V4, name, weight)
            },
            FULL,
        );
    }
    world
}

#[test]
fn a4_mh_slots() {
    let world = maglev([1; 3]);
    let lists = world.list().into_iter().map(|server| server.permutation);
    assert!(lists.eq(MAGLEV
        .lists
        .map(|(offset, skip)| Permutation::new(offset, skip - 1))));
    assert_eq!(slots(&world)[..32], *MAGLEV.slots);
    assert_eq!(counts(&world), [1365, 1364, 1364]);
    assert_eq!(counts(&maglev([1, 2, 4])), [2340, 1169, 584]);
}

#[test]
fn a4_mh_clients() {
    let mut world = maglev([1; 3]);
    // A table with a server of its own for each place tells the place.
    let mut places = World::of(Scheduler::Mh, &[1; SLOTS]);
    let end = u16::try_from(places.chunks() * CHUNK).unwrap();
    places.table = (0..end).map(|number| end - number).take(SLOTS).collect();
    let place = |world: &World, flow| usize::try_from(world.pick_for(&flow).unwrap() - 1).unwrap();
    for (client, hash, plain, server, with_port, server_with_port) in MAGLEV.clients {
        let number = u32::from_be(words(addr(client))[0]);
        let seed = Seed([2_654_435_761; 2]);
        assert_eq!(
            hash::short(&seed, u32::from_le_bytes(number.to_ne_bytes())),
            hash
        );
        assert_eq!(hsiphash(number, 2_654_435_761), hash);
        let flow = from(client);
        (world.options, places.options) = (PLAIN, PLAIN);
        assert_eq!(
            (place(&places, flow), letter(world.pick_for(&flow))),
            (plain, server)
        );
        (world.options, places.options) = (WITH_PORT, WITH_PORT);
        assert_eq!(
            (place(&places, flow), letter(world.pick_for(&flow))),
            (with_port, server_with_port)
        );
    }
    let clients = ["10.0.0.1", "10.0.0.2", "192.0.2.1", "198.51.100.7"];
    assert_eq!(
        picks(&maglev([1, 2, 4]), clients.map(from)),
        MAGLEV.weighted
    );
}

#[test]
fn a5_sequences() {
    let sequence = |scheduler, weights: &[u32]| {
        let world = named(scheduler, weights);
        (0..14).map(|_| letter(world.pick())).collect::<String>()
    };
    assert_eq!(sequence(Scheduler::Rr, &[1, 1, 1]), "CBACBACBACBACB");
    assert_eq!(sequence(Scheduler::Wrr, &[1, 1, 1]), "CBACBACBACBACB");
    assert_eq!(sequence(Scheduler::Wrr, &[1, 2, 4]), "CBACCCBCBACCCB");
    assert_eq!(sequence(Scheduler::Wrr, &[2, 4]), "BABBABBABBABBA");
    assert_eq!(sequence(Scheduler::Wrr, &[3, 0, 3]), "CACACACACACACA");
    // C, B, A there are A, B, C here.
    assert_eq!(sequence(Scheduler::Wrr, &[4, 2, 1]), "CBAAABACBAAABA");
}
