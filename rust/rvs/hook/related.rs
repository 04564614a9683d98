// SPDX-License-Identifier: GPL-2.0
//! ICMP errors about packets of connections.
//!
//! An error quotes the packet that caused it. Turned round, the quoted packet is one that the
//! sender of the error might have sent: its connection is the error's, and so is its direction.

use super::{takes_requests, Path};
use crate::conn::Conn;
use crate::drops::Drop;
use crate::transmit;
use ipvs::icmp::{self, Quoted};
use ipvs::packet::{Packet, Transport};
use ipvs::proto::Direction;
use ipvs::xmit::Method;
use linux::netfilter::Point;
use linux::skb::{Skb, Verdict, PEEK};

impl<'g> Path<'g> {
    /// Looks whose connection an ICMP error is about; other messages are nobody's.
    pub(super) fn icmp(self, skb: Skb<'g>, packet: &Packet) -> Verdict {
        if packet.transport == Transport::Missing {
            return self.discard(skb, Drop::Truncated);
        }
        if !icmp::is_error_packet(packet) {
            return self.unknown(skb);
        }
        let Some(quoted) = icmp::quoted(skb.peek(&mut [0; PEEK]), packet) else {
            return skb.accept();
        };
        let Some(flow) = quoted.packet.flow() else {
            return skb.accept();
        };
        match self.netns.conns.find(&flow.reversed(), self.rcu) {
            Some((conn, Direction::Out)) => self.error_of_server(skb, packet, &quoted, conn),
            Some((conn, Direction::In)) if takes_errors(&skb) => {
                self.error_of_client(skb, packet, &quoted, conn)
            }
            _ => skb.accept(),
        }
    }

    /// Lets an error of a server, or of a router on the way to it, through to the client.
    fn error_of_server(
        self,
        mut skb: Skb<'g>,
        packet: &Packet,
        quoted: &Quoted,
        conn: Conn<'g>,
    ) -> Verdict {
        let standing = conn.standing();
        if standing.method() == Method::Nat {
            if let Err(reason) = transmit::error_to_client(self, &mut skb, packet, quoted, conn) {
                return self.discard(skb, reason);
            }
        }
        self.count(&skb, conn, Direction::Out);
        transmit::release(&mut skb, conn, standing, Direction::Out);
        skb.accept()
    }

    /// Sends an error of a client, or of a router on the way to it, to the server.
    fn error_of_client(
        self,
        skb: Skb<'g>,
        packet: &Packet,
        quoted: &Quoted,
        conn: Conn<'g>,
    ) -> Verdict {
        if conn.method() != Method::Nat {
            self.count(&skb, conn, Direction::In);
            return transmit::request(self, skb, packet, conn);
        }
        if !transmit::is_error_good(&skb, packet) {
            return self.discard(skb, Drop::Checksum);
        }
        self.count(&skb, conn, Direction::In);
        transmit::error_to_server(self, skb, packet, quoted, conn)
    }
}

/// Tells whether errors for servers are taken up where the packet is.
fn takes_errors(skb: &Skb<'_>) -> bool {
    skb.point() == Point::Forward || takes_requests(skb)
}
