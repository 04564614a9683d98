// SPDX-License-Identifier: GPL-2.0
//! Commands for the real servers of a service.

use super::Session;
use crate::dest::Dest;
use crate::service::Service;
use ipvs::addr::Family;
use ipvs::refusal::Refusal;
use ipvs::service::DestKey;
use ipvs::wire::genl::DestRequest;
use ipvs::xmit::Method;
use kernel::prelude::*;
use linux::net::Net;
use linux::rcu::Arc;
use linux::route;

impl Session<'_> {
    /// Adds a real server to a service, or takes it out of the trash with all it had.
    ///
    /// # Errors
    ///
    /// It exists already, key or settings are refused, or there is no memory.
    pub(crate) fn add_dest(&self, service: &Service, request: &DestRequest) -> Result<(), Refusal> {
        self.check_daemons(service, request)?;
        check_dest(service, request)?;
        if service.dest(&request.key).is_some() {
            return Err(Refusal::DestExists);
        }
        let services = &self.netns.services;
        let Some(removed) = services.trash.take(&request.key, service.key()) else {
            return self.link(service, &self.new_dest(service, request)?);
        };
        removed.edit(&request.settings);
        let result = self.link(service, &removed);
        if result.is_err() {
            services.trash.put(removed);
        }
        result
    }

    /// Makes a real server visible: as the sender of packets, in its service.
    fn link(&self, service: &Service, dest: &Arc<Dest>) -> Result<(), Refusal> {
        let services = &self.netns.services;
        if dest.method().row().rewrites {
            services.servers.insert(dest)?;
        }
        let result = service.link(&self.exclusive, dest, services.next_serial());
        if result.is_err() {
            services.servers.remove(dest);
        }
        result
    }

    fn new_dest(&self, service: &Service, request: &DestRequest) -> Result<Arc<Dest>, Refusal> {
        check_address(self.net, &request.key)?;
        self.defragment(request.key.addr.family())?;
        let dest = Dest::new(request.key, *service.key(), &request.settings);
        Ok(Arc::pin_init(dest, GFP_KERNEL)?)
    }

    /// Changes a real server of a service.
    ///
    /// # Errors
    ///
    /// It does not exist, the settings are refused, or there is no memory.
    pub(crate) fn edit_dest(
        &self,
        service: &Service,
        request: &DestRequest,
    ) -> Result<(), Refusal> {
        self.check_daemons(service, request)?;
        check_dest(service, request)?;
        let dest = service.dest(&request.key).ok_or(Refusal::DestUnknown)?;
        let servers = &self.netns.services.servers;
        if request.settings.method.row().rewrites && !dest.method().row().rewrites {
            servers.insert(&dest)?;
        }
        let result = service.edit_dest(&self.exclusive, &dest, &request.settings);
        // What it is now, whatever the result.
        if !dest.method().row().rewrites {
            servers.remove(&dest);
        }
        result
    }

    /// Removes a real server from a service: to the trash; its connections stay.
    ///
    /// # Errors
    ///
    /// It does not exist, or there is no memory.
    pub(crate) fn remove_dest(&self, service: &Service, key: &DestKey) -> Result<(), Refusal> {
        let dest = service.dest(key).ok_or(Refusal::DestUnknown)?;
        service.unlink(&self.exclusive, &dest)?;
        self.netns.services.servers.remove(&dest);
        self.netns.services.trash.put(dest);
        self.sweep();
        Ok(())
    }
}

/// Refuses an address that no server can have.
fn check_address(net: &Net, key: &DestKey) -> Result<(), Refusal> {
    match route::kind(net, key.addr.to_ip()) {
        route::AddressKind::Local | route::AddressKind::Unicast => Ok(()),
        route::AddressKind::Other => Err(Refusal::DestAddress),
    }
}

/// Refuses a real server that C would refuse, whatever else the service has.
fn check_dest(service: &Service, request: &DestRequest) -> Result<(), Refusal> {
    let differs = Family::of(request.key.addr) != service.key().family();
    if differs && request.settings.method != Method::Tunnel {
        return Err(Refusal::DestFamily);
    }
    Ok(request.settings.check()?)
}
