// SPDX-License-Identifier: GPL-2.0
//! The servers of a service by their keys.
//!
//! A few are looked through; for more than a group of them there is a hash table.

use super::groups::List;
use crate::bag::Bag;
use crate::dest::Dest;
use ipvs::sched::CHUNK;
use ipvs::service::{DestKey, ServiceKey};
use kernel::prelude::*;
use linux::rcu::Arc;

/// See the top of the file.
pub(super) struct Index(Option<KBox<Bag<Arc<Dest>>>>);

impl Index {
    /// Makes the index of a service without servers.
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Finds a server of `list`, which all changes of the index have followed.
    pub(super) fn find(
        &self,
        list: &List,
        key: &DestKey,
        service: &ServiceKey,
    ) -> Option<Arc<Dest>> {
        let wanted = |dest: &&Arc<Dest>| dest.key() == key;
        let found = match &self.0 {
            Some(bag) => bag.find(key.digest(service), |dest| wanted(&dest)),
            None => list.iter().find(wanted),
        };
        found.cloned()
    }

    /// Follows the addition of a server, which has led to `list`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the index is as it was then.
    ///
    /// # Locking
    ///
    /// Process context; sleeps.
    pub(super) fn enter(&mut self, list: &List, dest: &Arc<Dest>) -> Result {
        if list.len() <= CHUNK {
            return Ok(());
        }
        if let Some(bag) = &mut self.0 {
            return put(bag, dest);
        }
        let mut bag = KBox::new(Bag::new(), GFP_KERNEL)?;
        list.iter().try_for_each(|dest| put(&mut bag, dest))?;
        self.0 = Some(bag);
        Ok(())
    }

    /// Follows the removal of a server, which has led to `list`.
    pub(super) fn leave(&mut self, list: &List, dest: &Arc<Dest>) {
        if list.len() <= CHUNK {
            self.0 = None;
        }
        if let Some(bag) = &mut self.0 {
            let digest = dest.key().digest(dest.service());
            drop(bag.take(digest, |other| other.ptr_eq(dest)));
        }
    }
}

fn put(bag: &mut Bag<Arc<Dest>>, dest: &Arc<Dest>) -> Result {
    bag.put(dest.key().digest(dest.service()), dest.clone())
}
