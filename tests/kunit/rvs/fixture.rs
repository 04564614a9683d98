// SPDX-License-Identifier: GPL-2.0
//! A table of services outside any namespace, changed as commands change one.

use crate::config::{CacheExpiry, Setting, DAY};
use crate::dest::Dest;
use crate::service::{Exclusive, Listed, Service, ServiceTable};
use ipvs::addr::Port;
use ipvs::refusal::Refusal;
use ipvs::sched::Scheduler;
use ipvs::service::{DestKey, DestSettings, ServiceKey, ServiceSettings, TunnelSettings};
use ipvs::xmit::Method;
use kernel::prelude::*;
use linux::module::ModuleRef;
use linux::rcu::Arc;

/// Settings of a service.
pub(crate) const SETTINGS: ServiceSettings = ServiceSettings {
    scheduler: Scheduler::Rr,
    flags: 0,
    timeout_seconds: 0,
    netmask: u32::MAX,
    engine: None,
};

/// Settings of a server.
pub(crate) const SERVER: DestSettings = DestSettings {
    method: Method::Direct,
    inherited: 0,
    weight: 1,
    upper: 0,
    lower: 0,
    tunnel: TunnelSettings {
        kind: 0,
        port: Port::ANY,
        flags: 0,
    },
};

/// See the top of the file.
pub(crate) struct Fixture {
    pub(crate) services: Pin<KBox<ServiceTable>>,
    pub(crate) exclusive: Exclusive,
    expiry: CacheExpiry,
}

/// Makes an error of a refusal.
pub(crate) fn done<T>(result: Result<T, Refusal>) -> Result<T> {
    result.map_err(|refusal| match refusal {
        Refusal::Memory => ENOMEM,
        _ => EINVAL,
    })
}

impl Fixture {
    /// Makes a table without services.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            services: KBox::pin_init(ServiceTable::new(-2), GFP_KERNEL)?,
            exclusive: Exclusive::new(),
            expiry: CacheExpiry {
                lblc: Arc::new(Setting::new(DAY), GFP_KERNEL)?,
                lblcr: Arc::new(Setting::new(DAY), GFP_KERNEL)?,
            },
        })
    }

    /// Adds a service.
    pub(crate) fn add(&self, key: ServiceKey, settings: ServiceSettings) -> Result<Arc<Service>> {
        let serial = self.services.next_serial();
        let service = done(Service::new(key, settings, serial, &self.expiry))?;
        let module = ModuleRef::get(crate::THIS).ok_or(ENOENT)?;
        let listed = Listed::new(service.clone(), module);
        done(self.services.insert(&self.exclusive, listed))?;
        Ok(service)
    }

    /// Adds a server, or takes it out of the trash.
    pub(crate) fn link(&self, service: &Service, key: DestKey) -> Result<Arc<Dest>> {
        let dest = match self.services.trash.take(&key, service.key()) {
            Some(dest) => dest,
            None => Arc::pin_init(Dest::new(key, *service.key(), &SERVER), GFP_KERNEL)?,
        };
        let serial = self.services.next_serial();
        done(service.link(&self.exclusive, &dest, serial))?;
        Ok(dest)
    }

    /// Changes the settings of a server.
    pub(crate) fn edit(&self, service: &Service, key: &DestKey, settings: &DestSettings) -> Result {
        let dest = service.dest(key).ok_or(ENOENT)?;
        done(service.edit_dest(&self.exclusive, &dest, settings))
    }

    /// Removes a server.
    pub(crate) fn unlink(&self, service: &Service, key: &DestKey) -> Result {
        let dest = service.dest(key).ok_or(ENOENT)?;
        done(service.unlink(&self.exclusive, &dest))?;
        self.services.trash.put(dest);
        Ok(())
    }

    /// Removes a service.
    pub(crate) fn remove(&self, service: &Service) -> Result {
        done(self.services.remove(&self.exclusive, service)).map(drop)
    }

    /// Removes everything.
    pub(crate) fn close(&self) {
        drop(self.services.clear(&self.exclusive));
        self.services.trash.clear();
    }
}
