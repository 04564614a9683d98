// SPDX-License-Identifier: GPL-2.0
//! Rewrites of packets whose sum the hardware has, right or wrong, in a live kernel.

#[kernel::prelude::kunit_tests(rvs_packet_edit)]
mod tests {
    use super::*;

    #[test]
    fn nat_keeps_right_checksums_right_and_wrong_ones_wrong() -> Result {
        for (family, protocol) in FLOWS {
            for side in [Side::Dest, Side::Source] {
                let nat = Edit {
                    hop_limit: HopLimit::Decrement,
                    rewrite: Some(Rewrite {
                        side,
                        to: server(family),
                    }),
                };
                for damage in [0, 0x55] {
                    let bytes = datagram(family, protocol, damage)?;
                    for complete in sums(&bytes) {
                        let after = edited(&bytes, complete, nat)?;
                        assert_eq!(after.summed, Summed::None);
                        assert_eq!(after.is_good()?, damage == 0);
                        let packet = read(&after.bytes)?;
                        let end = server(family);
                        assert_eq!(
                            (packet.addr(side), packet.port(side)),
                            (end.addr, Some(end.port))
                        );
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn udp_without_a_checksum_gets_one_whatever_the_hardware_says() -> Result {
        for family in [Family::V4, Family::V6] {
            let mut bytes = datagram(family, Protocol::UDP, 0)?;
            let at = usize::from(read(&bytes)?.transport_offset) + 6;
            bytes[at..at + 2].fill(0);
            for complete in sums(&bytes) {
                let nat = Edit {
                    hop_limit: HopLimit::Keep,
                    rewrite: Some(Rewrite {
                        side: Side::Dest,
                        to: server(family),
                    }),
                };
                let after = edited(&bytes, complete, nat)?;
                assert_eq!(after.summed, Summed::Unnecessary);
                assert!(after.is_good()?);
            }
        }
        Ok(())
    }

    #[test]
    fn direct_routing_changes_the_hop_limit_alone() -> Result {
        for (family, protocol) in FLOWS {
            let bytes = datagram(family, protocol, 0)?;
            for complete in sums(&bytes) {
                let direct = Edit {
                    hop_limit: HopLimit::Decrement,
                    rewrite: None,
                };
                let after = edited(&bytes, complete, direct)?;
                // It is forgotten where the packet is sent.
                assert_eq!(after.summed, Summed::Complete);
                assert!(after.is_good()?);
                let (before, packet) = (read(&bytes)?, read(&after.bytes)?);
                let hop_limit = before.hop_limit - 1;
                assert_eq!(
                    packet,
                    Packet {
                        hop_limit,
                        ..before
                    }
                );
                let offset = usize::from(before.transport_offset);
                assert_eq!(bytes[offset..], after.bytes[offset..]);
            }
        }
        Ok(())
    }

    #[test]
    fn an_error_is_judged_by_its_bytes() -> Result {
        for family in [Family::V4, Family::V6] {
            for damage in [0, 0x55] {
                let bytes = error(family, damage)?;
                for complete in sums(&bytes) {
                    let packet = read(&bytes)?;
                    let crafted =
                        Crafted::new(&bytes, headers(family))?.with_complete_sum(complete);
                    let good = on(crafted, family, |skb| transmit::is_error_good(skb, &packet))?;
                    assert_eq!(good, damage == 0);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn an_error_gets_a_new_checksum() -> Result {
        for family in [Family::V4, Family::V6] {
            let bytes = error(family, 0)?;
            for complete in sums(&bytes) {
                let nat = Edit {
                    hop_limit: HopLimit::Keep,
                    rewrite: Some(Rewrite {
                        side: Side::Source,
                        to: server(family),
                    }),
                };
                let after = edited(&bytes, complete, nat)?;
                match family {
                    Family::V4 => assert_eq!(
                        (after.summed, after.is_good()?),
                        (Summed::Unnecessary, true)
                    ),
                    Family::V6 => {
                        let offset = u16::try_from(headers(family)).map_err(|_| EINVAL)?;
                        assert_eq!(
                            (after.summed, after.left),
                            (Summed::Partial, Some((offset, 2)))
                        );
                        assert!(after.completed()?.is_good()?);
                    }
                }
            }
        }
        Ok(())
    }
}

use super::transmit;
use ipvs::addr::{ipv4, ipv6, Addr, Endpoint, Family, Port, Protocol};
use ipvs::packet::checksum::{pseudo_header, Sum};
use ipvs::packet::{self, icmp, Packet, Side};
use ipvs::xmit::{Edit, HopLimit, Rewrite};
use kernel::prelude::*;
use linux::crafted::Crafted;
use linux::inet::{self, Point};
use linux::skb::{Skb, Summed};

/// What is rewritten.
const FLOWS: [(Family, Protocol); 4] = [
    (Family::V4, Protocol::TCP),
    (Family::V4, Protocol::UDP),
    (Family::V6, Protocol::TCP),
    (Family::V6, Protocol::UDP),
];

fn addr(family: Family, last: u8) -> Addr {
    match family {
        Family::V4 => ipv4([192, 0, 2, last]),
        Family::V6 => ipv6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]),
    }
}

fn server(family: Family) -> Endpoint {
    Endpoint {
        addr: addr(family, 11),
        port: Port::from_host(8080),
    }
}

/// Returns the length of a network header.
const fn headers(family: Family) -> usize {
    match family {
        Family::V4 => 20,
        Family::V6 => 40,
    }
}

/// Returns a packet from .9 to .80 with a payload of the network header, whose checksums are good.
fn whole(family: Family, protocol: Protocol, payload: &[u8]) -> Result<KVec<u8>> {
    let (source, dest) = (addr(family, 9), addr(family, 80));
    let [high, low] = u16::try_from(payload.len())
        .map_err(|_| EINVAL)?
        .to_be_bytes();
    let mut bytes = KVec::new();
    match (source.v4(), dest.v4(), source.v6(), dest.v6()) {
        (Some(source), Some(dest), ..) => {
            let low = low.checked_add(20).ok_or(EINVAL)?;
            bytes.extend_from_slice(
                &[0x45, 0, high, low, 0, 1, 0x40, 0, 64, protocol.0, 0, 0],
                GFP_KERNEL,
            )?;
            bytes.extend_from_slice(&source.octets(), GFP_KERNEL)?;
            bytes.extend_from_slice(&dest.octets(), GFP_KERNEL)?;
            packet::ipv4::renew_checksum(&mut bytes).ok_or(EINVAL)?;
        }
        (.., Some(source), Some(dest)) => {
            bytes.extend_from_slice(&[0x60, 0, 0, 0, high, low, protocol.0, 64], GFP_KERNEL)?;
            bytes.extend_from_slice(&source.octets(), GFP_KERNEL)?;
            bytes.extend_from_slice(&dest.octets(), GFP_KERNEL)?;
        }
        _ => return Err(EINVAL),
    }
    bytes.extend_from_slice(payload, GFP_KERNEL)?;
    Ok(bytes)
}

/// Returns a datagram or segment from port 40000 to 80; `damage` spoils its last byte afterwards.
fn datagram(family: Family, protocol: Protocol, damage: u8) -> Result<KVec<u8>> {
    let mut payload = KVec::new();
    payload.extend_from_slice(&[0x9c, 0x40, 0, 80], GFP_KERNEL)?;
    let place = match protocol {
        Protocol::TCP => {
            let rest = [0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0];
            payload.extend_from_slice(&rest, GFP_KERNEL)?;
            16
        }
        _ => {
            payload.extend_from_slice(&[0, 13, 0, 0], GFP_KERNEL)?;
            6
        }
    };
    payload.extend_from_slice(b"seven", GFP_KERNEL)?;
    let start = pseudo_header(
        addr(family, 9),
        addr(family, 80),
        protocol,
        payload.len() as u32,
    );
    let sum = start.bytes(&payload).checksum();
    payload[place..place + 2].copy_from_slice(&sum);
    damaged(whole(family, protocol, &payload)?, damage)
}

/// Returns an error about such a datagram as the other end would send one.
fn error(family: Family, damage: u8) -> Result<KVec<u8>> {
    let (protocol, kind) = match family {
        Family::V4 => (Protocol::ICMP, [3, 1]),
        Family::V6 => (Protocol::ICMPV6, [1, 3]),
    };
    let mut payload = KVec::new();
    payload.extend_from_slice(&kind, GFP_KERNEL)?;
    payload.extend_from_slice(&[0; 6], GFP_KERNEL)?;
    payload.extend_from_slice(&datagram(family, Protocol::UDP, 0)?, GFP_KERNEL)?;
    let outer = read(&whole(family, protocol, &payload)?)?;
    let start = icmp::start(&outer, (outer.source, outer.dest));
    let sum = start.bytes(&payload).checksum();
    payload[2..4].copy_from_slice(&sum);
    damaged(whole(family, protocol, &payload)?, damage)
}

fn damaged(mut bytes: KVec<u8>, damage: u8) -> Result<KVec<u8>> {
    let last = bytes.last_mut().ok_or(EINVAL)?;
    *last ^= damage;
    Ok(bytes)
}

/// Returns the sum that hardware finds, and one that it does not.
fn sums(bytes: &[u8]) -> [u32; 2] {
    let right = Sum::ZERO.bytes(bytes).raw();
    [right, !right]
}

fn read(bytes: &[u8]) -> Result<Packet> {
    packet::parse(bytes, bytes.len() as u32).map_err(|_| EINVAL)
}

/// What became of a packet.
struct After {
    bytes: KVec<u8>,
    summed: Summed,
    left: Option<(u16, u16)>,
}

impl After {
    /// Returns whether the checksums are good.
    fn is_good(&self) -> Result<bool> {
        let packet = read(&self.bytes)?;
        let (network, transport) = self.bytes.split_at(packet.transport_offset.into());
        let start = match packet.protocol {
            Protocol::ICMP => Sum::ZERO,
            _ => pseudo_header(
                packet.source,
                packet.dest,
                packet.protocol,
                packet.transport_length(),
            ),
        };
        let is_network_good = match packet.family() {
            Family::V4 => icmp::is_good(Sum::ZERO.bytes(network)),
            Family::V6 => true,
        };
        Ok(is_network_good && icmp::is_good(start.bytes(transport)))
    }

    /// Makes the checksum that was left to the hardware.
    fn completed(mut self) -> Result<Self> {
        let (start, field) = self.left.ok_or(EINVAL)?;
        let (start, field) = (usize::from(start), usize::from(field));
        let sum = Sum::ZERO.bytes(&self.bytes[start..]).checksum();
        self.bytes[start + field..start + field + 2].copy_from_slice(&sum);
        Ok(self)
    }
}

/// Does an edit to a packet that has nothing but its network header in front.
fn edited(bytes: &[u8], complete: u32, edit: Edit) -> Result<After> {
    let packet = read(bytes)?;
    let quoted = icmp::is_error_packet(&packet).then(|| icmp::quoted(bytes, &packet));
    let crafted = Crafted::new(bytes, headers(packet.family()))?.with_complete_sum(complete);
    let mut copy = KVec::from_elem(0, bytes.len(), GFP_KERNEL)?;
    let (done, summed, left) = on(crafted, packet.family(), |skb| {
        let read = (&packet, quoted.as_ref().and_then(|quoted| quoted.as_ref()));
        let is_done = transmit::edit_rarely(skb, read, edit).is_ok();
        let is_copied = skb.copy(0, &mut copy);
        (is_done && is_copied, skb.summed(), skb.left_checksum())
    })?;
    done.then_some(After {
        bytes: copy,
        summed,
        left,
    })
    .ok_or(EINVAL)
}

/// Does something with a packet in a hook.
fn on<R>(crafted: Crafted, family: Family, what: impl FnOnce(&mut Skb<'_>) -> R) -> Result<R> {
    let family = match family {
        Family::V4 => inet::Family::V4,
        Family::V6 => inet::Family::V6,
    };
    let passed = crafted.pass((family, Point::LocalIn), |mut skb, _rcu| {
        let result = what(&mut skb);
        (skb.accept(), result)
    });
    passed.map(|(_packet, result)| result)
}
