// SPDX-License-Identifier: GPL-2.0
//! The servers of a service by their keys.
//!
//! A few are looked through; for more than a chunk of them there is a hash index.

use super::server_list::ServerList;
use crate::dest::Dest;
use crate::util::hash_index::HashIndex;
use crate::util::OutOfMemory;
use ipvs::sched::CHUNK;
use ipvs::service::{DestKey, ServiceKey};
use kernel::prelude::*;
use linux::rcu::Arc;

/// See the top of the file.
pub(super) struct Index(Option<KBox<HashIndex<Arc<Dest>>>>);

impl Index {
    /// Makes the index of a service without servers.
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Finds a server of `list`, which all changes of the index have followed.
    pub(super) fn find(
        &self,
        list: &ServerList,
        key: &DestKey,
        service: &ServiceKey,
    ) -> Option<Arc<Dest>> {
        let wanted = |dest: &&Arc<Dest>| dest.key() == key;
        let found = match &self.0 {
            Some(index) => index.find(key.digest(service), |dest| wanted(&dest)),
            None => list.iter().find(wanted),
        };
        found.cloned()
    }

    /// Follows the addition of a server, which has led to `list`.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`]; the index is as it was then.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(super) fn insert(
        &mut self,
        list: &ServerList,
        dest: &Arc<Dest>,
    ) -> Result<(), OutOfMemory> {
        if list.len() <= CHUNK {
            return Ok(());
        }
        if let Some(index) = &mut self.0 {
            return put(index, dest);
        }
        let mut index = KBox::new(HashIndex::new(), GFP_KERNEL)?;
        list.iter().try_for_each(|dest| put(&mut index, dest))?;
        self.0 = Some(index);
        Ok(())
    }

    /// Follows the removal of a server, which has led to `list`.
    pub(super) fn remove(&mut self, list: &ServerList, dest: &Arc<Dest>) {
        if list.len() <= CHUNK {
            self.0 = None;
        }
        if let Some(index) = &mut self.0 {
            let digest = dest.key().digest(dest.service());
            drop(index.remove(digest, |other| other.ptr_eq(dest)));
        }
    }
}

fn put(index: &mut HashIndex<Arc<Dest>>, dest: &Arc<Dest>) -> Result<(), OutOfMemory> {
    index.insert(dest.key().digest(dest.service()), dest.clone())
}
