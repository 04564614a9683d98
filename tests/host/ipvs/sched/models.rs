// SPDX-License-Identifier: GPL-2.0
//! Schedulers read from the specification, for people rather than for speed.

use super::fixture::draw;
use super::server::{List, Server};
use super::tables::{Dh, Mh, Sh};
use ipvs::addr::Family;
use ipvs::flow::Flow;
use ipvs::sched::{Options, Scheduler};

/// Where a search begins: after a server, or at the head of the list.
type Place = Option<u32>;

/// A change of the set, with the list before it where that matters.
pub enum Event<'a> {
    Bound,
    Added,
    Removed(u32, &'a List),
    Edited,
}

pub trait Model {
    /// The list is the one after the event.
    fn changed(&mut self, _event: &Event<'_>, _list: &List) {}
    fn pick(&mut self, list: &List, flow: &Flow) -> Option<u32>;
}

/// A choice that needs nothing but the list.
struct Walk(fn(&List) -> Option<&Server>);

impl Model for Walk {
    fn pick(&mut self, list: &List, _flow: &Flow) -> Option<u32> {
        (self.0)(list).map(|server| server.name)
    }
}

pub fn model(scheduler: Scheduler, family: Family, options: Options, draws: u64) -> Box<dyn Model> {
    match scheduler {
        Scheduler::None => Box::new(Walk(|_| None)),
        Scheduler::Rr => Box::new(Rr::default()),
        Scheduler::Wrr => Box::new(Wrr::default()),
        Scheduler::Lc => Box::new(Walk(lc)),
        Scheduler::Wlc | Scheduler::Lblc | Scheduler::Lblcr => Box::new(Walk(wlc)),
        Scheduler::Fo => Box::new(Walk(fo)),
        Scheduler::Ovf => Box::new(Walk(ovf)),
        Scheduler::Sed => Box::new(Walk(sed)),
        Scheduler::Nq => Box::new(Walk(nq)),
        Scheduler::Twos => Box::new(Twos { draws }),
        Scheduler::Dh => Box::new(Dh::default()),
        Scheduler::Sh => Box::new(Sh::new(options)),
        Scheduler::Mh => Box::new(Mh::new(family, options)),
    }
}

fn position(list: &List, place: Place) -> Option<usize> {
    place.map(|name| list.iter().position(|server| server.name == name).unwrap())
}

/// 5.1.
#[derive(Default)]
struct Rr {
    cursor: Place,
}

impl Model for Rr {
    fn changed(&mut self, event: &Event<'_>, _list: &List) {
        match event {
            Event::Bound => self.cursor = None,
            Event::Removed(name, before) if self.cursor == Some(*name) => {
                let at = position(before, self.cursor).unwrap();
                self.cursor = at.checked_sub(1).map(|previous| before[previous].name);
            }
            _ => {}
        }
    }

    fn pick(&mut self, list: &List, _flow: &Flow) -> Option<u32> {
        let first = position(list, self.cursor).map_or(0, |at| at + 1);
        let order = (first..list.len()).chain(0..first);
        for at in order {
            if list[at].takes() {
                self.cursor = Some(list[at].name);
                return self.cursor;
            }
        }
        None
    }
}

/// 5.2: steps down one divisor at a time.
#[derive(Default)]
struct Wrr {
    cl: Place,
    di: i64,
    mw: i64,
    cw: i64,
}

pub fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 {
        a
    } else {
        gcd(b, a % b)
    }
}

impl Model for Wrr {
    fn changed(&mut self, event: &Event<'_>, list: &List) {
        let weights = || list.iter().map(|server| i64::from(server.weight));
        self.di = weights().fold(0, |all, weight| gcd(weight, all)).max(1);
        self.mw = weights().max().unwrap_or(0) - (self.di - 1);
        self.mw = self.mw.max(0);
        self.cl = None;
        if matches!(event, Event::Bound) || self.cw > self.mw || self.cw == 0 {
            self.cw = self.mw;
        } else if self.di > 1 {
            self.cw = self.cw / self.di * self.di + 1;
        }
    }

    fn pick(&mut self, list: &List, _flow: &Flow) -> Option<u32> {
        if self.mw == 0 {
            return None;
        }
        let start = position(list, self.cl);
        let (mut from, mut stop) = (start.map_or(0, |at| at + 1), None);
        let (mut last_pass, mut restarted) = (false, false);
        loop {
            for at in from..list.len() {
                if !list[at].overloaded && i64::from(list[at].weight) >= self.cw {
                    self.cl = Some(list[at].name);
                    return self.cl;
                }
                if stop == Some(at) {
                    self.cl = Some(list[at].name);
                    return None;
                }
            }
            from = 0;
            self.cw -= self.di;
            if self.cw <= 0 {
                self.cw = self.mw;
                if last_pass || start.is_none() {
                    self.cl = None;
                    return None;
                }
                restarted = true;
            }
            last_pass = self.cw <= self.di;
            if last_pass && restarted {
                stop = start;
            }
        }
    }
}

pub fn load(server: &Server) -> i128 {
    256 * i128::from(server.active) + i128::from(server.total)
}

/// The first of a list that no later one is better than.
fn best<'a>(
    list: &'a List,
    may: impl Fn(&Server) -> bool,
    better: impl Fn(&Server, &Server) -> bool,
) -> Option<&'a Server> {
    let mut best: Option<&Server> = None;
    for server in list {
        if may(server) && best.is_none_or(|best| better(server, best)) {
            best = Some(server);
        }
    }
    best
}

/// 5.3.
fn lc(list: &List) -> Option<&Server> {
    best(list, Server::takes, |new, best| load(new) < load(best))
}

/// Whether the cost for its weight is strictly less.
fn cheaper(cost: fn(&Server) -> i128) -> impl Fn(&Server, &Server) -> bool {
    move |new, best| cost(best) * i128::from(new.weight) > cost(new) * i128::from(best.weight)
}

/// 5.4.
pub fn wlc(list: &List) -> Option<&Server> {
    let first = list.iter().position(Server::takes)?;
    let mut best = &list[first];
    for server in &list[first + 1..] {
        if !server.overloaded && cheaper(load)(server, best) {
            best = server;
        }
    }
    Some(best)
}

/// 5.5.
fn fo(list: &List) -> Option<&Server> {
    best(list, Server::takes, |new, best| new.weight > best.weight)
}

/// 5.6.
fn ovf(list: &List) -> Option<&Server> {
    let may = |server: &Server| server.takes() && server.active <= server.weight;
    best(list, may, |new, best| new.weight > best.weight)
}

fn delay(server: &Server) -> i128 {
    i128::from(server.active) + 1
}

/// 5.7.
fn sed(list: &List) -> Option<&Server> {
    best(list, Server::takes, cheaper(delay))
}

/// 5.8.
fn nq(list: &List) -> Option<&Server> {
    let idle = list
        .iter()
        .find(|server| server.takes() && server.active == 0);
    idle.or_else(|| sed(list))
}

/// 5.9.
struct Twos {
    draws: u64,
}

/// The first server where a draw, less the weights so far, is used up.
pub fn drawn(list: &List, draw: u64) -> Option<&Server> {
    let mut rest = i128::from(draw);
    let able = || list.iter().filter(|server| server.takes());
    let mut order = able();
    let found = order.find(|server| {
        rest -= i128::from(server.weight);
        rest <= 0
    });
    found.or_else(|| able().next_back())
}

pub fn better_of<'a>(first: &'a Server, second: &'a Server) -> &'a Server {
    if i128::from(second.weight) * load(first) > i128::from(first.weight) * load(second) {
        second
    } else {
        first
    }
}

impl Model for Twos {
    fn pick(&mut self, list: &List, _flow: &Flow) -> Option<u32> {
        let able = list.iter().filter(|server| server.takes());
        let total = able.map(|server| u64::from(server.weight)).sum();
        if total == 0 {
            return None;
        }
        let mut next = || {
            self.draws += 1;
            drawn(list, draw(self.draws - 1, total))
        };
        let (first, second) = (next()?, next()?);
        Some(better_of(first, second).name)
    }
}
