// SPDX-License-Identifier: GPL-2.0
//! Why a request is not carried out, for all front ends.

use ipvs::refusal::Refusal;
use kernel::prelude::*;
use linux::log;

/// Why a request is not answered.
pub(super) enum Failure {
    /// The command is refused.
    Refused(Refusal),
    /// The answer could not be sent.
    Failed(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            ENOMEM => Failure::Refused(Refusal::Memory),
            other => Failure::Failed(other),
        }
    }
}

impl Failure {
    /// Returns what user space gets to see, and says in the kernel log why a command is refused.
    pub(super) fn error(&self) -> Error {
        match self {
            Failure::Failed(error) => *error,
            Failure::Refused(refusal) => {
                log(*refusal);
                let errno = i32::from(refusal.errno().number());
                Error::from_errno(errno.wrapping_neg())
            }
        }
    }
}

/// Says in the kernel log why a command is refused: `ipvsadm` shows the errno only.
fn log(refusal: Refusal) {
    if !refusal.is_logged() || !log::may_say() {
        return;
    }
    if let Ok(sentence) = refusal.sentence().to_str() {
        pr_notice!("a command is refused: {sentence}\n");
    }
}
