// SPDX-License-Identifier: GPL-2.0
//! Connections of the first namespace: found from both sides, counted on their servers.

#[kernel::prelude::kunit_tests(rvs_conn)]
mod tests {
    use super::*;

    #[test]
    fn nat_is_found_by_the_original_and_by_the_servers_reply() -> Result {
        let (netns, dest) = setting()?;
        let flow = flow(1);
        assert!(create(&netns, &flow, Method::Nat, &dest));
        assert_eq!(found(&netns, &flow), Some(Direction::Original));
        let reply = Flow {
            source: server(),
            dest: flow.source,
            ..flow
        };
        assert_eq!(found(&netns, &reply), Some(Direction::Reply));
        assert_eq!(found(&netns, &flow.reversed()), None);
        end(&netns, &flow);
        assert_eq!(found(&netns, &flow), None);
        assert_eq!(found(&netns, &reply), None);
        assert_eq!(dest.total(), 0);
        Ok(())
    }

    #[test]
    fn direct_routing_is_found_by_the_vips_reply() -> Result {
        let (netns, dest) = setting()?;
        let flow = flow(2);
        assert!(create(&netns, &flow, Method::Direct, &dest));
        assert_eq!(found(&netns, &flow), Some(Direction::Original));
        assert_eq!(found(&netns, &flow.reversed()), Some(Direction::Reply));
        end(&netns, &flow);
        assert_eq!(found(&netns, &flow), None);
        Ok(())
    }

    #[test]
    fn server_counts_what_its_connections_do() -> Result {
        let (netns, dest) = setting()?;
        let flow = flow(3);
        assert!(create(&netns, &flow, Method::Nat, &dest));
        assert_eq!((dest.active(), dest.inactive()), (0, 1));
        see(&netns, &flow, Flags::SYN);
        assert_eq!((dest.active(), dest.inactive()), (1, 0));
        see(&netns, &flow, Flags::ACK);
        assert_eq!((dest.active(), dest.inactive()), (1, 0));
        see(&netns, &flow, Flags::RST);
        assert_eq!((dest.active(), dest.inactive()), (0, 1));
        end(&netns, &flow);
        assert_eq!((dest.active(), dest.inactive()), (0, 0));
        Ok(())
    }

    #[test]
    fn time_left_follows_the_state() -> Result {
        let (netns, dest) = setting()?;
        let flow = flow(4);
        assert!(create(&netns, &flow, Method::Nat, &dest));
        assert_eq!(left(&netns, &flow), Some(2));
        see(&netns, &flow, Flags::ACK);
        assert_eq!(left(&netns, &flow), Some(899));
        see(&netns, &flow, Flags::RST);
        assert_eq!(left(&netns, &flow), Some(9));
        end(&netns, &flow);
        Ok(())
    }

    #[test]
    fn refused_connection_is_not_counted() -> Result {
        let (netns, dest) = setting()?;
        let flow = flow(5);
        let refused = rcu::read(|rcu| {
            let new = new(&netns.conns, &flow, Method::Nat, dest.borrow(rcu));
            netns.conns.create(new, 0, Jiffies::now(), rcu).err()
        });
        assert_eq!(refused, Some(Refused::Full));
        assert_eq!(dest.total(), 0);
        Ok(())
    }

    #[test]
    fn connection_for_one_packet_is_found_by_none_and_counts_until_it_goes() -> Result {
        let (netns, dest) = setting()?;
        let (flow, before) = (flow(8), netns.conns.count());
        let seen = rcu::read(|rcu| {
            let new = New {
                flags: flags::ONE_PACKET,
                ..new(&netns.conns, &flow, Method::Nat, dest.borrow(rcu))
            };
            let made = netns.conns.create(new, u64::MAX, Jiffies::now(), rcu);
            let made = made.ok()?;
            let known = made
                .conn
                .server(rcu)
                .is_some_and(|server| server.is_available());
            Some((known, made.conn.dest(), dest.total(), netns.conns.count()))
        });
        let held = before.wrapping_add(1);
        assert_eq!(seen, Some((true, server(), 1, held)));
        assert_eq!(found(&netns, &flow), None);
        assert_eq!((dest.total(), netns.conns.count()), (0, before));
        Ok(())
    }

    #[test]
    fn sweep_ends_connections_of_servers_that_left() -> Result {
        let (netns, dest) = setting()?;
        let (_, stays) = setting()?;
        assert!(create(&netns, &flow(6), Method::Nat, &dest));
        assert!(create(&netns, &flow(7), Method::Nat, &stays));
        dest.leave();
        netns.conns.sweep();
        let swept = wait_until(|| found(&netns, &flow(6)).is_none());
        assert!(swept);
        assert_eq!(found(&netns, &flow(7)), Some(Direction::Original));
        end(&netns, &flow(7));
        assert_eq!((dest.total(), stays.total()), (0, 0));
        Ok(())
    }

    #[test]
    fn sweeps_against_a_flood_end_what_is_half_open() -> Result {
        let (netns, dest) = setting()?;
        let (half, whole) = (flow(20), flow(21));
        for flow in [&half, &whole] {
            assert!(create(&netns, flow, Method::Nat, &dest));
            see(&netns, flow, Flags::SYN);
        }
        see(&netns, &whole, Flags::ACK);
        // Each meets a 32nd of the connections.
        let swept = wait_until(|| {
            netns.conns.thin_out();
            found(&netns, &half).is_none()
        });
        assert!(swept);
        for _ in 0..200 {
            netns.conns.thin_out();
            rcu::synchronize();
        }
        assert_eq!(found(&netns, &whole), Some(Direction::Original));
        end(&netns, &whole);
        assert_eq!((dest.active(), dest.inactive()), (0, 0));
        Ok(())
    }

    #[test]
    fn template_is_found_by_its_key_alone_and_held_by_its_connection() -> Result {
        let (netns, dest) = setting()?;
        let (service, flow) = (ServiceKey::of_mark(Family::V4, 9), flow(8));
        let key = TemplateKey::of(&service, 0, &flow);
        assert!(make_template(&netns, &key, &dest));
        assert_eq!(found(&netns, &key.flow), None);
        assert_eq!((dest.persistent(), dest.total()), (1, 0));
        assert!(create_held(&netns, &flow, &key, &dest));
        let ended = with_template(&netns, &key, |template| template.end());
        assert!(ended.is_some() && with_template(&netns, &key, |_| ()).is_some());
        see(&netns, &flow, Flags::ACK);
        let name = with_template(&netns, &key, |template| template.state_name());
        assert_eq!(name, Some("ASSURED"));
        rcu::read(|rcu| {
            if let Some((conn, _)) = netns.conns.find(&flow, rcu) {
                conn.end_with_template(rcu);
            }
        });
        assert_eq!(with_template(&netns, &key, |_| ()), None);
        assert_eq!((dest.persistent(), dest.total()), (0, 0));
        Ok(())
    }

    #[test]
    fn stale_template_is_not_used_again() -> Result {
        let (netns, dest) = setting()?;
        let service = ServiceKey::of_mark(Family::V4, 10);
        let key = TemplateKey::of(&service, 0, &flow(9));
        assert!(make_template(&netns, &key, &dest));
        let port = with_template(&netns, &key, |template| {
            template.make_stale();
            template.shown_dest().port
        });
        assert_eq!(port, Some(Port::from_host(65535)));
        assert_eq!(with_template(&netns, &key, |_| ()), None);
        dest.leave();
        netns.conns.sweep();
        assert!(wait_until(|| dest.persistent() == 0));
        Ok(())
    }

    #[test]
    fn storm_leaves_the_servers_counts_at_zero() -> Result {
        let (netns, dest) = setting()?;
        let storms = [storm(&netns, &dest, 1)?, storm(&netns, &dest, 2)?];
        for storm in &storms {
            storm.schedule(Ticks(0));
        }
        let ended = wait_until(|| {
            storms
                .iter()
                .all(|storm| storm.rounds.load(Relaxed) == ROUNDS)
        });
        assert!(ended);
        drop(storms);
        for port in 0..PORTS {
            end(&netns, &flow(port));
        }
        assert_eq!((dest.active(), dest.total()), (0, 0));
        Ok(())
    }
}

use crate::conn::{Conn, Conns, EntryKind, New};
use crate::control::Session;
use crate::dest::Dest;
use crate::kunit::fixture::SERVER;
use crate::netns::Netns;
use ipvs::addr::{ipv4, Endpoint, Family, Port};
use ipvs::conn::template::TemplateKey;
use ipvs::flags::conn as flags;
use ipvs::flow::Flow;
use ipvs::packet::tcp::Flags;
use ipvs::packet::Header;
use ipvs::proto::{Direction, Event, Guard, Transport};
use ipvs::service::{DestKey, DestSettings, ServiceKey};
use ipvs::xmit::Method;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use linux::clock::{Jiffies, Ticks};
use linux::net::Net;
use linux::rcu::{self, Arc, Borrow, Reader};
use linux::table::Refused;
use linux::work::{Delayed, Task};

/// The first namespace, with a table, and a server of no service.
fn setting() -> Result<(Arc<Netns>, Arc<Dest>)> {
    let netns = Netns::get(Net::init())?;
    let session = Session::begin(Net::init(), &netns);
    netns.conns.open()?;
    drop(session);
    let key = DestKey {
        addr: server().addr,
        port: server().port,
    };
    let service = ServiceKey::of_mark(Family::V4, 1);
    let settings = DestSettings {
        method: Method::Nat,
        ..SERVER
    };
    let dest = Arc::pin_init(Dest::new(key, service, &settings), GFP_KERNEL)?;
    dest.join(1, 1);
    Ok((netns, dest))
}

fn end_at(last: u8, port: u16) -> Endpoint {
    Endpoint {
        addr: ipv4([192, 0, 2, last]),
        port: Port::from_host(port),
    }
}

fn server() -> Endpoint {
    end_at(2, 8080)
}

/// From a client's port to the virtual service.
fn flow(port: u16) -> Flow {
    Flow {
        transport: Transport::Tcp,
        source: end_at(9, port.wrapping_add(1)),
        dest: end_at(1, 80),
    }
}

fn new<'a, 'g>(
    conns: &Conns,
    flow: &'a Flow,
    method: Method,
    dest: Borrow<'g, Dest>,
) -> New<'a, 'g> {
    New {
        flow,
        hash: conns.hash(flow),
        server: Some(dest),
        method,
        dest: server(),
        mark: 0,
        flags: 0,
        kind: EntryKind::Connection(None),
    }
}

fn create(netns: &Netns, flow: &Flow, method: Method, dest: &Arc<Dest>) -> bool {
    rcu::read(|rcu| {
        let new = new(&netns.conns, flow, method, dest.borrow(rcu));
        netns
            .conns
            .create(new, u64::MAX, Jiffies::now(), rcu)
            .is_ok()
    })
}

/// Makes the template that `key` finds.
fn make_template(netns: &Netns, key: &TemplateKey, dest: &Arc<Dest>) -> bool {
    rcu::read(|rcu| {
        let template = EntryKind::Template {
            timeout: Ticks::from_seconds(300),
            is_of_mark: key.is_of_mark,
            data: None,
        };
        let new = New {
            kind: template,
            ..new(&netns.conns, &key.flow, Method::Nat, dest.borrow(rcu))
        };
        let made = netns.conns.create(new, u64::MAX, Jiffies::now(), rcu);
        made.is_ok()
    })
}

/// Makes a connection that the template holds.
fn create_held(netns: &Netns, flow: &Flow, key: &TemplateKey, dest: &Arc<Dest>) -> bool {
    rcu::read(|rcu| {
        let template = netns.conns.find_template(key, None, rcu);
        let hold = template.and_then(|template| template.hold().ok());
        let new = New {
            kind: EntryKind::Connection(hold),
            ..new(&netns.conns, flow, Method::Nat, dest.borrow(rcu))
        };
        let made = netns.conns.create(new, u64::MAX, Jiffies::now(), rcu);
        made.is_ok_and(|made| made.conn.controller(rcu).is_some())
    })
}

fn with_template<R>(
    netns: &Netns,
    key: &TemplateKey,
    what: impl for<'g> FnOnce(Conn<'g>) -> R,
) -> Option<R> {
    rcu::read(|rcu| Some(what(netns.conns.find_template(key, None, rcu)?)))
}

fn with<R>(
    netns: &Netns,
    flow: &Flow,
    what: impl for<'g> FnOnce(Conn<'g>, Direction, Reader<'g>) -> R,
) -> Option<R> {
    rcu::read(|rcu| {
        let (conn, direction) = netns.conns.find(flow, rcu)?;
        Some(what(conn, direction, rcu))
    })
}

fn found(netns: &Netns, flow: &Flow) -> Option<Direction> {
    with(netns, flow, |_, direction, _| direction)
}

fn left(netns: &Netns, flow: &Flow) -> Option<u32> {
    with(netns, flow, |conn, _, _| {
        // A tick may have passed.
        let left = conn.time_left(Jiffies::now());
        Ticks(left.0.saturating_sub(1)).seconds()
    })
}

fn end(netns: &Netns, flow: &Flow) {
    while with(netns, flow, |conn, _, _| conn.end()).is_some() {}
}

fn see(netns: &Netns, flow: &Flow, flags: Flags) {
    with(netns, flow, |conn, direction, rcu| {
        let event = Event {
            direction,
            header: Header::Tcp(flags),
            guard: Guard::Normal,
        };
        let timeouts = netns.config.timeouts.get();
        conn.update_state(&event, &timeouts, Jiffies::now(), rcu);
    });
}

/// Waits for something that should come true within seconds; returns whether it did.
fn wait_until(done: impl Fn() -> bool) -> bool {
    let start = Jiffies::now();
    while !done() {
        if Jiffies::now().since(start) > Ticks::from_seconds(60) {
            return false;
        }
        rcu::synchronize();
    }
    true
}

/// Ports that a storm uses.
const PORTS: u16 = 64;
/// Rounds of a storm.
const ROUNDS: u32 = 50;

/// Makes, moves and ends connections that another storm uses too.
struct Storm {
    netns: Arc<Netns>,
    dest: Arc<Dest>,
    stride: u16,
    rounds: Atomic<u32>,
}

fn storm(netns: &Arc<Netns>, dest: &Arc<Dest>, stride: u16) -> Result<Pin<KBox<Delayed<Storm>>>> {
    let storm = Storm {
        netns: netns.clone(),
        dest: dest.clone(),
        stride,
        rounds: Atomic::new(0),
    };
    Ok(KBox::pin_init(Delayed::new(storm), GFP_KERNEL)?)
}

impl Task for Storm {
    fn run(&self) -> Option<Ticks> {
        for step in 0..PORTS.wrapping_mul(4) {
            let flow = flow(step.wrapping_mul(self.stride) % PORTS);
            if found(&self.netns, &flow).is_none() {
                create(&self.netns, &flow, Method::Nat, &self.dest);
            }
            let flags = [Flags::SYN, Flags::ACK, Flags::FIN, Flags::RST];
            for flag in flags {
                see(&self.netns, &flow, flag);
            }
            if step % 3 == 0 {
                end(&self.netns, &flow);
            }
        }
        let rounds = self.rounds.fetch_add(1, Relaxed).wrapping_add(1);
        (rounds < ROUNDS).then_some(Ticks(0))
    }
}
