// SPDX-License-Identifier: GPL-2.0
//! What the argument of an option says: bytes become commands, or a refusal.

use super::size;
use crate::addr::{ipv4, Addr, Port, Protocol};
use crate::refusal::Refusal;
use crate::service::{
    DestKey, DestSettings, ServiceKey, ServiceProtocol, TunnelSettings, INHERITED,
};
use crate::wire::genl::{Config, DaemonRequest, DestRequest, ServiceRequest};
use crate::xmit::Method;

/// No argument of an option to set is longer, in bytes.
pub const ARGUMENT_MAX: usize = size::SERVICE_AND_DEST;
/// No question of an option to read is longer, in bytes.
pub const QUESTION_MAX: usize = size::SERVICE_ENTRY;

/// The options to set.
mod set {
    pub(super) const NONE: i32 = 1152;
    pub(super) const INSERT: i32 = 1153;
    pub(super) const ADD: i32 = 1154;
    pub(super) const EDIT: i32 = 1155;
    pub(super) const DEL: i32 = 1156;
    pub(super) const FLUSH: i32 = 1157;
    pub(super) const LIST: i32 = 1158;
    pub(super) const ADD_DEST: i32 = 1159;
    pub(super) const DEL_DEST: i32 = 1160;
    pub(super) const EDIT_DEST: i32 = 1161;
    pub(super) const TIMEOUT: i32 = 1162;
    pub(super) const START_DAEMON: i32 = 1163;
    pub(super) const STOP_DAEMON: i32 = 1164;
    pub(super) const RESTORE: i32 = 1165;
    pub(super) const SAVE: i32 = 1166;
    pub(super) const ZERO: i32 = 1167;
}

/// The options to read.
mod get {
    pub(super) const VERSION: i32 = 1152;
    pub(super) const INFO: i32 = 1153;
    pub(super) const SERVICES: i32 = 1154;
    pub(super) const SERVICE: i32 = 1155;
    pub(super) const DESTS: i32 = 1156;
    pub(super) const DEST: i32 = 1157;
    pub(super) const TIMEOUT: i32 = 1158;
    pub(super) const DAEMON: i32 = 1159;
}

/// What an option to set asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set<'a> {
    /// Remove all services.
    Flush,
    /// Change time-outs.
    Configure(Config),
    /// Start a sync daemon.
    StartDaemon(DaemonRequest<'a>),
    /// Stop the sync daemon whose role has this number.
    StopDaemon(u32),
    /// Zero all statistics.
    ZeroAll,
    /// Make a service.
    AddService(ServiceRequest<'a>),
    /// Change a service.
    EditService(ServiceRequest<'a>),
    /// Remove a service.
    RemoveService(ServiceKey),
    /// Zero the statistics of a service.
    ZeroService(ServiceKey),
    /// Make a real server of a service.
    AddDest(ServiceKey, DestRequest),
    /// Change a real server of a service.
    EditDest(ServiceKey, DestRequest),
    /// Remove a real server of a service.
    RemoveDest(ServiceKey, DestKey),
}

/// What an option to read asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Get {
    /// The version as a text.
    Version,
    /// Version, size of the table of connections, number of services.
    Info,
    /// So many services at most.
    Services(u32),
    /// One service.
    Service(ServiceKey),
    /// So many real servers of a service at most.
    Dests(ServiceKey, u32),
    /// The time-outs.
    Timeouts,
    /// The sync daemons.
    Daemons,
}

/// Returns the length that the argument of an option to set must have.
pub const fn set_length(option: i32) -> Option<usize> {
    match option {
        set::ADD | set::EDIT | set::DEL | set::ZERO => Some(size::SERVICE),
        set::ADD_DEST | set::DEL_DEST | set::EDIT_DEST => Some(size::SERVICE_AND_DEST),
        set::TIMEOUT => Some(size::TIMEOUTS),
        set::START_DAEMON | set::STOP_DAEMON => Some(size::DAEMON),
        set::NONE | set::INSERT | set::FLUSH | set::LIST | set::RESTORE | set::SAVE => Some(0),
        _ => None,
    }
}

/// Returns the least length of the buffer for an option to read, all of which is the question.
pub const fn get_length(option: i32) -> Option<usize> {
    match option {
        get::VERSION => Some(size::VERSION),
        get::INFO => Some(size::INFO),
        get::SERVICES => Some(size::SERVICES),
        get::SERVICE => Some(size::SERVICE_ENTRY),
        get::DESTS => Some(size::DESTS),
        get::DEST => Some(0),
        get::TIMEOUT => Some(size::TIMEOUTS),
        get::DAEMON => Some(size::DAEMONS),
        _ => None,
    }
}

/// Reads the argument of an option to set, which has the length that it must have.
///
/// # Errors
///
/// The first rule that it breaks.
pub fn parse_set(option: i32, bytes: &[u8]) -> Result<Set<'_>, Refusal> {
    match option {
        set::FLUSH => Ok(Set::Flush),
        set::TIMEOUT => Ok(Set::Configure(config(bytes)?)),
        set::START_DAEMON => Ok(Set::StartDaemon(daemon(bytes)?)),
        set::STOP_DAEMON => Ok(Set::StopDaemon(number(bytes, 0)?)),
        _ => parse_service_command(option, bytes),
    }
}

/// Reads the argument of an option that is about a service.
fn parse_service_command(option: i32, bytes: &[u8]) -> Result<Set<'_>, Refusal> {
    let key = service_key(bytes)?;
    if option == set::ZERO && !key.is_mark() && is_nowhere(&key) {
        return Ok(Set::ZeroAll);
    }
    let request = match option {
        set::ADD | set::EDIT => Some(service(key, bytes)?),
        _ => None,
    };
    check_protocol(key.protocol)?;
    match (option, request) {
        (set::ADD, Some(request)) => Ok(Set::AddService(request)),
        (set::EDIT, Some(request)) => Ok(Set::EditService(request)),
        (set::DEL, _) => Ok(Set::RemoveService(key)),
        (set::ZERO, _) => Ok(Set::ZeroService(key)),
        (set::ADD_DEST, _) => Ok(Set::AddDest(key, dest(bytes)?)),
        (set::EDIT_DEST, _) => Ok(Set::EditDest(key, dest(bytes)?)),
        (set::DEL_DEST, _) => Ok(Set::RemoveDest(key, dest_key(bytes)?)),
        _ => Err(Refusal::OptionLength),
    }
}

/// Reads what an option to read asks for, of a buffer with `len` bytes that begins with `bytes`.
///
/// # Errors
///
/// The first rule that they break.
pub fn parse_get(option: i32, len: usize, bytes: &[u8]) -> Result<Get, Refusal> {
    match option {
        get::VERSION => Ok(Get::Version),
        get::INFO => Ok(Get::Info),
        get::SERVICES => {
            let count = number(bytes, 0)?;
            check_count(len, size::SERVICES, size::SERVICE_ENTRY, count)?;
            Ok(Get::Services(count))
        }
        get::SERVICE => Ok(Get::Service(service_key(bytes)?)),
        get::DESTS => {
            let count = number(bytes, 16)?;
            check_count(len, size::DESTS, size::DEST_ENTRY, count)?;
            Ok(Get::Dests(service_key(bytes)?, count))
        }
        get::TIMEOUT => Ok(Get::Timeouts),
        get::DAEMON => Ok(Get::Daemons),
        _ => Err(Refusal::OptionLength),
    }
}

/// Checks that a buffer of `len` bytes has room for `count` entries, and for no more.
fn check_count(len: usize, head: usize, entry: usize, count: u32) -> Result<(), Refusal> {
    let count = usize::try_from(count).ok();
    let wanted = count.and_then(|count| count.checked_mul(entry)?.checked_add(head));
    match wanted == Some(len) {
        true => Ok(()),
        false => Err(Refusal::OptionLength),
    }
}

/// Returns the bytes from `offset` on.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], Refusal> {
    let rest = bytes.get(offset..).ok_or(Refusal::OptionLength)?;
    rest.first_chunk().copied().ok_or(Refusal::OptionLength)
}

fn number(bytes: &[u8], offset: usize) -> Result<u32, Refusal> {
    Ok(u32::from_ne_bytes(field(bytes, offset)?))
}

fn addr(bytes: &[u8], offset: usize) -> Result<Addr, Refusal> {
    Ok(ipv4(field(bytes, offset)?))
}

fn port(bytes: &[u8], offset: usize) -> Result<Port, Refusal> {
    Ok(Port::from_bytes(field(bytes, offset)?))
}

/// Reads a name in its room of 16 bytes.
fn name(bytes: &[u8], offset: usize) -> Result<&[u8], Refusal> {
    let room = bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<16>());
    let room = room.ok_or(Refusal::OptionLength)?;
    let end = room.iter().position(|byte| *byte == 0);
    let name = end.and_then(|end| room.get(..end));
    name.ok_or(Refusal::OptionName)
}

fn config(bytes: &[u8]) -> Result<Config, Refusal> {
    Ok(Config {
        tcp: Some(number(bytes, 0)?),
        tcp_fin: Some(number(bytes, 4)?),
        udp: Some(number(bytes, 8)?),
    })
}

fn daemon(bytes: &[u8]) -> Result<DaemonRequest<'_>, Refusal> {
    let interface = name(bytes, 4)?;
    if interface.is_empty() {
        return Err(Refusal::OptionName);
    }
    Ok(DaemonRequest {
        state: number(bytes, 0)?,
        interface,
        sync_id: number(bytes, 20)?,
        max_len: None,
        group: None,
        port: None,
        ttl: None,
    })
}

/// Reads which service is meant; a mark wins over the rest, which is kept.
fn service_key(bytes: &[u8]) -> Result<ServiceKey, Refusal> {
    Ok(ServiceKey {
        mark: number(bytes, 12)?,
        protocol: ServiceProtocol(u16::from_ne_bytes(field(bytes, 0)?)),
        addr: addr(bytes, 4)?,
        port: port(bytes, 8)?,
    })
}

/// Returns whether a key names neither an address nor a port.
fn is_nowhere(key: &ServiceKey) -> bool {
    key.addr == key.family().unspecified() && key.port == Port::ANY
}

/// Refuses protocols that no packet for a service has.
fn check_protocol(protocol: ServiceProtocol) -> Result<(), Refusal> {
    let known = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];
    match known.into_iter().any(|known| protocol == known) {
        true => Ok(()),
        false => Err(Refusal::OptionProtocol),
    }
}

fn service(key: ServiceKey, bytes: &[u8]) -> Result<ServiceRequest<'_>, Refusal> {
    Ok(ServiceRequest {
        key,
        scheduler: name(bytes, 16)?,
        flags: number(bytes, 32)?,
        mask: u32::MAX,
        timeout: number(bytes, 36)?,
        netmask: number(bytes, 40)?,
        engine: &[],
    })
}

fn dest_key(bytes: &[u8]) -> Result<DestKey, Refusal> {
    Ok(DestKey {
        addr: addr(bytes, size::SERVICE)?,
        port: port(bytes, size::SERVICE.wrapping_add(4))?,
    })
}

fn dest(bytes: &[u8]) -> Result<DestRequest, Refusal> {
    let bytes_of_dest = bytes.get(size::SERVICE..).ok_or(Refusal::OptionLength)?;
    let flags = number(bytes_of_dest, 8)?;
    Ok(DestRequest {
        key: dest_key(bytes)?,
        settings: DestSettings {
            method: Method::from_number(flags),
            inherited: flags & INHERITED,
            weight: number(bytes_of_dest, 12)?,
            upper: number(bytes_of_dest, 16)?,
            lower: number(bytes_of_dest, 20)?,
            tunnel: TunnelSettings::default(),
        },
    })
}

#[cfg_attr(
    CONFIG_KUNIT = "y",
    kernel::prelude::kunit_tests(rvs_uapi_sockopt_request)
)]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_structs() {
        let of = |option| set_length(option);
        assert_eq!(of(1154), Some(44));
        assert_eq!(of(1159), Some(68));
        assert_eq!(of(1163), Some(24));
        assert_eq!((of(1157), of(1168)), (Some(0), None));
        let of = |option| get_length(option);
        assert_eq!((of(1154), of(1155)), (Some(8), Some(104)));
        assert_eq!((of(1157), of(1160)), (Some(0), None));
    }

    #[test]
    fn service_is_read_from_its_places() {
        let read = parse_set(1154, &SERVICE);
        let request = ServiceRequest {
            key: ServiceKey::of_address(Protocol::TCP, ipv4([10, 9, 0, 1]), Port::from_host(80)),
            scheduler: b"wlc",
            flags: 5,
            mask: u32::MAX,
            timeout: 300,
            netmask: u32::MAX,
            engine: b"",
        };
        assert_eq!(read, Ok(Set::AddService(request)));
    }

    #[test]
    fn mark_keeps_what_else_is_named() {
        let bytes = with(SERVICE, 12, 7_u32.to_ne_bytes());
        let Ok(Set::RemoveService(key)) = parse_set(1156, &bytes) else {
            unreachable!("it is a service");
        };
        assert_eq!((key.mark, key.port), (7, Port::from_host(80)));
        assert_eq!(key, ServiceKey::of_mark(key.family(), 7));
    }

    #[test]
    fn protocol_is_judged_after_the_name() {
        let odd = with(SERVICE, 0, 99_u16.to_ne_bytes());
        assert_eq!(parse_set(1154, &odd), Err(Refusal::OptionProtocol));
        assert_eq!(parse_set(1167, &odd), Err(Refusal::OptionProtocol));
        let endless = with(odd, 16, [b'a'; 16]);
        assert_eq!(parse_set(1154, &endless), Err(Refusal::OptionName));
        assert_eq!(parse_set(1156, &endless), Err(Refusal::OptionProtocol));
    }

    #[test]
    fn zero_of_nothing_is_zero_of_all() {
        assert_eq!(parse_set(1167, &[0; 44]), Ok(Set::ZeroAll));
        let marked = with([0; 44], 12, [1; 4]);
        assert_eq!(parse_set(1167, &marked), Err(Refusal::OptionProtocol));
        assert_eq!(parse_set(1156, &[0; 44]), Err(Refusal::OptionProtocol));
    }

    #[test]
    fn options_without_meaning_are_refused() {
        for option in [1152, 1153, 1158, 1165, 1166, 1168] {
            assert_eq!(parse_set(option, &[]), Err(Refusal::OptionLength));
        }
        assert_eq!(parse_get(1157, 0, &[]), Err(Refusal::OptionLength));
    }

    #[test]
    fn server_is_read_from_its_places() {
        let mut bytes = [0; 68];
        for (place, byte) in bytes.iter_mut().zip(SERVICE) {
            *place = byte;
        }
        let bytes = with(bytes, 44, [10, 2, 0, 11]);
        let bytes = with(bytes, 48, [0, 80]);
        let bytes = with(bytes, 52, 0x0001_0183_u32.to_ne_bytes());
        let bytes = with(bytes, 56, 3_u32.to_ne_bytes());
        let bytes = with(bytes, 60, 9_u32.to_ne_bytes());
        let bytes = with(bytes, 64, 4_u32.to_ne_bytes());
        let Ok(Set::AddDest(_, request)) = parse_set(1159, &bytes) else {
            unreachable!("it is a server");
        };
        assert_eq!(request.key.addr, ipv4([10, 2, 0, 11]));
        assert_eq!(request.key.port, Port::from_host(80));
        let settings = request.settings;
        assert_eq!(settings.inherited, crate::flags::conn::NFCT);
        assert_eq!(settings.method, Method::Direct);
        assert_eq!((settings.weight, settings.upper, settings.lower), (3, 9, 4));
    }

    #[test]
    fn lists_have_room_for_what_they_ask_for_and_no_more() {
        let two = with([0; 8], 0, 2_u32.to_ne_bytes());
        assert_eq!(parse_get(1154, 8 + 2 * 104, &two), Ok(Get::Services(2)));
        assert_eq!(parse_get(1154, 8 + 104, &two), Err(Refusal::OptionLength));
        assert_eq!(parse_get(1154, 0, &[0xff; 8]), Err(Refusal::OptionLength));
        assert_eq!(
            parse_get(1156, 23, &[0; 23]).err(),
            None.or(Some(Refusal::OptionLength))
        );
    }

    #[test]
    fn daemon_needs_an_interface_with_an_end() {
        let named = with(with([0; 24], 0, 1_u32.to_ne_bytes()), 4, *b"eth0");
        let Ok(Set::StartDaemon(request)) = parse_set(1163, &named) else {
            unreachable!("it is a daemon");
        };
        assert_eq!((request.state, request.interface), (1, b"eth0".as_slice()));
        assert_eq!(parse_set(1163, &[0; 24]), Err(Refusal::OptionName));
        assert_eq!(parse_set(1163, &[b'e'; 24]), Err(Refusal::OptionName));
        assert_eq!(parse_set(1164, &named), Ok(Set::StopDaemon(1)));
    }

    const SERVICE: [u8; 44] = {
        let bytes = with([0; 44], 0, 6_u16.to_ne_bytes());
        let bytes = with(bytes, 4, [10, 9, 0, 1]);
        let bytes = with(bytes, 8, [0, 80]);
        let bytes = with(bytes, 16, *b"wlc");
        let bytes = with(bytes, 32, 5_u32.to_ne_bytes());
        let bytes = with(bytes, 36, 300_u32.to_ne_bytes());
        with(bytes, 40, [0xff; 4])
    };

    /// Returns bytes with others in their place.
    const fn with<const N: usize, const M: usize>(
        mut bytes: [u8; N],
        offset: usize,
        other: [u8; M],
    ) -> [u8; N] {
        let (_, rest) = bytes.split_at_mut(offset);
        if let Some(place) = rest.first_chunk_mut() {
            *place = other;
        }
        bytes
    }
}
