// SPDX-License-Identifier: GPL-2.0
//! Where the words of the references become values of crate `ipvs`, and what the kernel's side does
//! with the values that it gets.

use crate::slow::headers::{Facts, Fault, Seen};
use crate::slow::sum;
use ipvs::addr::{Addr, Family, Port, Protocol};
use ipvs::conn::state::ConnState;
use ipvs::flow::Flow;
use ipvs::packet::checksum::{Field, Sum};
use ipvs::packet::icmp::CHECKSUM;
use ipvs::packet::sctp::{Chunk, Chunks, Seal};
use ipvs::packet::tcp::Flags;
use ipvs::packet::{Fragment, Header, Malformed, Packet};
use ipvs::proto::{Creation, Role, Transport};
use ipvs::xmit::{Checksum, Method};

/// Returns all forwarding methods.
pub fn methods() -> impl Iterator<Item = Method> {
    (0..8).map(Method::from_number)
}

/// Returns all transport protocols that have a row.
pub fn transports() -> Vec<Transport> {
    let all = (0..=u8::MAX).map(Protocol);
    all.filter_map(Transport::of).collect()
}

/// Returns the rule for first packets of all protocols.
pub fn creation(is_sloppy: bool) -> Creation {
    Creation {
        sloppy_tcp: is_sloppy,
        sloppy_sctp: is_sloppy,
    }
}

/// Returns all protocols whose packets belong to connections; of IPv6 authentication is no protocol
/// but an extension header.
pub fn carried(family: Family) -> Vec<Protocol> {
    let all = (0..=u8::MAX).map(Protocol);
    let of_conns = |protocol: &Protocol| match Role::of(family, *protocol) {
        Role::Transport(_) | Role::Follower => true,
        Role::Icmp | Role::Other => false,
    };
    let is_extension = |protocol: &Protocol| family == Family::V6 && protocol.0 == 51;
    all.filter(|protocol| of_conns(protocol) && !is_extension(protocol))
        .collect()
}

/// Returns what becomes of a connection in a state that `drop_entry` meets.
pub fn dropped(transport: Transport, conn: ConnState) -> String {
    format!("{:?}", transport.judge(conn.state)).to_lowercase()
}

/// Returns the error that tells of a fault.
pub fn error(fault: Fault) -> Malformed {
    match fault {
        Fault::Short => Malformed::Truncated,
        Fault::Version => Malformed::Version,
        Fault::Length => Malformed::Length,
        Fault::Headers => Malformed::Headers,
    }
}

/// Returns the ICMP of a family.
pub fn icmp(family: Family) -> Protocol {
    match family {
        Family::V4 => Protocol::ICMP,
        Family::V6 => Protocol::ICMPV6,
    }
}

/// Returns the bytes of an address.
pub fn octets(addr: Addr) -> Vec<u8> {
    match addr.to_ip() {
        std::net::IpAddr::V4(addr) => addr.octets().to_vec(),
        std::net::IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

/// Returns the packet with these facts.
pub fn packet(facts: &Facts) -> Packet {
    let family = if facts.version == 4 {
        Family::V4
    } else {
        Family::V6
    };
    let addr = |bytes: &[u8]| family.read(bytes).expect("all of an address");
    let ports = facts.ports;
    Packet {
        protocol: Protocol(facts.protocol),
        source: addr(&facts.source),
        dest: addr(&facts.dest),
        transport_offset: facts.transport as u16,
        length: facts.length as u32,
        fragment: match facts.fragment {
            None => Fragment::Whole,
            Some((0, false)) if family == Family::V4 => Fragment::Whole,
            Some((0, _)) => Fragment::First,
            Some(_) => Fragment::Later,
        },
        hop_limit: facts.hops,
        dont_fragment: !facts.may_be_cut,
        ports: ports.map(|(source, dest)| (Port::from_host(source), Port::from_host(dest))),
        header: match facts.header {
            Seen::Nothing => Header::Missing,
            Seen::Flags(flags) => Header::Tcp(Flags(flags)),
            Seen::HasChecksum(summed) => Header::Udp { summed },
            Seen::TypeAndCode(kind, code) => Header::Icmp { kind, code },
            Seen::Chunks(chunks) => Header::Sctp(Chunks::new(chunk(chunks.said))),
            Seen::NotLookedInto => Header::Other,
        },
    }
}

/// Compares the connection that a packet may belong to: AH and ESP follow that of UDP port 500.
#[track_caller]
pub fn assert_same_conn(flow: Option<Flow>, packet: &Packet, facts: &Facts) {
    let expected = match (facts.protocol, facts.ports) {
        (6 | 17 | 132, Some(ports)) => Some((facts.protocol, ports)),
        (50 | 51, _) => Some((17, (500, 500))),
        _ => None,
    };
    assert_eq!(flow.is_some(), expected.is_some());
    if let (Some(flow), Some((protocol, ports))) = (flow, expected) {
        let found = (flow.source.port.host(), flow.dest.port.host());
        assert_eq!((flow.transport.protocol().0, found), (protocol, ports));
        assert_eq!(flow.source.addr, packet.source);
        assert_eq!(flow.dest.addr, packet.dest);
    }
}

fn chunk(said: &str) -> Chunk {
    match said {
        "nothing" => Chunk::Missing,
        "DATA" => Chunk::Data,
        "INIT" => Chunk::Init,
        "INIT_ACK" => Chunk::InitAck,
        "ABORT" => Chunk::Abort,
        "SHUTDOWN" => Chunk::Shutdown,
        "SHUTDOWN_ACK" => Chunk::ShutdownAck,
        "ERROR" => Chunk::Error,
        "COOKIE_ECHO" => Chunk::CookieEcho,
        "COOKIE_ACK" => Chunk::CookieAck,
        "SHUTDOWN_COMPLETE" => Chunk::ShutdownComplete,
        "COOKIE_ABORT" => Chunk::CookieAbort,
        said => panic!("{said}"),
    }
}

/// Compares a packet with the facts; what it says is not read yet is read then.
#[track_caller]
pub fn assert_same(found: Packet, facts: &Facts) {
    let place = match facts.header {
        Seen::Chunks(chunks) => chunks
            .unread
            .map(|unread| (facts.transport + unread) as u32),
        _ => None,
    };
    assert_eq!(found.unread(), place);
    // Another chunk than an abort changes nothing.
    assert_eq!(found.with_unread([0; 4]), packet(facts));
    if place.is_some() {
        let header = Header::Sctp(Chunks::new(Chunk::CookieAbort));
        assert_eq!(found.with_unread([6, 0, 0, 4]).header, header);
    }
}

/// How a packet leaves.
#[derive(Clone, Copy)]
pub struct Output {
    /// It becomes many on the wire.
    pub is_many: bool,
    /// The device makes checksums by CRC32c.
    pub makes_crc: bool,
}

/// Where it does not matter.
pub const ANY_OUTPUT: Output = Output {
    is_many: false,
    makes_crc: false,
};

/// Does what an edit left to do for the transport checksum of a packet, all of whose bytes are `bytes`.
pub fn finish(done: Checksum, packet: &Packet, bytes: &mut [u8], output: Output) {
    let transport = usize::from(packet.transport_offset);
    let summed = |start: Sum, bytes: &[u8]| {
        let sum = start.bytes(&bytes[transport..packet.length as usize]);
        // The kernel goes on with it, and gives it back.
        Sum::from_raw(sum.raw())
    };
    match done {
        Checksum::Untouched | Checksum::Updated => {}
        Checksum::Sum(start) => {
            let sum = summed(start, bytes);
            let stored = packet.store_checksum(bytes, sum);
            assert_eq!(stored, Some(()));
        }
        Checksum::Seal(sealing) => {
            let crc = |bytes: &[u8]| {
                let mut covered = bytes[transport..packet.length as usize].to_vec();
                covered[8..12].fill(0);
                sum::crc32c(&covered)
            };
            let renews = match (
                sealing.decide(output.is_many, output.makes_crc),
                sealing.field,
            ) {
                // Where it becomes many, each of them gets one.
                (Seal::Renew, _) | (Seal::Keep, Field::Whole) => true,
                (Seal::Keep, Field::Partial) | (Seal::Trust, _) => false,
            };
            if renews {
                let crc = crc(bytes);
                assert_eq!(packet.store_crc(bytes, crc), Some(()));
            }
        }
        Checksum::Start(start) => {
            let mut left = bytes.to_vec();
            let stored = packet.store_checksum_start(&mut left, start);
            assert_eq!(stored, Some(()));
            let sum = summed(start, bytes);
            assert_eq!(packet.store_checksum(bytes, sum), Some(()));
            // What the hardware makes of the rest is the same.
            let place = transport + usize::from(CHECKSUM);
            let completed = sum::field(&left[transport..packet.length as usize]);
            assert!(sum::same(completed, [bytes[place], bytes[place + 1]]));
        }
    }
}
