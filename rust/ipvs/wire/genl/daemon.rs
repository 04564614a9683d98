// SPDX-License-Identifier: GPL-2.0
//! What a request says about a sync daemon.

use super::{daemon_attribute, INTERFACE_MAX};
use crate::addr::{ipv4, ipv6, Addr, Port};
use crate::refusal::Refusal;
use crate::wire::{Attribute, Attributes, Malformed};

/// What a sync daemon does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Tells others about connections.
    Master,
    /// Listens to a master.
    Backup,
}

impl Role {
    /// Returns the role with C's number.
    ///
    /// # Errors
    ///
    /// [`Refusal::DaemonState`].
    pub const fn from_number(number: u32) -> Result<Role, Refusal> {
        match number {
            1 => Ok(Role::Master),
            2 => Ok(Role::Backup),
            _ => Err(Refusal::DaemonState),
        }
    }
}

/// A sync daemon as a request wants it; what is absent or 0 has a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaemonRequest<'a> {
    /// The number of its role, judged after the interface.
    pub state: u32,
    /// The name of the interface, at most 15 bytes.
    pub interface: &'a [u8],
    /// Tells the groups of directors apart.
    pub sync_id: u32,
    /// The longest message, in bytes.
    pub max_len: Option<u16>,
    /// The multicast group.
    pub group: Option<Addr>,
    /// The port of the group.
    pub port: Option<Port>,
    /// The time to live of messages.
    pub ttl: Option<u8>,
}

/// The attributes inside a sync daemon, as they come.
#[derive(Default)]
struct DaemonAttributes<'a> {
    state: Option<u32>,
    interface: Option<&'a [u8]>,
    sync_id: Option<u32>,
    max_len: Option<u16>,
    group: Option<Addr>,
    group6: Option<Addr>,
    port: Option<Port>,
    ttl: Option<u8>,
}

impl<'a> DaemonAttributes<'a> {
    fn read(bytes: &'a [u8]) -> Result<DaemonAttributes<'a>, Malformed> {
        let mut found = DaemonAttributes::default();
        for item in Attributes::of(bytes) {
            match item.kind {
                daemon_attribute::STATE => found.state = Some(item.u32()?),
                daemon_attribute::INTERFACE => found.interface = Some(item.string(INTERFACE_MAX)?),
                daemon_attribute::SYNC_ID => found.sync_id = Some(item.u32()?),
                daemon_attribute::MAX_LEN => found.max_len = Some(item.u16()?),
                daemon_attribute::GROUP => found.group = Some(ipv4(start(&item)?)),
                daemon_attribute::GROUP6 => found.group6 = Some(ipv6(start(&item)?)),
                // In host order, unlike the ports of services.
                daemon_attribute::PORT => found.port = Some(Port::from_host(item.u16()?)),
                daemon_attribute::TTL => found.ttl = Some(item.u8()?),
                _ => {}
            }
        }
        Ok(found)
    }

    fn parse(bytes: Option<&'a [u8]>) -> Result<DaemonAttributes<'a>, Refusal> {
        Self::read(bytes.ok_or(Refusal::DaemonMissing)?).map_err(|_| Refusal::DaemonMalformed)
    }
}

/// Returns the first bytes of an address.
fn start<const N: usize>(item: &Attribute<'_>) -> Result<[u8; N], Malformed> {
    item.payload.first_chunk().copied().ok_or(Malformed::Short)
}

/// Reads which sync daemon is to start.
///
/// # Errors
///
/// The first rule that the attributes break; state and interface are not judged here.
pub fn parse_daemon(bytes: Option<&[u8]>) -> Result<DaemonRequest<'_>, Refusal> {
    let found = DaemonAttributes::parse(bytes)?;
    let (Some(state), Some(interface), Some(sync_id)) =
        (found.state, found.interface, found.sync_id)
    else {
        return Err(Refusal::DaemonIncomplete);
    };
    let group = found.group.or(found.group6);
    if group.is_some_and(|group| !group.to_ip().is_multicast()) {
        return Err(Refusal::DaemonGroup);
    }
    Ok(DaemonRequest {
        state,
        interface,
        sync_id,
        max_len: found.max_len,
        group,
        port: found.port,
        ttl: found.ttl,
    })
}

/// Reads the number of the role of the sync daemon that is to stop.
///
/// # Errors
///
/// The first rule that the attributes break; the number is not judged here.
pub fn parse_daemon_state(bytes: Option<&[u8]>) -> Result<u32, Refusal> {
    let found = DaemonAttributes::parse(bytes)?;
    found.state.ok_or(Refusal::DaemonIncomplete)
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_wire_genl_daemon))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;
    use crate::wire::{Full, Writer};

    #[test]
    fn daemon_with_all_settings_is_read() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            needed(out)?;
            out.put(daemon_attribute::MAX_LEN, &1400u16.to_ne_bytes())?;
            out.put(daemon_attribute::GROUP, &[224, 0, 0, 90])?;
            out.put(daemon_attribute::PORT, &8900u16.to_ne_bytes())?;
            out.put(daemon_attribute::TTL, &[3])
        });
        let read = DaemonRequest {
            max_len: Some(1400),
            group: Some(ipv4([224, 0, 0, 90])),
            port: Some(Port::from_host(8900)),
            ttl: Some(3),
            ..PLAIN
        };
        assert_eq!(parse_daemon(Some(bytes)), Ok(read));
    }

    #[test]
    fn daemon_needs_state_interface_and_id() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, needed);
        assert_eq!(parse_daemon(Some(bytes)), Ok(PLAIN));
        assert_eq!(parse_daemon(None), Err(Refusal::DaemonMissing));
        assert_eq!(parse_daemon(Some(&[])), Err(Refusal::DaemonIncomplete));
        assert_eq!(parse_daemon_state(Some(bytes)), Ok(2));
        assert_eq!(
            parse_daemon_state(Some(&[])),
            Err(Refusal::DaemonIncomplete)
        );
    }

    #[test]
    fn group_is_multicast_and_that_of_four_bytes_wins() {
        let mut buffer = [0; 128];
        let bytes = written(&mut buffer, |out| {
            needed(out)?;
            out.put(daemon_attribute::GROUP6, &[0xff; 16])
        });
        let group = parse_daemon(Some(bytes)).map(|read| read.group);
        assert_eq!(group, Ok(Some(ipv6([0xff; 16]))));
        let bytes = written(&mut buffer, |out| {
            needed(out)?;
            out.put(daemon_attribute::GROUP6, &[0xff; 16])?;
            out.put(daemon_attribute::GROUP, &[10, 0, 0, 1])
        });
        assert_eq!(parse_daemon(Some(bytes)), Err(Refusal::DaemonGroup));
        let bytes = written(&mut buffer, |out| {
            needed(out)?;
            out.put(daemon_attribute::GROUP6, &[0xff; 15])
        });
        assert_eq!(parse_daemon(Some(bytes)), Err(Refusal::DaemonMalformed));
    }

    #[test]
    fn roles_have_numbers() {
        assert_eq!(Role::from_number(1), Ok(Role::Master));
        assert_eq!(Role::from_number(2), Ok(Role::Backup));
        assert_eq!(Role::from_number(0), Err(Refusal::DaemonState));
        assert_eq!(Role::from_number(3), Err(Refusal::DaemonState));
    }

    const PLAIN: DaemonRequest<'static> = DaemonRequest {
        state: 2,
        interface: b"eth0",
        sync_id: 7,
        max_len: None,
        group: None,
        port: None,
        ttl: None,
    };

    fn needed(out: &mut Writer<'_>) -> Result<(), Full> {
        out.put(daemon_attribute::STATE, &2u32.to_ne_bytes())?;
        out.put_string(daemon_attribute::INTERFACE, "eth0")?;
        out.put(daemon_attribute::SYNC_ID, &7u32.to_ne_bytes())
    }

    fn written<'a>(
        buffer: &'a mut [u8],
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>,
    ) -> &'a [u8] {
        let mut writer = Writer::new(buffer);
        let len = fill(&mut writer).map_or(0, |()| writer.written().len());
        buffer.get(..len).unwrap_or(&[])
    }
}
