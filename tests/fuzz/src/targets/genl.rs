// SPDX-License-Identifier: GPL-2.0
//! Netlink requests: what the parsers say is what the tables of the ABI say.
//!
//! What was understood can be written, and is understood alike again.

use crate::input::Input;
use crate::slow::messages::{read, written, Values, DEST, SERVICE, TOP};
use ipvs::addr::{Addr, Family, Port};
use ipvs::refusal::Refusal;
use ipvs::service::{DestKey, DestSettings, ServiceKey, ServiceProtocol, TunnelSettings};
use ipvs::wire::genl::{
    parse_dest, parse_dest_key, parse_service, parse_service_key, Config, DestRequest,
    ServiceRequest, TopLevel,
};
use ipvs::xmit::Method;

/// The first byte says what the rest is: a message, or the attributes of a service or of a server.
pub fn run(bytes: &[u8]) {
    let mut input = Input::of(bytes);
    let (kind, family) = (input.below(3), input.family());
    let bytes = input.rest(4096);
    match kind {
        0 => check_message(&bytes, family),
        1 => check_service(Some(&bytes)),
        _ => check_dest(Some(&bytes), family),
    }
}

fn check_message(bytes: &[u8], family: Family) {
    let found = TopLevel::parse(bytes);
    let Some(values) = read(TOP, bytes) else {
        return assert_eq!(found, Err(Refusal::Malformed));
    };
    let number = |kind| values.get(&kind).map(|value| number(value));
    let part = |kind| values.get(&kind).map(Vec::as_slice);
    let expected = TopLevel {
        service: part(1),
        dest: part(2),
        daemon: part(3),
        config: Config {
            tcp: number(4),
            tcp_fin: number(5),
            udp: number(6),
        },
    };
    assert_eq!(found, Ok(expected));
    let again = written(TOP, &values);
    assert_eq!(TopLevel::parse(&again), found);
    check_service(expected.service);
    check_dest(expected.dest, family);
}

fn check_service(bytes: Option<&[u8]>) {
    let values = bytes.map(|bytes| read(SERVICE, bytes));
    let found = parse_service(bytes);
    assert_eq!(found, service(values.as_ref()));
    let key = service_values(values.as_ref()).and_then(service_key);
    assert_eq!(parse_service_key(bytes), key);
    if let (Ok(request), Some(Some(values))) = (found, &values) {
        let again = written(SERVICE, values);
        assert_eq!(parse_service(Some(&again)), found);
        for bit in 0..32 {
            let (old, new) = (1 << bit, 0);
            let kept = |present: u32| request.flags(present) >> bit & 1;
            let expected = |present: u32| match request.mask >> bit & 1 {
                1 => request.flags >> bit & 1,
                _ => present >> bit & 1,
            };
            assert_eq!((kept(old), kept(new)), (expected(old), expected(new)));
        }
    }
}

fn service_values(values: Option<&Option<Values>>) -> Result<&Values, Refusal> {
    let values = values.ok_or(Refusal::ServiceMissing)?;
    values.as_ref().ok_or(Refusal::ServiceMalformed)
}

/// A mark wins over an address, even if it is 0.
fn service_key(values: &Values) -> Result<ServiceKey, Refusal> {
    let known = |number: u16| {
        [Family::V4, Family::V6]
            .into_iter()
            .find(|f| f.number() == number)
    };
    let given = values.get(&1).ok_or(Refusal::ServiceIncomplete)?;
    let family = || known(short(given)).ok_or(Refusal::Family);
    if let Some(mark) = values.get(&5) {
        return Ok(ServiceKey::of_mark(family()?, number(mark)));
    }
    match [2, 3, 4].map(|kind| values.get(&kind)) {
        [Some(protocol), Some(bytes), Some(port)] => Ok(ServiceKey {
            mark: 0,
            protocol: ServiceProtocol(short(protocol)),
            addr: addr(family()?, bytes),
            port: self::port(port),
        }),
        _ => Err(Refusal::ServiceIncomplete),
    }
}

fn service(values: Option<&Option<Values>>) -> Result<ServiceRequest<'_>, Refusal> {
    let values = service_values(values)?;
    let key = service_key(values)?;
    match [6, 7, 8, 9].map(|kind| values.get(&kind)) {
        [Some(scheduler), Some(flags), Some(timeout), Some(netmask)] => Ok(ServiceRequest {
            key,
            scheduler,
            flags: number(&flags[..4]),
            mask: number(&flags[4..]),
            timeout: number(timeout),
            netmask: number(netmask),
            engine: values.get(&11).map_or(&[], Vec::as_slice),
        }),
        _ => Err(Refusal::SettingsIncomplete),
    }
}

fn check_dest(bytes: Option<&[u8]>, service: Family) {
    let values = bytes.map(|bytes| read(DEST, bytes));
    let found = parse_dest(bytes, service);
    assert_eq!(found, dest(values.as_ref(), service));
    let key = dest_values(values.as_ref()).and_then(|values| dest_key(values, service));
    assert_eq!(parse_dest_key(bytes, service), key);
    if let (Ok(_), Some(Some(values))) = (found, &values) {
        let again = written(DEST, values);
        assert_eq!(parse_dest(Some(&again), service), found);
    }
}

fn dest_values(values: Option<&Option<Values>>) -> Result<&Values, Refusal> {
    let values = values.ok_or(Refusal::DestMissing)?;
    values.as_ref().ok_or(Refusal::DestMalformed)
}

fn dest_key(values: &Values, service: Family) -> Result<DestKey, Refusal> {
    let family = match values.get(&11).map(|value| short(value)) {
        None | Some(0) => Ok(service),
        Some(2) => Ok(Family::V4),
        Some(10) => Ok(Family::V6),
        Some(_) => Err(Refusal::Family),
    };
    match [1, 2].map(|kind| values.get(&kind)) {
        [Some(bytes), Some(port)] => Ok(DestKey {
            addr: addr(family?, bytes),
            port: self::port(port),
        }),
        _ => Err(Refusal::DestIncomplete),
    }
}

/// What is missing is told before what is wrong.
fn dest(values: Option<&Option<Values>>, service: Family) -> Result<DestRequest, Refusal> {
    let values = dest_values(values)?;
    let is_named = values.contains_key(&1) && values.contains_key(&2);
    let settings = [3, 4, 5, 6].map(|kind| values.get(&kind));
    let [Some(method), Some(weight), Some(upper), Some(lower)] = settings else {
        return Err(match is_named {
            true => Refusal::DestSettingsIncomplete,
            false => Refusal::DestIncomplete,
        });
    };
    Ok(DestRequest {
        key: dest_key(values, service)?,
        settings: DestSettings {
            inherited: 0,
            method: Method::from_number(number(method)),
            weight: number(weight),
            upper: number(upper),
            lower: number(lower),
            tunnel: TunnelSettings {
                kind: values.get(&13).map_or(0, |value| value[0]),
                port: values.get(&14).map_or(Port::ANY, |value| port(value)),
                flags: values.get(&15).map_or(0, |value| short(value)),
            },
        },
    })
}

fn addr(family: Family, bytes: &[u8]) -> Addr {
    family.read(bytes).expect("16 bytes")
}

fn port(bytes: &[u8]) -> Port {
    Port::from_bytes(bytes.try_into().expect("two bytes"))
}

fn short(bytes: &[u8]) -> u16 {
    u16::from_ne_bytes(bytes.try_into().expect("two bytes"))
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes.try_into().expect("four bytes"))
}
