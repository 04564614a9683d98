// SPDX-License-Identifier: GPL-2.0
//! What a request says: attributes become values, or a refusal.

use super::{attribute, dest_attribute, service_attribute, ENGINE_MAX, SCHEDULER_MAX};
use crate::addr::{Family, Port};
use crate::refusal::Refusal;
use crate::service::{DestKey, DestSettings, ServiceKey, ServiceProtocol, TunnelSettings};
use crate::wire::{Attributes, Malformed};
use crate::xmit::Method;

/// The top-level attributes of any request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopLevel<'a> {
    /// The attributes of a service.
    pub service: Option<&'a [u8]>,
    /// The attributes of a real server.
    pub dest: Option<&'a [u8]>,
    /// The attributes of a sync daemon.
    pub daemon: Option<&'a [u8]>,
    /// New time-outs.
    pub config: Config,
}

/// Time-outs to be changed, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Of established TCP connections.
    pub tcp: Option<u32>,
    /// Of TCP connections in FIN_WAIT.
    pub tcp_fin: Option<u32>,
    /// Of UDP connections.
    pub udp: Option<u32>,
}

impl<'a> TopLevel<'a> {
    /// Reads the attributes of a message.
    ///
    /// # Errors
    ///
    /// What the kernel's own check of the same attributes would say.
    pub fn parse(bytes: &'a [u8]) -> Result<TopLevel<'a>, Refusal> {
        Self::read(bytes).map_err(|_: Malformed| Refusal::Malformed)
    }

    fn read(bytes: &'a [u8]) -> Result<TopLevel<'a>, Malformed> {
        let mut found = TopLevel::default();
        for item in Attributes::of(bytes) {
            match item.kind {
                attribute::SERVICE => found.service = Some(item.nest()?),
                attribute::DEST => found.dest = Some(item.nest()?),
                attribute::DAEMON => found.daemon = Some(item.nest()?),
                attribute::TIMEOUT_TCP => found.config.tcp = Some(item.u32()?),
                attribute::TIMEOUT_TCP_FIN => found.config.tcp_fin = Some(item.u32()?),
                attribute::TIMEOUT_UDP => found.config.udp = Some(item.u32()?),
                _ => {}
            }
        }
        Ok(found)
    }
}

/// A service and what a request wants it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceRequest<'a> {
    /// Which service.
    pub key: ServiceKey,
    /// The name of the scheduler.
    pub scheduler: &'a [u8],
    /// New flags, as far as `mask` says.
    pub flags: u32,
    /// Which flags are new.
    pub mask: u32,
    /// How long a template lives, in seconds.
    pub timeout: u32,
    /// See [`crate::service::ServiceSettings::netmask`].
    pub netmask: u32,
    /// The name of the persistence engine, empty for none.
    pub engine: &'a [u8],
}

impl ServiceRequest<'_> {
    /// Returns the flags of a service that had `present` before.
    pub const fn flags(&self, present: u32) -> u32 {
        (present & !self.mask) | (self.flags & self.mask)
    }
}

/// The attributes inside a service, as they come.
#[derive(Default)]
struct ServiceAttributes<'a> {
    family: Option<u16>,
    protocol: Option<u16>,
    addr: Option<[u8; 16]>,
    port: Option<Port>,
    mark: Option<u32>,
    scheduler: Option<&'a [u8]>,
    flags: Option<[u8; 8]>,
    timeout: Option<u32>,
    netmask: Option<u32>,
    engine: Option<&'a [u8]>,
}

impl<'a> ServiceAttributes<'a> {
    fn read(bytes: &'a [u8]) -> Result<ServiceAttributes<'a>, Malformed> {
        let mut found = ServiceAttributes::default();
        for item in Attributes::of(bytes) {
            match item.kind {
                service_attribute::FAMILY => found.family = Some(item.u16()?),
                service_attribute::PROTOCOL => found.protocol = Some(item.u16()?),
                service_attribute::ADDR => found.addr = Some(item.binary()?),
                service_attribute::PORT => found.port = Some(item.port()?),
                service_attribute::MARK => found.mark = Some(item.u32()?),
                service_attribute::SCHEDULER => found.scheduler = Some(item.string(SCHEDULER_MAX)?),
                service_attribute::FLAGS => found.flags = Some(item.binary()?),
                service_attribute::TIMEOUT => found.timeout = Some(item.u32()?),
                service_attribute::NETMASK => found.netmask = Some(item.u32()?),
                service_attribute::ENGINE => found.engine = Some(item.string(ENGINE_MAX)?),
                // Only replies have them, but their form is checked.
                service_attribute::STATS => item.nest().map(|_| ())?,
                _ => {}
            }
        }
        Ok(found)
    }

    fn parse(bytes: Option<&'a [u8]>) -> Result<ServiceAttributes<'a>, Refusal> {
        Self::read(bytes.ok_or(Refusal::ServiceMissing)?).map_err(|_| Refusal::ServiceMalformed)
    }

    fn key(&self) -> Result<ServiceKey, Refusal> {
        let family = self.family.ok_or(Refusal::ServiceIncomplete)?;
        let family = || Family::from_number(family).ok_or(Refusal::Family);
        // A mark wins even if it is 0: then it names TCP, no address, no port.
        if let Some(mark) = self.mark {
            return Ok(ServiceKey::of_mark(family()?, mark));
        }
        let (Some(protocol), Some(addr), Some(port)) = (self.protocol, self.addr, self.port) else {
            return Err(Refusal::ServiceIncomplete);
        };
        let family = family()?;
        let addr = family.read(&addr).ok_or(Refusal::ServiceIncomplete)?;
        Ok(ServiceKey {
            mark: 0,
            protocol: ServiceProtocol(protocol),
            addr,
            port,
        })
    }
}

/// Reads which service is meant.
///
/// # Errors
///
/// The first rule that the attributes break.
pub fn parse_service_key(bytes: Option<&[u8]>) -> Result<ServiceKey, Refusal> {
    ServiceAttributes::parse(bytes)?.key()
}

/// Reads a service with all its settings.
///
/// # Errors
///
/// The first rule that the attributes break.
pub fn parse_service(bytes: Option<&[u8]>) -> Result<ServiceRequest<'_>, Refusal> {
    let found = ServiceAttributes::parse(bytes)?;
    let key = found.key()?;
    let (Some(scheduler), Some(flags), Some(timeout), Some(netmask)) =
        (found.scheduler, found.flags, found.timeout, found.netmask)
    else {
        return Err(Refusal::SettingsIncomplete);
    };
    let [a, b, c, d, e, f, g, h] = flags;
    Ok(ServiceRequest {
        key,
        scheduler,
        flags: u32::from_ne_bytes([a, b, c, d]),
        mask: u32::from_ne_bytes([e, f, g, h]),
        timeout,
        netmask,
        engine: found.engine.unwrap_or(&[]),
    })
}

/// A real server and what a request wants it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestRequest {
    /// Which server.
    pub key: DestKey,
    /// What it is to be; not checked yet.
    pub settings: DestSettings,
}

/// The attributes inside a real server, as they come.
#[derive(Default)]
struct DestAttributes {
    addr: Option<[u8; 16]>,
    port: Option<Port>,
    method: Option<u32>,
    weight: Option<u32>,
    upper: Option<u32>,
    lower: Option<u32>,
    family: Option<u16>,
    tunnel: TunnelSettings,
}

impl DestAttributes {
    fn read(bytes: &[u8]) -> Result<DestAttributes, Malformed> {
        let mut found = DestAttributes::default();
        for item in Attributes::of(bytes) {
            match item.kind {
                dest_attribute::ADDR => found.addr = Some(item.binary()?),
                dest_attribute::PORT => found.port = Some(item.port()?),
                dest_attribute::METHOD => found.method = Some(item.u32()?),
                dest_attribute::WEIGHT => found.weight = Some(item.u32()?),
                dest_attribute::UPPER => found.upper = Some(item.u32()?),
                dest_attribute::LOWER => found.lower = Some(item.u32()?),
                dest_attribute::FAMILY => found.family = Some(item.u16()?),
                dest_attribute::TUNNEL_KIND => found.tunnel.kind = item.u8()?,
                dest_attribute::TUNNEL_PORT => found.tunnel.port = item.port()?,
                dest_attribute::TUNNEL_FLAGS => found.tunnel.flags = item.u16()?,
                // Only replies have them, but their form is checked.
                dest_attribute::ACTIVE | dest_attribute::INACTIVE | dest_attribute::PERSISTENT => {
                    item.u32().map(|_| ())?;
                }
                dest_attribute::STATS => item.nest().map(|_| ())?,
                _ => {}
            }
        }
        Ok(found)
    }

    fn parse(bytes: Option<&[u8]>) -> Result<DestAttributes, Refusal> {
        Self::read(bytes.ok_or(Refusal::DestMissing)?).map_err(|_| Refusal::DestMalformed)
    }

    fn key(&self, service: Family) -> Result<DestKey, Refusal> {
        let (Some(addr), Some(port)) = (self.addr, self.port) else {
            return Err(Refusal::DestIncomplete);
        };
        let family = self.family(service)?;
        let addr = family.read(&addr).ok_or(Refusal::DestIncomplete)?;
        Ok(DestKey { addr, port })
    }

    /// Returns the family that is given, or else that of the service.
    fn family(&self, service: Family) -> Result<Family, Refusal> {
        match self.family {
            None | Some(0) => Ok(service),
            Some(number) => Family::from_number(number).ok_or(Refusal::Family),
        }
    }
}

/// Reads which real server of a service of family `service` is meant.
///
/// # Errors
///
/// The first rule that the attributes break.
pub fn parse_dest_key(bytes: Option<&[u8]>, service: Family) -> Result<DestKey, Refusal> {
    DestAttributes::parse(bytes)?.key(service)
}

/// Reads a real server of a service of family `service` with all its settings.
///
/// # Errors
///
/// The first rule that the attributes break; the ranges of the settings are not judged here.
pub fn parse_dest(bytes: Option<&[u8]>, service: Family) -> Result<DestRequest, Refusal> {
    let found = DestAttributes::parse(bytes)?;
    if found.addr.is_none() || found.port.is_none() {
        return Err(Refusal::DestIncomplete);
    }
    let (Some(method), Some(weight), Some(upper), Some(lower)) =
        (found.method, found.weight, found.upper, found.lower)
    else {
        return Err(Refusal::DestSettingsIncomplete);
    };
    Ok(DestRequest {
        key: found.key(service)?,
        settings: DestSettings {
            method: Method::from_number(method),
            inherited: 0,
            weight,
            upper,
            lower,
            tunnel: found.tunnel,
        },
    })
}

#[cfg_attr(
    CONFIG_KUNIT = "y",
    kernel::prelude::kunit_tests(rvs_wire_genl_request)
)]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::addr::{ipv4, Protocol};
    use crate::wire::{Full, Writer};

    #[test]
    fn service_with_all_settings_is_read() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            address(out)?;
            settings(out)?;
            out.put_string(service_attribute::ENGINE, "sip")
        });
        let read = parse_service(Some(bytes));
        assert_eq!(read.map(|read| read.key), Ok(KEY));
        assert_eq!(read.map(|read| read.scheduler), Ok(b"wlc".as_slice()));
        assert_eq!(read.map(|read| read.engine), Ok(b"sip".as_slice()));
        assert_eq!(read.map(|read| (read.flags, read.mask)), Ok((1, 5)));
        assert_eq!(read.map(|read| read.timeout), Ok(360));
        assert_eq!(read.map(|read| read.netmask), Ok(u32::MAX));
    }

    #[test]
    fn mask_says_which_flags_are_new() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            address(out)?;
            settings(out)
        });
        let read = parse_service(Some(bytes));
        assert_eq!(read.map(|read| read.flags(0x26)), Ok(0x23));
    }

    #[test]
    fn flags_without_mask_change_nothing() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            address(out)?;
            settings(out)?;
            out.put(service_attribute::FLAGS, &7u32.to_ne_bytes())
        });
        let read = parse_service(Some(bytes));
        assert_eq!(read.map(|read| read.flags(0x26)), Ok(0x26));
    }

    #[test]
    fn mark_wins_over_an_address_even_when_it_is_zero() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            address(out)?;
            out.put(service_attribute::MARK, &9u32.to_ne_bytes())
        });
        let mark = ServiceKey::of_mark(Family::V4, 9);
        assert_eq!(parse_service_key(Some(bytes)), Ok(mark));
        let bytes = written(&mut buffer, |out| {
            address(out)?;
            out.put(service_attribute::MARK, &[0; 4])
        });
        let none = ServiceKey::of_address(Protocol::TCP, Family::V4.unspecified(), Port::ANY);
        assert_eq!(parse_service_key(Some(bytes)), Ok(none));
    }

    #[test]
    fn last_of_equal_attributes_wins() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            out.put(service_attribute::PORT, &[0, 1])?;
            address(out)
        });
        assert_eq!(parse_service_key(Some(bytes)), Ok(KEY));
    }

    #[test]
    fn absence_is_judged_before_the_family() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| out.put(service_attribute::FAMILY, &FIVE));
        let read = parse_service_key(Some(bytes));
        assert_eq!(read, Err(Refusal::ServiceIncomplete));
        let bytes = written(&mut buffer, |out| {
            address(out)?;
            out.put(service_attribute::FAMILY, &FIVE)
        });
        assert_eq!(parse_service_key(Some(bytes)), Err(Refusal::Family));
        assert_eq!(parse_service(Some(bytes)).err(), Some(Refusal::Family));
    }

    #[test]
    fn service_without_a_setting_is_refused() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, address);
        let read = parse_service(Some(bytes)).err();
        assert_eq!(read, Some(Refusal::SettingsIncomplete));
        assert_eq!(parse_service_key(None), Err(Refusal::ServiceMissing));
    }

    #[test]
    fn malformed_attribute_spoils_the_service_even_if_it_is_repeated() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            out.put(service_attribute::PORT, &[0])?;
            address(out)
        });
        let read = parse_service_key(Some(bytes));
        assert_eq!(read, Err(Refusal::ServiceMalformed));
    }

    #[test]
    fn scheduler_of_sixteen_bytes_is_malformed() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            out.put_string(service_attribute::SCHEDULER, "0123456789abcdef")
        });
        let read = parse_service(Some(bytes)).err();
        assert_eq!(read, Some(Refusal::ServiceMalformed));
    }

    #[test]
    fn protocols_that_no_packet_has_are_kept() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            address(out)?;
            out.put(service_attribute::PROTOCOL, &262u16.to_ne_bytes())
        });
        let read = parse_service_key(Some(bytes)).map(|key| key.protocol);
        assert_eq!(read, Ok(ServiceProtocol(262)));
    }

    #[test]
    fn server_has_the_family_of_its_service_unless_it_says_another() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, server);
        let read = parse_dest_key(Some(bytes), Family::V4);
        assert_eq!(read.map(|key| Family::of(key.addr)), Ok(Family::V4));
        let bytes = written(&mut buffer, |out| {
            server(out)?;
            out.put(dest_attribute::FAMILY, &10u16.to_ne_bytes())
        });
        let read = parse_dest_key(Some(bytes), Family::V4);
        assert_eq!(read.map(|key| Family::of(key.addr)), Ok(Family::V6));
        let bytes = written(&mut buffer, |out| {
            server(out)?;
            out.put(dest_attribute::FAMILY, &FIVE)
        });
        let read = parse_dest_key(Some(bytes), Family::V4);
        assert_eq!(read, Err(Refusal::Family));
    }

    #[test]
    fn method_keeps_three_bits() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            server(out)?;
            out.put(dest_attribute::METHOD, &0x0001_010bu32.to_ne_bytes())?;
            out.put(dest_attribute::WEIGHT, &[0; 4])?;
            out.put(dest_attribute::UPPER, &[0; 4])?;
            out.put(dest_attribute::LOWER, &[0; 4])
        });
        let read = parse_dest(Some(bytes), Family::V4);
        assert_eq!(read.map(|read| read.settings.method), Ok(Method::Direct));
    }

    #[test]
    fn server_without_a_setting_is_refused() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, server);
        let read = parse_dest(Some(bytes), Family::V4);
        assert_eq!(read, Err(Refusal::DestSettingsIncomplete));
        let read = parse_dest(Some(&[]), Family::V4);
        assert_eq!(read, Err(Refusal::DestIncomplete));
        let read = parse_dest(None, Family::V4);
        assert_eq!(read, Err(Refusal::DestMissing));
    }

    #[test]
    fn top_level_takes_what_it_knows() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            out.put(attribute::TIMEOUT_UDP, &7u32.to_ne_bytes())?;
            out.put(77, &[])?;
            out.nest(attribute::SERVICE, address)
        });
        let read = TopLevel::parse(bytes);
        assert_eq!(read.map(|read| read.config.udp), Ok(Some(7)));
        assert_eq!(read.map(|read| read.config.tcp), Ok(None));
        let service = read.ok().and_then(|read| read.service);
        assert_eq!(parse_service_key(service), Ok(KEY));
    }

    #[test]
    fn short_timeout_is_malformed() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| out.put(attribute::TIMEOUT_TCP, &[0, 0]));
        assert_eq!(TopLevel::parse(bytes), Err(Refusal::Malformed));
    }

    const FIVE: [u8; 2] = 5u16.to_ne_bytes();

    const KEY: ServiceKey =
        ServiceKey::of_address(Protocol::UDP, ipv4([10, 0, 0, 1]), Port::from_host(53));

    fn written<'a>(
        buffer: &'a mut [u8],
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>,
    ) -> &'a [u8] {
        let mut writer = Writer::new(buffer);
        let len = fill(&mut writer).map_or(0, |()| writer.written().len());
        buffer.get(..len).unwrap_or(&[])
    }

    fn address(out: &mut Writer<'_>) -> Result<(), Full> {
        out.put(service_attribute::FAMILY, &2u16.to_ne_bytes())?;
        out.put(service_attribute::PROTOCOL, &17u16.to_ne_bytes())?;
        out.put(service_attribute::ADDR, &[10, 0, 0, 1])?;
        out.put(service_attribute::PORT, &[0, 53])
    }

    fn settings(out: &mut Writer<'_>) -> Result<(), Full> {
        out.put_string(service_attribute::SCHEDULER, "wlc")?;
        let [a, b, c, d] = 1u32.to_ne_bytes();
        let [e, f, g, h] = 5u32.to_ne_bytes();
        out.put(service_attribute::FLAGS, &[a, b, c, d, e, f, g, h])?;
        out.put(service_attribute::TIMEOUT, &360u32.to_ne_bytes())?;
        out.put(service_attribute::NETMASK, &[255; 4])
    }

    fn server(out: &mut Writer<'_>) -> Result<(), Full> {
        out.put(dest_attribute::ADDR, &[10, 0, 0, 2])?;
        out.put(dest_attribute::PORT, &[0, 80])
    }
}
