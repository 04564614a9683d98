// SPDX-License-Identifier: GPL-2.0
//! `ip_vs`: services and their servers.

use crate::dest::Dest;
use crate::netns::Netns;
use crate::service::Service;
use core::ops::ControlFlow;
use ipvs::uapi::procfs::{self, Line};
use ipvs::uapi::VERSION;
use kernel::seq_file::SeqFile;
use kernel::seq_print;
use kernel::str::CStr;
use linux::clock::HZ;
use linux::net::Net;
use linux::proc::{Cursor, Full, Lines, Listing};
use linux::rcu::{self, Reader};

/// `ip_vs`. The cursor is the serial of the service and that of its server printed last, the
/// newest first; the service itself comes before its servers.
pub(super) struct Services;

impl Listing for Services {
    const NAME: &'static CStr = c"ip_vs";

    fn header(net: &Net, out: &SeqFile) {
        let Ok(netns) = Netns::get(net) else { return };
        let size = netns.conns.size();
        seq_print!(out, "IP Virtual Server version {VERSION} (size={size})\n");
        seq_print!(out, "Prot LocalAddress:Port Scheduler Flags\n");
        seq_print!(
            out,
            "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
        );
    }

    fn show(net: &Net, after: Cursor, out: &mut Lines<'_>) -> Option<Cursor> {
        let netns = Netns::get(net).ok()?;
        let mut printer = Printer {
            out,
            line: Line::new(),
            after,
        };
        let [serial, _] = after;
        netns.services.visit(serial, |service| {
            match rcu::read(|rcu| printer.service(service, rcu)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(Full) => ControlFlow::Break(()),
            }
        });
        (printer.after != after).then_some(printer.after)
    }
}

/// Prints services and servers while they fit.
struct Printer<'a, 'b> {
    out: &'a mut Lines<'b>,
    line: Line,
    /// What was printed last.
    after: Cursor,
}

impl Printer<'_, '_> {
    /// Prints what was not printed yet of a service and its servers.
    fn service(&mut self, service: &Service, rcu: Reader<'_>) -> Result<(), Full> {
        let [begun, mut last] = self.after;
        if service.serial() != begun {
            let settings = service.settings(rcu);
            let timeout = jiffies(settings.timeout_seconds);
            self.line.service(service.key(), settings, timeout);
            last = u64::MAX;
            self.print([service.serial(), last])?;
        }
        while let Some(dest) = service.newest_below(last, rcu) {
            self.line.server(&shown(dest));
            last = dest.serial();
            self.print([service.serial(), last])?;
        }
        Ok(())
    }

    /// Prints the line; the place after it is `after`.
    fn print(&mut self, after: Cursor) -> Result<(), Full> {
        let result = self.out.put(self.line.bytes());
        self.line.clear();
        if result.is_ok() {
            self.after = after;
        }
        result
    }
}

/// Returns a time as C keeps it, overflow included.
fn jiffies(seconds: u32) -> i32 {
    i32::from_ne_bytes(seconds.wrapping_mul(HZ).to_ne_bytes())
}

fn shown(dest: &Dest) -> procfs::Server<'_> {
    procfs::Server {
        key: dest.key(),
        method: dest.method(),
        weight: dest.weight(),
        active: dest.active(),
        inactive: dest.inactive(),
    }
}
