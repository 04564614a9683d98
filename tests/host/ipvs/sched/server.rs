// SPDX-License-Identifier: GPL-2.0
//! Servers that count how often they are asked something, and packets for them.

use ipvs::addr::{ipv4, ipv6, Endpoint, Family, Port};
use ipvs::flow::Flow;
use ipvs::proto::Transport;
use ipvs::sched::{self, Permutation};

/// The list as users see it, newest first.
pub type List = Vec<Server>;

/// What a decision cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// How often a server was asked something.
    pub looks: usize,
    /// How often the view was asked for an aggregate.
    pub aggregates: usize,
}

thread_local! {
    static EFFORT: std::cell::Cell<Effort> = const { std::cell::Cell::new(Effort { looks: 0, aggregates: 0 }) };
}

/// Adds to what the present decision costs.
pub fn note(how: impl Fn(&mut Effort)) {
    let mut effort = EFFORT.get();
    how(&mut effort);
    EFFORT.set(effort);
}

/// Returns what a call returns and what it cost.
pub fn measured<R>(call: impl FnOnce() -> R) -> (R, Effort) {
    EFFORT.set(Effort::default());
    (call(), EFFORT.get())
}

#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub name: u32,
    pub weight: u32,
    pub last_weight: u32,
    pub active: u32,
    pub total: u32,
    pub overloaded: bool,
    pub linked: bool,
    pub endpoint: Endpoint,
    pub permutation: Permutation,
}

fn look<T>(field: T) -> T {
    note(|effort| effort.looks += 1);
    field
}

impl Server {
    pub fn new(family: Family, name: u32, weight: u32) -> Server {
        let endpoint = endpoint(name);
        Server {
            name,
            weight,
            last_weight: weight,
            active: 0,
            total: 0,
            overloaded: false,
            linked: true,
            endpoint,
            permutation: Permutation::of(family, endpoint),
        }
    }

    /// Whether no scheduler but lblc may pass it over, and none choose it otherwise.
    pub fn takes(&self) -> bool {
        self.weight > 0 && !self.overloaded
    }
}

impl sched::Server for Server {
    fn weight(&self) -> u32 {
        look(self.weight)
    }

    fn last_weight(&self) -> u32 {
        look(self.last_weight)
    }

    fn active(&self) -> u32 {
        look(self.active)
    }

    fn total(&self) -> u32 {
        look(self.total)
    }

    fn is_overloaded(&self) -> bool {
        look(self.overloaded)
    }

    fn is_linked(&self) -> bool {
        look(self.linked)
    }

    fn permutation(&self) -> Permutation {
        look(self.permutation)
    }
}

/// An address and a port for each name, some of the other family.
pub fn endpoint(name: u32) -> Endpoint {
    let [_, high, middle, low] = name.to_be_bytes();
    let addr = if name % 5 == 4 {
        ipv6([
            0x20, 1, 0xd, 0xb8, 0, 0, 0, high, 0, 7, 0, 0, 0, 0, middle, low,
        ])
    } else {
        ipv4([10, high, middle, low])
    };
    let port = Port::from_host(if name % 3 == 0 { 80 } else { 8080 });
    Endpoint { addr, port }
}

/// One of 2^16 packets of a family; near seeds have the same client.
pub fn flow(family: Family, seed: u16) -> Flow {
    let [client, how] = seed.to_be_bytes();
    let end = |last, port| Endpoint {
        addr: match family {
            Family::V4 => ipv4([198, 51, 100, last]),
            Family::V6 => ipv6([0xfd, 0, 0, 0, 1, last, 0, 0, 0, 0, 0, 3, 0, 0, last, 9]),
        },
        port: Port::from_host(port),
    };
    let transports = [Transport::Tcp, Transport::Udp];
    Flow {
        transport: transports[usize::from(how % 2)],
        source: end(client, 40_000 + u16::from(how)),
        dest: end(how, 80),
    }
}

/// A packet where it does not matter which.
pub fn some_flow() -> Flow {
    flow(Family::V4, 0)
}
