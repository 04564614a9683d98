// SPDX-License-Identifier: GPL-2.0
//! `/proc/sys/net/ipv4/vs/`: what a change brings about. Its files: `config.rs`.

use super::Session;
use crate::config::{Config, Effect};
use crate::defence;
use crate::netns::Netns;
use kernel::prelude::*;
use kernel::str::CStr;
use linux::net::Net;
use linux::rcu::Arc;
use linux::sysctl::{Directory, File};

impl Directory for Netns {
    type Handle = Arc<Self>;
    type Values = Config;
    type Effect = Effect;

    const PATH: &'static CStr = c"net/ipv4/vs";

    const FILES: &'static [File<Config, Effect>] = Config::FILES;

    fn of(net: &Net) -> Result<Arc<Self>> {
        Self::get(net)
    }

    fn values(&self) -> &Config {
        &self.config
    }

    fn carry_out(&self, net: &Net, effect: Effect) {
        match effect {
            Effect::Nothing => {}
            Effect::Watch => self.watch.schedule_once(defence::LOOK),
            // Read under the lock: of two changes the later one holds.
            Effect::ConnTable => {
                let _session = Session::begin(net, self);
                self.conns.set_load_factor(self.config.conn_lfactor.get());
            }
            Effect::ServiceTable => {
                let session = Session::begin(net, self);
                session.set_service_load_factor(self.config.svc_lfactor.get());
            }
        }
    }
}
