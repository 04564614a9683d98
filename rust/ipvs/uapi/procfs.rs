// SPDX-License-Identifier: GPL-2.0
//! The lines of `/proc/net/ip_vs`, `ip_vs_conn` and `ip_vs_conn_sync`.
//!
//! They are put together by hand: a director may have a million connections to list, and general
//! formatting takes ten times as long.

use crate::addr::{words, Addr, Endpoint, Family, Port, Protocol};
use crate::pe::{self, Engine};
use crate::service::{DestKey, ServiceKey, ServiceSettings};
use crate::xmit::Method;
use core::net::IpAddr;

/// More than the longest line takes: a template of IPv6 with about 170 and what its engine took.
const ROOM: usize = 192 + pe::DATA_MAX + 18;

const LARGE: &[u8; 16] = b"0123456789ABCDEF";
const SMALL: &[u8; 16] = b"0123456789abcdef";

/// A line, or the beginning of one; what does not fit is left out.
pub struct Line {
    bytes: [u8; ROOM],
    len: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    /// Makes an empty line.
    pub const fn new() -> Line {
        Line {
            bytes: [0; ROOM],
            len: 0,
        }
    }

    /// Makes it empty again.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Returns what is in it.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn chunk<const N: usize>(&mut self, chunk: [u8; N]) {
        let rest = self.bytes.get_mut(self.len..);
        if let Some(place) = rest.and_then(|rest| rest.first_chunk_mut()) {
            *place = chunk;
            self.len = self.len.wrapping_add(N);
        }
    }

    fn all(&mut self, text: &[u8]) {
        for byte in text {
            self.chunk([*byte]);
        }
    }

    fn text(&mut self, text: &str) {
        self.all(text.as_bytes());
    }

    fn spaces(&mut self, count: usize) {
        for _ in 0..count {
            self.chunk([b' ']);
        }
    }

    /// Puts text at the left of a column.
    fn left(&mut self, text: &[u8], width: usize) {
        self.all(text);
        self.spaces(width.saturating_sub(text.len()));
    }

    /// Puts the version of IPVS and the size of the table of connections.
    pub fn version(&mut self, size: u32) {
        self.text("IP Virtual Server version 1.2.1 (size=");
        self.decimal(size);
        self.chunk([b')']);
    }

    fn decimal(&mut self, value: u32) {
        self.all(Digits::of(value).bytes());
    }

    fn decimal_left(&mut self, value: u32, width: usize) {
        self.left(Digits::of(value).bytes(), width);
    }

    fn decimal_right(&mut self, value: u32, width: usize) {
        let digits = Digits::of(value);
        self.spaces(width.saturating_sub(digits.bytes().len()));
        self.all(digits.bytes());
    }

    fn signed(&mut self, value: i32) {
        if value < 0 {
            self.chunk([b'-']);
        }
        self.decimal(value.unsigned_abs());
    }

    fn port(&mut self, port: Port) {
        let [high, low] = port.bytes();
        let [a, b] = hex(high, LARGE);
        let [c, d] = hex(low, LARGE);
        self.chunk([a, b, c, d]);
    }

    fn word(&mut self, word: u32) {
        let [first, second, third, fourth] = word.to_be_bytes();
        let [a, b] = hex(first, LARGE);
        let [c, d] = hex(second, LARGE);
        let [e, f] = hex(third, LARGE);
        let [g, h] = hex(fourth, LARGE);
        self.chunk([a, b, c, d, e, f, g, h]);
    }

    /// Puts an address: eight hexadecimal digits, or eight groups without any shortening.
    fn address(&mut self, addr: Addr) {
        match addr.to_ip() {
            IpAddr::V4(addr) => self.word(addr.to_bits()),
            IpAddr::V6(_) => {
                let [first, rest @ ..] = words(addr);
                self.groups(first);
                for word in rest {
                    self.chunk([b':']);
                    self.groups(word);
                }
            }
        }
    }

    /// Puts two groups of an IPv6 address.
    fn groups(&mut self, word: u32) {
        let [first, second, third, fourth] = word.to_ne_bytes();
        let [a, b] = hex(first, SMALL);
        let [c, d] = hex(second, SMALL);
        let [e, f] = hex(third, SMALL);
        let [g, h] = hex(fourth, SMALL);
        self.chunk([a, b, c, d, b':', e, f, g, h]);
    }

    /// Puts an address, an IPv6 one in brackets, and a port.
    fn place(&mut self, addr: Addr, port: Port) {
        match addr.family() {
            Family::V4 => self.address(addr),
            Family::V6 => {
                self.chunk([b'[']);
                self.address(addr);
                self.chunk([b']']);
            }
        }
        self.chunk([b':']);
        self.port(port);
    }

    fn end(&mut self, end: Endpoint) {
        self.chunk([b' ']);
        self.address(end.addr);
        self.chunk([b' ']);
        self.port(end.port);
    }

    /// Puts a connection.
    pub fn conn(&mut self, conn: &Conn<'_>) {
        let name = protocol_name(u16::from(conn.protocol.0)).unwrap_or("ERR!");
        self.left(name.as_bytes(), 3);
        self.end(conn.client);
        self.end(conn.virtual_endpoint);
        self.end(conn.dest);
        self.chunk([b' ']);
        self.left(conn.state.as_bytes(), 11);
        self.chunk([b' ']);
        self.text(conn.origin);
        self.decimal_right(conn.seconds_left, 7);
        if let Some((engine, data)) = conn.data {
            self.chunk([b' ']);
            self.text(engine.name());
            self.chunk([b' ']);
            self.all(data);
        }
        self.chunk([b'\n']);
    }

    /// Puts a service, whose time-out is `timeout` as C keeps it.
    pub fn service(&mut self, key: &ServiceKey, settings: &ServiceSettings, timeout: i32) {
        self.service_key(key, settings);
        if settings.is_persistent() {
            self.text("persistent ");
            self.signed(timeout);
            self.chunk([b' ']);
            // C swaps the bytes of an IPv6 prefix length as well.
            self.word(u32::from_be(settings.netmask));
        }
        self.chunk([b'\n']);
    }

    /// Puts what identifies a service and its scheduler.
    fn service_key(&mut self, key: &ServiceKey, settings: &ServiceSettings) {
        if key.is_mark() {
            self.text("FWM  ");
            self.word(key.mark);
        } else {
            match protocol_name(key.protocol.0) {
                Some(name) => self.text(name),
                None => {
                    self.text("IP_");
                    self.decimal(u32::from(key.protocol.0));
                }
            }
            self.text("  ");
            self.place(key.addr, key.port);
        }
        self.chunk([b' ']);
        self.text(settings.scheduler.name());
        self.chunk([b' ']);
        let has_flags = key.is_mark() || key.family() == Family::V4;
        if has_flags && settings.is_one_packet() {
            self.text("ops ");
        }
        if has_flags && !key.is_mark() {
            self.chunk([b' ']);
        }
    }

    /// Puts a real server.
    pub fn server(&mut self, server: &Server<'_>) {
        self.text("  -> ");
        self.place(server.key.addr, server.key.port);
        self.text("      ");
        self.left(method_name(server.method), 7);
        self.chunk([b' ']);
        self.decimal_left(server.weight, 6);
        self.chunk([b' ']);
        self.decimal_left(server.active, 10);
        self.chunk([b' ']);
        self.decimal_left(server.inactive, 10);
        self.chunk([b'\n']);
    }
}

/// A connection as it is listed.
pub struct Conn<'a> {
    /// The transport protocol.
    pub protocol: Protocol,
    /// Where requests come from.
    pub client: Endpoint,
    /// Where clients send requests to.
    pub virtual_endpoint: Endpoint,
    /// Where requests are answered.
    pub dest: Endpoint,
    /// The name of its state.
    pub state: &'a str,
    /// Its origin, shown before the time.
    pub origin: &'a str,
    /// How long it has left.
    pub seconds_left: u32,
    /// The engine of a template and what it took from the packet.
    pub data: Option<(Engine, &'a [u8])>,
}

/// A real server as it is listed.
pub struct Server<'a> {
    /// What identifies it.
    pub key: &'a DestKey,
    /// How packets get there.
    pub method: Method,
    /// Its share.
    pub weight: u32,
    /// How many connections are active.
    pub active: u32,
    /// How many are not.
    pub inactive: u32,
}

/// A number in decimal digits.
struct Digits {
    bytes: [u8; 10],
    first: usize,
}

impl Digits {
    fn of(mut value: u32) -> Digits {
        let mut digits = Digits {
            bytes: [b'0'; 10],
            first: 10,
        };
        for place in digits.bytes.iter_mut().rev() {
            let [.., digit] = (value % 10).to_be_bytes();
            *place |= digit;
            digits.first = digits.first.wrapping_sub(1);
            value /= 10;
            if value == 0 {
                break;
            }
        }
        digits
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.first..).unwrap_or(&[])
    }
}

/// Returns the two digits of a byte.
fn hex(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    let digit = |value: u8| digits.get(usize::from(value & 15)).copied().unwrap_or(b'0');
    [digit(byte >> 4), digit(byte)]
}

/// Returns the name of a protocol; others are listed as `IP_` and their number, or as an error.
fn protocol_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0 => "IP",
        1 => "ICMP",
        6 => "TCP",
        17 => "UDP",
        58 => "ICMPv6",
        132 => "SCTP",
        _ => return None,
    })
}

fn method_name(method: Method) -> &'static [u8] {
    match method {
        Method::Local => b"Local",
        Method::Tunnel => b"Tunnel",
        Method::Direct => b"Route",
        // As with C, also what has no name.
        Method::Nat | Method::Bypass | Method::Unknown5 | Method::Unknown6 | Method::Unknown7 => {
            b"Masq"
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_uapi_procfs))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, ipv6};
    use crate::flags;
    use crate::sched::Scheduler;
    use crate::service::ServiceProtocol;

    #[test]
    fn a_connection_is_a_line() {
        assert!(is(
            &conn(Protocol::UDP, Family::V4, "UDP", 295),
            b"UDP C0000201 0050 0A000001 1F90 \
              2001:0db8:0102:0304:0506:0708:090a:0b0c FFFF UDP             295\n"
        ));
        assert!(is(
            &conn(Protocol(47), Family::V6, "ESTABLISHED", u32::MAX),
            b"ERR! 2001:0db8:0102:0304:0506:0708:090a:0b0c 0050 \
              0A000001 1F90 2001:0db8:0102:0304:0506:0708:090a:0b0c FFFF ESTABLISHED 4294967295\n"
        ));
    }

    #[test]
    fn a_template_shows_what_an_engine_took() {
        let longest = [b'x'; pe::DATA_MAX];
        let family = Family::V6;
        for data in [&b"a@b"[..], &longest] {
            let line = template(
                Protocol::UDP,
                family,
                ("NONE", 7),
                Some((Engine::Sip, data)),
            );
            let (begin, end) = line.bytes().split_at(line.len - data.len() - 6);
            assert!(begin.ends_with(b" NONE              7"));
            assert!(end.starts_with(b" sip ") && end[5..].starts_with(data));
            assert_eq!(end.last(), Some(&b'\n'));
        }
    }

    #[test]
    fn a_service_is_a_line() {
        let tcp = ServiceKey::of_address(Protocol::TCP, V4, Port::from_host(80));
        let six = ServiceKey::of_address(Protocol::ICMP, V6, Port::from_host(0xabc));
        let odd = ServiceKey {
            protocol: ServiceProtocol(65535),
            ..tcp
        };
        let (ops, stays) = (flags::service::ONE_PACKET, flags::service::PERSISTENT);
        for (key, flags, line) in [
            (tcp, 0, &b"TCP  C0000201:0050 rr  \n"[..]),
            (tcp, ops, b"TCP  C0000201:0050 rr ops  \n"),
            (
                odd,
                stays,
                b"IP_65535  C0000201:0050 rr  persistent -2147483648 01020304\n",
            ),
            (
                six,
                ops,
                b"ICMP  [2001:0db8:0102:0304:0506:0708:090a:0b0c]:0ABC rr \n",
            ),
            (
                ServiceKey::of_mark(Family::V6, 0xfeed),
                0,
                b"FWM  0000FEED rr \n",
            ),
            (
                ServiceKey::of_mark(Family::V4, 7),
                ops,
                b"FWM  00000007 rr ops \n",
            ),
        ] {
            assert!(is(&service(&key, flags), line));
        }
    }

    #[test]
    fn a_server_is_a_line() {
        assert!(is(
            &server(V4, Method::Direct, [1, 0, 10]),
            b"  -> C0000201:0050      Route   1      0          10        \n"
        ));
        assert!(is(
            &server(V6, Method::Bypass, [u32::MAX; 3]),
            b"  -> [2001:0db8:0102:0304:0506:0708:090a:0b0c]:0050      Masq    \
              4294967295 4294967295 4294967295\n"
        ));
    }

    #[test]
    fn a_line_that_is_full_stays_as_it_is() {
        let mut line = Line::new();
        line.spaces(ROOM);
        line.word(1);
        line.chunk([b'x']);
        assert_eq!(line.bytes(), &[b' '; ROOM][..]);
        line.clear();
        assert!(is(&line, b""));
    }

    const V4: Addr = ipv4([192, 0, 2, 1]);
    const V6: Addr = ipv6([0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

    fn is(line: &Line, bytes: &[u8]) -> bool {
        line.bytes() == bytes
    }

    fn end(addr: Addr, port: u16) -> Endpoint {
        Endpoint {
            addr,
            port: Port::from_host(port),
        }
    }

    fn conn(protocol: Protocol, family: Family, state: &str, seconds_left: u32) -> Line {
        template(protocol, family, (state, seconds_left), None)
    }

    fn template(
        protocol: Protocol,
        family: Family,
        (state, seconds_left): (&str, u32),
        data: Option<(Engine, &[u8])>,
    ) -> Line {
        let mut line = Line::new();
        line.conn(&Conn {
            protocol,
            client: end(if family == Family::V4 { V4 } else { V6 }, 80),
            virtual_endpoint: end(ipv4([10, 0, 0, 1]), 8080),
            dest: end(V6, 65535),
            state,
            origin: "",
            seconds_left,
            data,
        });
        line
    }

    fn service(key: &ServiceKey, flags: u32) -> Line {
        let mut line = Line::new();
        let settings = ServiceSettings {
            scheduler: Scheduler::Rr,
            flags,
            timeout_seconds: 0,
            netmask: 0x0102_0304_u32.to_be(),
            engine: None,
        };
        line.service(key, &settings, i32::MIN);
        line
    }

    fn server(addr: Addr, method: Method, counts: [u32; 3]) -> Line {
        let mut line = Line::new();
        let [weight, active, inactive] = counts;
        line.server(&Server {
            key: &DestKey {
                addr,
                port: Port::from_host(80),
            },
            method,
            weight,
            active,
            inactive,
        });
        line
    }
}
