// SPDX-License-Identifier: GPL-2.0
//! Makes, edits, lists and deletes services and servers with crate nlrs, and prints everything that it is told.

use nlrs::genetlink::socket::{GenericNetlinkSocket, GenericRequestBuilder};
use nlrs::ipvs::destination::{
    DelDestinationMessageBuilder, GetDestinationMessageBuilder, IpvsForwardMethod,
    NewDestinationMessageBuilder, SetDestinationMessageBuilder,
};
use nlrs::ipvs::flush::FlushMessageBuilder;
use nlrs::ipvs::info::GetInfoMessageBuilder;
use nlrs::ipvs::service::{
    DeleteServiceMessageBuilder, GetServiceMessageBuilder, NewServiceMessageBuilder,
};
use nlrs::ipvs::{IpvsService, Protocol, IPVS_FAMILY};
use nlrs::netlink::socket::NlSocketType;
use nlrs::socket::NetlinkSocket;
use std::fmt::Debug;
use std::net::SocketAddr;

const SCHEDULERS: [&str; 15] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "none",
    "nonesuch",
];
const PERSISTENT: u32 = 1;

/// Prints what came of a request.
fn tell(title: &str, answer: impl Debug) {
    println!("{title}: {answer:?}");
}

/// Returns an address and a port.
fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

/// Prints what came of a request with several answers, in an order that depends on them alone.
fn tell_all<T: Debug, E: Debug>(title: &str, answer: Result<Vec<T>, E>) {
    let Ok(entries) = answer else {
        return tell(title, answer);
    };
    let mut lines: Vec<String> = entries.iter().map(|entry| format!("  {entry:?}")).collect();
    lines.sort();
    println!("{title}: {}\n{}", lines.len(), lines.join("\n"));
}

/// Runs a request: the socket, the kind of its message, what it is about, and what is set in it beyond that.
macro_rules! ask {
    ($socket:expr, $kind:ident, $about:expr $(, $field:ident = $value:expr)*) => {{
        #[allow(unused_mut)]
        let mut message: $kind<_> = $socket.message_builder($about);
        $(message.$field = $value;)*
        message.call()
    }};
}

fn main() {
    let plain = NetlinkSocket::new_vectored(NlSocketType::NETLINK_GENERIC).expect("a socket");
    let mut socket = GenericNetlinkSocket::from_netlink_socket(plain, IPVS_FAMILY.to_string())
        .expect("the family is there");
    let version = ask!(socket, GetInfoMessageBuilder, ())
        .map(|info| (info.version_major, info.version_minor, info.version_patch));
    tell("version", version);
    let services: Vec<IpvsService> = ["10.9.0.1:80", "[fd09::1]:80"]
        .iter()
        .flat_map(|address| [Protocol::TCP, Protocol::UDP].map(|protocol| (at(address), protocol)))
        .map(|(service_address, protocol)| IpvsService {
            service_address,
            protocol,
        })
        .collect();
    for &one in &services {
        tell(
            &format!("delete {one:?}"),
            ask!(socket, DeleteServiceMessageBuilder, one),
        );
        tell(
            "add",
            ask!(
                socket,
                NewServiceMessageBuilder,
                one,
                timeout = 60,
                flags = PERSISTENT
            ),
        );
        tell("add again", ask!(socket, NewServiceMessageBuilder, one));
        for (number, server) in [
            "10.2.0.11:80",
            "10.2.0.12:8080",
            "[fd02::11]:80",
            "224.0.0.1:80",
        ]
        .iter()
        .enumerate()
        {
            for method in [
                IpvsForwardMethod::Masquerade,
                IpvsForwardMethod::Tunnel,
                IpvsForwardMethod::DirectRoute,
                IpvsForwardMethod::Local,
            ] {
                let title = format!("server {server} {method:?}");
                let method = method as u32;
                tell(
                    &title,
                    ask!(
                        socket,
                        NewDestinationMessageBuilder,
                        (one, at(server)),
                        forward_method = method,
                        weight = number as u32
                    ),
                );
                tell(
                    "edit",
                    ask!(
                        socket,
                        SetDestinationMessageBuilder,
                        (one, at(server)),
                        forward_method = method,
                        weight = 7,
                        uthreshold = 9,
                        lthreshold = 3
                    ),
                );
            }
        }
        let gue = ask!(
            socket,
            NewDestinationMessageBuilder,
            (one, at("10.2.0.13:80")),
            forward_method = 2,
            tun_type = 1,
            tun_port = 6080,
            tun_flags = 1
        );
        tell("server by GUE", gue);
        tell_all(
            "its servers",
            ask!(socket, GetDestinationMessageBuilder, one),
        );
        tell(
            "server gone",
            ask!(
                socket,
                DelDestinationMessageBuilder,
                (one, at("10.2.0.12:8080"))
            ),
        );
        tell(
            "server gone twice",
            ask!(
                socket,
                DelDestinationMessageBuilder,
                (one, at("10.2.0.12:8080"))
            ),
        );
    }
    for (port, name) in (1000..).zip(SCHEDULERS) {
        let one = IpvsService {
            service_address: SocketAddr::new(at("10.9.0.2:1").ip(), port),
            protocol: Protocol::TCP,
        };
        tell(
            name,
            ask!(
                socket,
                NewServiceMessageBuilder,
                one,
                sched_name = name.to_string()
            ),
        );
    }
    tell_all("services", ask!(socket, GetServiceMessageBuilder, ()));
    tell(
        "service gone",
        ask!(socket, DeleteServiceMessageBuilder, services[0]),
    );
    tell_all(
        "servers of none",
        ask!(socket, GetDestinationMessageBuilder, services[0]),
    );
    tell("flush", ask!(socket, FlushMessageBuilder, ()));
    tell_all("services", ask!(socket, GetServiceMessageBuilder, ()));
}
