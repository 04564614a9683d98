// SPDX-License-Identifier: GPL-2.0
//! Why a command is refused: the error number and the sentence that users see.
//!
//! Numbers are C's, so that scripts go on working; the sentence travels beside it. What C's module
//! can do and this one cannot do yet has a reason of its own, ends in "yet", and is listed in
//! `docs/not-yet.md`.

use crate::service::DestError;
use core::ffi::CStr;

/// An error number of user space that refusals use; the same on all machines this runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Errno {
    /// No such thing in what was found.
    NoEntry = 2,
    /// No such service, no such daemon.
    NoService = 3,
    /// Not enough memory.
    NoMemory = 12,
    /// A protocol that socket options do not take.
    Fault = 14,
    /// It exists already.
    Exists = 17,
    /// No such interface, or the namespace does not serve now.
    NoDevice = 19,
    /// The request makes no sense.
    Invalid = 22,
    /// A number is out of its range.
    Range = 34,
    /// The module is being unloaded.
    NoModule = 92,
    /// Not something that can be done.
    Unsupported = 95,
    /// Not a family that can be served.
    Family = 97,
}

impl Errno {
    /// Returns the number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A top-level attribute is malformed.
    Malformed,
    /// No service is named.
    ServiceMissing,
    /// An attribute inside the service is malformed.
    ServiceMalformed,
    /// Too few attributes say which service.
    ServiceIncomplete,
    /// A setting of the service is missing.
    SettingsIncomplete,
    /// Neither IPv4 nor IPv6.
    Family,
    /// IPv6, which the kernel does not have.
    FamilyAbsent,
    /// The service is not there.
    ServiceUnknown,
    /// The service is there already.
    ServiceExists,
    /// There is no such scheduler.
    SchedulerUnknown,
    /// A netmask that the family does not have.
    Netmask,
    /// The service has more servers than the new scheduler can have.
    ServersTooMany,
    /// There is no such persistence engine.
    EngineUnknown,
    /// No real server is named.
    DestMissing,
    /// An attribute inside the real server is malformed.
    DestMalformed,
    /// Too few attributes say which real server.
    DestIncomplete,
    /// A setting of the real server is missing.
    DestSettingsIncomplete,
    /// The real server has another family than the service, without a tunnel.
    DestFamily,
    /// The settings of the real server are out of range.
    DestSettings(DestError),
    /// The real server is there already.
    DestExists,
    /// The real server is not there.
    DestUnknown,
    /// Nothing can be sent to the real server's address.
    DestAddress,
    /// The real server has another family than the service, and a sync daemon runs.
    DestDaemon,
    /// A time-out is out of range.
    Timeout,
    /// The argument of a socket option has another length, or there is no such option.
    OptionLength,
    /// A name in the argument of a socket option is empty or has no end.
    OptionName,
    /// A protocol that socket options do not take.
    OptionProtocol,
    /// No sync daemon is named.
    DaemonMissing,
    /// An attribute inside the sync daemon is malformed.
    DaemonMalformed,
    /// A setting of the sync daemon is missing.
    DaemonIncomplete,
    /// The group of the sync daemon is no multicast address.
    DaemonGroup,
    /// A real server has another family than its service, which sync daemons cannot tell.
    DaemonFamilies,
    /// The sync daemon is neither master nor backup.
    DaemonState,
    /// The interface of the sync daemon is not there.
    DaemonDevice,
    /// The sync daemon does not run.
    DaemonUnknown,
    /// Sync daemons.
    DaemonNotYet,
    /// There is not enough memory.
    Memory,
    /// The module is being unloaded.
    Unloading,
    /// The namespace is being made or removed.
    Namespace,
}

impl Refusal {
    /// Returns the error number.
    pub const fn errno(self) -> Errno {
        match self {
            Refusal::SchedulerUnknown | Refusal::EngineUnknown | Refusal::DestUnknown => {
                Errno::NoEntry
            }
            Refusal::ServiceUnknown | Refusal::DaemonUnknown => Errno::NoService,
            Refusal::OptionProtocol => Errno::Fault,
            Refusal::Memory => Errno::NoMemory,
            Refusal::ServiceExists | Refusal::DestExists => Errno::Exists,
            Refusal::Namespace | Refusal::DaemonDevice => Errno::NoDevice,
            Refusal::ServiceMissing
            | Refusal::ServiceMalformed
            | Refusal::ServiceIncomplete
            | Refusal::SettingsIncomplete
            | Refusal::DestMissing
            | Refusal::DestMalformed
            | Refusal::DestIncomplete
            | Refusal::DestSettingsIncomplete
            | Refusal::Netmask
            | Refusal::ServersTooMany
            | Refusal::DestFamily
            | Refusal::DestAddress
            | Refusal::DestDaemon
            | Refusal::OptionLength
            | Refusal::OptionName
            | Refusal::DaemonMissing
            | Refusal::DaemonMalformed
            | Refusal::DaemonIncomplete
            | Refusal::DaemonGroup
            | Refusal::DaemonFamilies
            | Refusal::DaemonState
            | Refusal::Timeout
            | Refusal::DestSettings(DestError::Upper)
            | Refusal::DestSettings(DestError::TunnelPort) => Errno::Invalid,
            Refusal::Malformed
            | Refusal::DestSettings(DestError::Weight)
            | Refusal::DestSettings(DestError::LowerAboveUpper) => Errno::Range,
            Refusal::Unloading => Errno::NoModule,
            Refusal::DaemonNotYet => Errno::Unsupported,
            Refusal::Family | Refusal::FamilyAbsent => Errno::Family,
        }
    }

    /// Returns whether the kernel log says why: not where the errno does, and programs that only ask
    /// whether something is there get it.
    pub const fn is_logged(self) -> bool {
        !matches!(
            self,
            Refusal::ServiceUnknown
                | Refusal::ServiceExists
                | Refusal::DestUnknown
                | Refusal::DestExists
        )
    }

    /// Returns the sentence: at most 79 bytes, which the buffers on its way to the user hold.
    pub const fn sentence(self) -> &'static CStr {
        match self {
            Refusal::Malformed => c"An attribute is shorter than its type needs.",
            Refusal::ServiceMissing => c"The request names no service.",
            Refusal::ServiceMalformed => {
                c"An attribute of the service has a wrong length or no end."
            }
            Refusal::ServiceIncomplete => {
                c"A service is a family and a mark, or family, protocol, address and port."
            }
            Refusal::SettingsIncomplete => {
                c"The service needs a scheduler, flags, a timeout and a netmask."
            }
            Refusal::Family => c"The family is neither IPv4 nor IPv6.",
            Refusal::FamilyAbsent => c"The kernel was started without IPv6.",
            Refusal::ServiceUnknown => c"There is no such service.",
            Refusal::ServiceExists => c"The service exists already.",
            Refusal::SchedulerUnknown => c"There is no such scheduler.",
            Refusal::Netmask => c"The netmask is no prefix length of IPv6.",
            Refusal::ServersTooMany => c"The service has more servers than the scheduler takes.",
            Refusal::EngineUnknown => c"There is no such persistence engine.",
            Refusal::DestMissing => c"The request names no server.",
            Refusal::DestMalformed => c"An attribute of the server has a wrong length.",
            Refusal::DestIncomplete => c"The server needs an address and a port.",
            Refusal::DestSettingsIncomplete => {
                c"The server needs a forwarding method, a weight and both thresholds."
            }
            Refusal::DestFamily => c"Only a tunnel leads to a server of the other family.",
            Refusal::DestExists => c"The server exists already.",
            Refusal::DestUnknown => c"The service has no such server.",
            Refusal::DestAddress => c"The server's address is neither local nor unicast here.",
            Refusal::Timeout => c"A timeout is longer than the kernel can count.",
            Refusal::DestDaemon => c"A running sync daemon allows no server of the other family.",
            Refusal::OptionLength => c"The argument of the socket option has a wrong length.",
            Refusal::OptionName => c"A name is empty or has no end.",
            Refusal::OptionProtocol => c"Socket options know TCP, UDP and SCTP only.",
            Refusal::DaemonMissing => c"The request names no sync daemon.",
            Refusal::DaemonMalformed => c"An attribute of the sync daemon has a wrong length.",
            Refusal::DaemonIncomplete => c"The sync daemon needs a state, an interface and an ID.",
            Refusal::DaemonGroup => c"The group of the sync daemon is no multicast address.",
            Refusal::DaemonFamilies => c"A server has another family than its service.",
            Refusal::DaemonState => c"A sync daemon is either master or backup.",
            Refusal::DaemonDevice => c"There is no such interface.",
            Refusal::DaemonUnknown => c"No such sync daemon runs.",
            Refusal::DaemonNotYet => c"Sync daemons are not supported yet.",
            Refusal::Memory => c"There is not enough memory.",
            Refusal::Unloading => c"The module is being unloaded.",
            Refusal::Namespace => c"The namespace is being made or removed.",
            Refusal::DestSettings(DestError::Weight) => c"The weight is negative.",
            Refusal::DestSettings(DestError::LowerAboveUpper) => {
                c"The lower threshold is above the upper threshold."
            }
            Refusal::DestSettings(DestError::Upper) => c"The upper threshold is negative.",
            Refusal::DestSettings(DestError::TunnelPort) => c"A GUE tunnel needs a port.",
        }
    }

    /// Every refusal.
    pub const ALL: [Refusal; 42] = [
        Refusal::Malformed,
        Refusal::ServiceMissing,
        Refusal::ServiceMalformed,
        Refusal::ServiceIncomplete,
        Refusal::SettingsIncomplete,
        Refusal::Family,
        Refusal::FamilyAbsent,
        Refusal::ServiceUnknown,
        Refusal::ServiceExists,
        Refusal::SchedulerUnknown,
        Refusal::Netmask,
        Refusal::ServersTooMany,
        Refusal::EngineUnknown,
        Refusal::DestMissing,
        Refusal::DestMalformed,
        Refusal::DestIncomplete,
        Refusal::DestSettingsIncomplete,
        Refusal::DestFamily,
        Refusal::DestSettings(DestError::Weight),
        Refusal::DestSettings(DestError::LowerAboveUpper),
        Refusal::DestSettings(DestError::Upper),
        Refusal::DestSettings(DestError::TunnelPort),
        Refusal::DestExists,
        Refusal::DestUnknown,
        Refusal::DestAddress,
        Refusal::Timeout,
        Refusal::DestDaemon,
        Refusal::OptionLength,
        Refusal::OptionName,
        Refusal::OptionProtocol,
        Refusal::DaemonMissing,
        Refusal::DaemonMalformed,
        Refusal::DaemonIncomplete,
        Refusal::DaemonGroup,
        Refusal::DaemonFamilies,
        Refusal::DaemonState,
        Refusal::DaemonDevice,
        Refusal::DaemonUnknown,
        Refusal::DaemonNotYet,
        Refusal::Memory,
        Refusal::Unloading,
        Refusal::Namespace,
    ];
}

impl From<DestError> for Refusal {
    fn from(error: DestError) -> Refusal {
        Refusal::DestSettings(error)
    }
}

#[cfg_attr(CONFIG_KUNIT = "y", kernel::prelude::kunit_tests(rvs_refusal))]
#[cfg(any(test, CONFIG_KUNIT = "y"))]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_short_enough_and_end() {
        let bad = Refusal::ALL.into_iter().find(|refusal| {
            let sentence = refusal.sentence().to_bytes();
            sentence.len() > 79 || !sentence.ends_with(b".")
        });
        assert_eq!(bad, None);
    }

    #[test]
    fn answers_to_questions_are_not_logged() {
        let quiet = Refusal::ALL
            .into_iter()
            .filter(|refusal| !refusal.is_logged());
        assert!(quiet
            .map(|refusal| refusal.errno().number())
            .eq([3, 17, 17, 2]));
        assert!(Refusal::SchedulerUnknown.is_logged());
    }

    #[test]
    fn errnos_have_the_numbers_of_user_space() {
        assert_eq!(Refusal::SchedulerUnknown.errno().number(), 2);
        assert_eq!(Refusal::DestUnknown.errno().number(), 2);
        assert_eq!(Refusal::ServiceUnknown.errno().number(), 3);
        assert_eq!(Refusal::Memory.errno().number(), 12);
        assert_eq!(Refusal::OptionProtocol.errno().number(), 14);
        assert_eq!(Refusal::ServiceExists.errno().number(), 17);
        assert_eq!(Refusal::DestExists.errno().number(), 17);
        assert_eq!(Refusal::Namespace.errno().number(), 19);
        assert_eq!(Refusal::ServiceMissing.errno().number(), 22);
        assert_eq!(Refusal::ServersTooMany.errno().number(), 22);
        assert_eq!(Refusal::DestAddress.errno().number(), 22);
        assert_eq!(Refusal::Timeout.errno().number(), 22);
        assert_eq!(Refusal::Malformed.errno().number(), 34);
        assert_eq!(Refusal::Unloading.errno().number(), 92);
        assert_eq!(Refusal::DaemonNotYet.errno().number(), 95);
        assert_eq!(Refusal::FamilyAbsent.errno().number(), 97);
    }

    #[test]
    fn settings_of_a_server_have_the_errnos_of_c() {
        let errno = |error| Refusal::from(error).errno();
        assert_eq!(errno(DestError::Weight), Errno::Range);
        assert_eq!(errno(DestError::LowerAboveUpper), Errno::Range);
        assert_eq!(errno(DestError::Upper), Errno::Invalid);
        assert_eq!(errno(DestError::TunnelPort), Errno::Invalid);
    }
}
