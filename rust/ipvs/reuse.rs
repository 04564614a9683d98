// SPDX-License-Identifier: GPL-2.0
//! Whether a packet of a known connection still belongs to it.
//!
//! A client takes a port again while the entry of its last connection still waits, or the server
//! of the entry was removed: then the entry goes and the packet is looked at as a new one, unless
//! tracking stands in the way.

use crate::addr::Protocol;
use crate::proto::tcp;

/// What is known about the server of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The connection has none.
    None,
    /// It was removed.
    Gone,
    /// It takes no new connection: its weight is 0.
    Quiet,
    /// It is there.
    There,
}

/// The packet, the connection and the settings, as far as they matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The protocol.
    pub protocol: Protocol,
    /// Whether the packet opens a connection.
    pub is_opening: bool,
    /// The state of the connection.
    pub state: tcp::State,
    /// Whether no packet of the server was seen.
    pub no_output: bool,
    /// The server of the connection.
    pub server: Server,
    /// Whether tracking has a confirmed entry for the packet.
    pub is_tracked: bool,
    /// The setting `conn_reuse_mode`.
    pub reuse_mode: i32,
    /// The setting `expire_nodest_conn`.
    pub expires_gone: bool,
}

/// What becomes of the packet and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The packet belongs to the connection.
    Keep,
    /// The connection ends, without its tracked one, and the packet is a new one.
    Renew,
    /// The connection ends with its tracked one; the packet is dropped, its repetition will be new.
    EndAndDrop,
    /// The packet is dropped, the connection stays.
    Drop,
}

/// Returns what becomes of a request that was found to belong to a connection.
#[inline]
pub fn fate(facts: &Facts) -> Fate {
    if facts.is_opening && (facts.is_quiet() || facts.is_over()) {
        return facts.end();
    }
    match facts.server {
        Server::Gone if facts.expires_gone => facts.end(),
        Server::Gone => Fate::Drop,
        Server::None | Server::Quiet | Server::There => Fate::Keep,
    }
}

impl Facts {
    fn is_quiet(&self) -> bool {
        self.expires_gone && self.server == Server::Quiet
    }

    /// The client is free to take the port again.
    fn is_over(&self) -> bool {
        if self.reuse_mode == 0 || self.protocol != Protocol::TCP {
            return false;
        }
        match self.state {
            tcp::State::TimeWait | tcp::State::Close => true,
            // Seen from one side only, the server's half may have been closed long ago.
            tcp::State::FinWait => self.reuse_mode & 2 != 0 && self.no_output,
            _ => false,
        }
    }

    fn end(&self) -> Fate {
        if self.is_tracked {
            Fate::EndAndDrop
        } else {
            Fate::Renew
        }
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_reuse))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_living_connection_belong_to_it() {
        for state in tcp::State::ALL {
            assert_eq!(fate(&Facts { state, ..FACTS }), Fate::Keep);
        }
        let facts = Facts {
            is_opening: true,
            ..FACTS
        };
        assert_eq!(fate(&facts), Fate::Keep);
    }

    #[test]
    fn opening_packet_renews_what_is_over() {
        for state in tcp::State::ALL {
            let over = matches!(state, tcp::State::TimeWait | tcp::State::Close);
            let expected = if over { Fate::Renew } else { Fate::Keep };
            assert_eq!(fate(&Facts { state, ..OPENING }), expected);
        }
    }

    #[test]
    fn mode_zero_renews_nothing() {
        let facts = Facts {
            state: tcp::State::TimeWait,
            reuse_mode: 0,
            ..OPENING
        };
        assert_eq!(fate(&facts), Fate::Keep);
    }

    #[test]
    fn mode_two_renews_a_half_seen_fin_wait() {
        let seen = Facts {
            state: tcp::State::FinWait,
            reuse_mode: 2,
            ..OPENING
        };
        assert_eq!(fate(&seen), Fate::Keep);
        let half_seen = Facts {
            no_output: true,
            ..seen
        };
        assert_eq!(fate(&half_seen), Fate::Renew);
        assert_eq!(
            fate(&Facts {
                reuse_mode: 1,
                ..half_seen
            }),
            Fate::Keep
        );
    }

    #[test]
    fn udp_is_never_over() {
        let facts = Facts {
            protocol: Protocol::UDP,
            state: tcp::State::Close,
            ..OPENING
        };
        assert_eq!(fate(&facts), Fate::Keep);
    }

    #[test]
    fn tracked_packet_is_dropped_for_its_connection_to_go() {
        let facts = Facts {
            state: tcp::State::Close,
            is_tracked: true,
            ..OPENING
        };
        assert_eq!(fate(&facts), Fate::EndAndDrop);
        let gone = Facts {
            server: Server::Gone,
            expires_gone: true,
            is_tracked: true,
            ..FACTS
        };
        assert_eq!(fate(&gone), Fate::EndAndDrop);
    }

    #[test]
    fn packets_to_a_removed_server_are_dropped() {
        assert_eq!(
            fate(&Facts {
                server: Server::Gone,
                ..FACTS
            }),
            Fate::Drop
        );
    }

    #[test]
    fn packets_to_a_removed_server_start_anew_when_so_set() {
        let facts = Facts {
            server: Server::Gone,
            expires_gone: true,
            ..FACTS
        };
        assert_eq!(fate(&facts), Fate::Renew);
    }

    #[test]
    fn opening_packet_leaves_a_quiet_server_when_so_set() {
        let facts = Facts {
            server: Server::Quiet,
            ..OPENING
        };
        assert_eq!(fate(&facts), Fate::Keep);
        assert_eq!(
            fate(&Facts {
                expires_gone: true,
                ..facts
            }),
            Fate::Renew
        );
        let later = Facts {
            server: Server::Quiet,
            expires_gone: true,
            ..FACTS
        };
        assert_eq!(fate(&later), Fate::Keep);
    }

    const FACTS: Facts = Facts {
        protocol: Protocol::TCP,
        is_opening: false,
        state: tcp::State::Established,
        no_output: false,
        server: Server::There,
        is_tracked: false,
        reuse_mode: 1,
        expires_gone: false,
    };

    const OPENING: Facts = Facts {
        is_opening: true,
        ..FACTS
    };
}
