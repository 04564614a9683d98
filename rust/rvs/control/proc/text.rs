// SPDX-License-Identifier: GPL-2.0
//! Addresses and names as these files spell them.

use ipvs::addr::{Addr, Family};
use ipvs::xmit::Method;
use kernel::seq_file::SeqFile;
use kernel::seq_print;

/// Prints an address: eight hexadecimal digits, or eight groups without any shortening.
pub(super) fn address(out: &SeqFile, family: Family, addr: Addr) {
    match family {
        Family::V4 => seq_print!(out, "{:08X}", addr.host_v4()),
        Family::V6 => {
            let mut colon = "";
            for word in addr.words() {
                let word = u32::from_be(word);
                seq_print!(out, "{colon}{:04x}:{:04x}", word >> 16, word & 0xffff);
                colon = ":";
            }
        }
    }
}

/// Prints an address as [`address`] does, an IPv6 one in brackets.
pub(super) fn bracketed(out: &SeqFile, family: Family, addr: Addr) {
    match family {
        Family::V4 => address(out, family, addr),
        Family::V6 => {
            seq_print!(out, "[");
            address(out, family, addr);
            seq_print!(out, "]");
        }
    }
}

/// Returns the name of a protocol; others are listed as `IP_` and their number.
pub(super) fn protocol(number: u16) -> Option<&'static str> {
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

/// Returns the name of a forwarding method.
pub(super) fn method(method: Method) -> &'static str {
    match method {
        Method::Local => "Local",
        Method::Tunnel => "Tunnel",
        Method::Direct => "Route",
        _ => "Masq",
    }
}
