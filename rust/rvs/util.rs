// SPDX-License-Identifier: GPL-2.0
//! What the module's parts share: containers that the kernel crate does not have, and one error.

pub(crate) mod hash_index;
pub(crate) mod vec_ext;

use core::convert::Infallible;
use ipvs::refusal::Refusal;
use kernel::alloc::kvec::PushError;
use kernel::alloc::AllocError;
use kernel::prelude::*;

/// There is no memory for something, which can fail for no other reason.
#[derive(Debug)]
pub(crate) struct OutOfMemory;

impl From<AllocError> for OutOfMemory {
    fn from(_error: AllocError) -> Self {
        Self
    }
}

/// A vector whose room was counted too small.
impl<T> From<PushError<T>> for OutOfMemory {
    fn from(_error: PushError<T>) -> Self {
        Self
    }
}

impl From<Infallible> for OutOfMemory {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<OutOfMemory> for Refusal {
    fn from(_error: OutOfMemory) -> Self {
        Refusal::Memory
    }
}

/// What a namespace that cannot be made tells the kernel.
impl From<OutOfMemory> for Error {
    fn from(_error: OutOfMemory) -> Self {
        AllocError.into()
    }
}
