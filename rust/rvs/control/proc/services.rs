// SPDX-License-Identifier: GPL-2.0
//! `ip_vs`: services and their servers.

use super::text;
use crate::dest::Dest;
use crate::netns::Netns;
use crate::service::Service;
use ipvs::service::{ServiceKey, ServiceSettings};
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::str::CStr;
use linux::clock::HZ;
use linux::net::Net;
use linux::proc::{Cursor, Listing};

/// So many servers are printed at a time.
const BATCH: usize = 32;

/// `ip_vs`. The cursor is the serial of the service and that of its server printed last, the
/// newest first; above all servers stands the service itself.
pub(super) struct Services;

impl Listing for Services {
    const NAME: &'static CStr = c"ip_vs";

    fn header(net: &Net, out: &SeqFile) {
        let Ok(netns) = Netns::get(net) else { return };
        let size = netns.conns.size();
        seq_print!(out, "IP Virtual Server version 1.2.1 (size={size})\n");
        seq_print!(out, "Prot LocalAddress:Port Scheduler Flags\n");
        seq_print!(
            out,
            "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
        );
    }

    fn show(net: &Net, [service, server]: Cursor, out: &SeqFile) -> Option<Cursor> {
        let netns = Netns::get(net).ok()?;
        let same = netns.services.after(service.wrapping_sub(1));
        let same = same.filter(|found| found.serial() == service);
        if let Some(last) = same.and_then(|found| servers(&found, server, out)) {
            return Some([service, last]);
        }
        let next = netns.services.after(service)?;
        print_service(&next, out)?;
        Some([next.serial(), u64::MAX])
    }
}

/// Prints the next few servers whose serial is below `serial` and returns that of the last.
fn servers(service: &Service, serial: u64, out: &SeqFile) -> Option<u64> {
    let mut last = None;
    for _ in 0..BATCH {
        let Some(dest) = service.dest_below(last.unwrap_or(serial)) else {
            break;
        };
        print_server(&dest, out);
        last = Some(dest.serial());
    }
    last
}

/// Returns a time as C keeps it, overflow included.
fn jiffies(seconds: u32) -> u32 {
    seconds.wrapping_mul(HZ)
}

fn print_service(service: &Service, out: &SeqFile) -> Option<()> {
    let settings = service.settings_now().ok()?;
    print_key(service.key(), &settings, out);
    if settings.is_persistent() {
        // C counts the time-out in jiffies, and swaps the bytes of an IPv6 prefix length as well.
        let timeout = i32::from_ne_bytes(jiffies(settings.timeout_seconds).to_ne_bytes());
        let netmask = u32::from_be(settings.netmask);
        seq_print!(out, "persistent {timeout} {netmask:08X}\n");
    } else {
        seq_print!(out, "\n");
    }
    Some(())
}

/// Prints what identifies a service, and who schedules for it.
fn print_key(key: &ServiceKey, settings: &ServiceSettings, out: &SeqFile) {
    let scheduler = settings.scheduler.name();
    let ops = if settings.is_one_packet() { "ops " } else { "" };
    if key.is_mark() {
        seq_print!(out, "FWM  {:08X} {scheduler} {ops}", key.mark);
        return;
    }
    match text::protocol(key.protocol.0) {
        Some(name) => seq_print!(out, "{}  ", name),
        None => seq_print!(out, "IP_{}  ", key.protocol.0),
    }
    text::bracketed(out, key.family, key.addr);
    match key.family {
        ipvs::addr::Family::V4 => seq_print!(out, ":{:04X} {scheduler} {ops} ", key.port.host()),
        ipvs::addr::Family::V6 => seq_print!(out, ":{:04X} {scheduler} ", key.port.host()),
    }
}

fn print_server(dest: &Dest, out: &SeqFile) {
    let key = dest.key();
    seq_print!(out, "  -> ");
    text::bracketed(out, key.family, key.addr);
    seq_print!(
        out,
        ":{:04X}      {:<7} {:<6} {:<10} {:<10}\n",
        key.port.host(),
        text::method(dest.method()),
        dest.weight(),
        dest.active(),
        dest.inactive()
    );
}
